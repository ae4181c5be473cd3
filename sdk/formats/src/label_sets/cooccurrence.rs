//! How often classes occur, alone and together (paper, Table 8).

use std::collections::HashMap;

use convert_sdk::{Error, Result};

/// Counts of classes and of pairs of classes over images.
#[derive(Clone, Debug, Default)]
pub struct Cooccurrence {
    images: HashMap<u32, u64>,
    pairs: HashMap<(u32, u32), u64>,
}

/// Two classes that occur together, `a` the lower index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairCount {
    /// The one class.
    pub a: u32,
    /// The other class.
    pub b: u32,
    /// Images with `a`: N_a.
    pub images_a: u64,
    /// Images with `b`: N_b.
    pub images_b: u64,
    /// Images with both: N_ab.
    pub together: u64,
}

impl PairCount {
    /// P(a|b): the share of the images with `b` that have `a`; 0 when none has `b`.
    pub fn a_given_b(&self) -> f64 {
        share(self.together, self.images_b)
    }

    /// P(b|a): the share of the images with `a` that have `b`; 0 when none has `a`.
    pub fn b_given_a(&self) -> f64 {
        share(self.together, self.images_a)
    }

    /// N_ab / (N_a + N_b − N_ab); 0 when neither class occurs.
    pub fn jaccard(&self) -> f64 {
        share(self.together, self.images_a + self.images_b - self.together)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Cooccurrence {
    /// Most pairs of classes that are counted: those of 4,096 classes.
    pub const MAX_PAIRS: usize = 1 << 23;

    /// Counts an image: its classes, each once, in any order.
    ///
    /// # Errors
    /// More than [`Self::MAX_PAIRS`] pairs over all images, more than [`super::MAX_IMAGE_CLASSES`] classes of this one.
    pub fn add(&mut self, classes: &[u32]) -> Result<()> {
        if classes.len() > super::MAX_IMAGE_CLASSES {
            return Err(Error::invalid(format!("an image has {} classes: pairs of at most {} are counted", classes.len(), super::MAX_IMAGE_CLASSES)));
        }
        for (at, class) in classes.iter().enumerate() {
            *self.images.entry(*class).or_default() += 1;
            for other in &classes[at + 1..] {
                *self.pairs.entry((*class.min(other), *class.max(other))).or_default() += 1;
            }
        }
        if self.pairs.len() > Self::MAX_PAIRS {
            return Err(Error::invalid(format!("more than {} pairs of classes occur together: are these single images?", Self::MAX_PAIRS)));
        }
        Ok(())
    }

    /// Images with a class.
    pub fn images(&self, class: u32) -> u64 {
        self.images.get(&class).copied().unwrap_or(0)
    }

    /// The counts of two different classes.
    pub fn pair(&self, a: u32, b: u32) -> PairCount {
        let (a, b) = (a.min(b), a.max(b));
        let together = self.pairs.get(&(a, b)).copied().unwrap_or(0);
        PairCount { a, b, images_a: self.images(a), images_b: self.images(b), together }
    }

    /// The pairs that occur at least `min_count` times, the most frequent first and among equals by class; the first `top` of them (paper, E.1).
    pub fn most_frequent(&self, min_count: u64, top: usize) -> Vec<PairCount> {
        let mut pairs: Vec<PairCount> = self.pairs.iter().filter(|(_, count)| **count >= min_count).map(|((a, b), _)| self.pair(*a, *b)).collect();
        pairs.sort_unstable_by_key(|pair| (std::cmp::Reverse(pair.together), pair.a, pair.b));
        pairs.truncate(top);
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_and_ranked() {
        let mut counts = Cooccurrence::default();
        for classes in [&[1, 2][..], &[2, 1, 3], &[2], &[3, 2], &[]] {
            counts.add(classes).unwrap();
        }
        let pair = counts.pair(2, 1);
        assert_eq!(pair, PairCount { a: 1, b: 2, images_a: 2, images_b: 4, together: 2 });
        assert_eq!((pair.a_given_b(), pair.b_given_a(), pair.jaccard()), (0.5, 1.0, 0.5));
        let ranked: Vec<_> = counts.most_frequent(1, 9).iter().map(|pair| (pair.a, pair.b)).collect();
        assert_eq!(ranked, [(1, 2), (2, 3), (1, 3)]);
        assert_eq!(counts.most_frequent(2, 9).len(), 2);
        assert_eq!(counts.most_frequent(1, 1).len(), 1);
        assert_eq!(counts.pair(7, 8).a_given_b(), 0.0);
    }

    #[test]
    fn pairs_that_no_memory_holds_are_refused() {
        let mut counts = Cooccurrence::default();
        let many: Vec<u32> = (0..1025).collect();
        assert!(counts.add(&many).unwrap_err().to_string().contains("1025 classes"));
        let mut at = 0;
        let refused = loop {
            match counts.add(&(at..at + 1024).collect::<Vec<_>>()) {
                Ok(()) => at += 1024,
                Err(error) => break error.to_string(),
            }
        };
        // each image has 1024 * 1023 / 2 pairs
        assert_eq!(at / 1024, 16);
        assert!(refused.contains("more than 8388608 pairs"), "{refused}");
    }
}

//! Counts over all images: classes, and pairs of classes that share an image.

use std::collections::HashMap;

/// Pairs held at most; beyond it, those seen once are forgotten. Far above what 1,000 classes give (499,500).
const PAIR_LIMIT: usize = 2_000_000;

/// How often a class was the given label, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCount {
    /// Images whose single label it is.
    pub given: u64,
    /// Of those, the images that still have it.
    pub kept: u64,
    /// Images that have it although another class is their single label.
    pub added: u64,
}

/// The counts of a run.
#[derive(Debug, Default)]
pub struct Tally {
    classes: Vec<ClassCount>,
    pairs: HashMap<(u32, u32), u64>,
}

impl Tally {
    /// No counts yet.
    pub fn new(classes: usize) -> Self {
        Self { classes: vec![ClassCount::default(); classes], pairs: HashMap::new() }
    }

    /// Counts an image: its single label and its classes, ascending.
    pub fn add(&mut self, label: u32, classes: &[u32]) {
        self.class(label).given += 1;
        for (index, &class) in classes.iter().enumerate() {
            let count = self.class(class);
            if class == label {
                count.kept += 1;
            } else {
                count.added += 1;
            }
            for &other in &classes[index + 1..] {
                *self.pairs.entry((class, other)).or_default() += 1;
            }
        }
        if self.pairs.len() > PAIR_LIMIT {
            self.pairs.retain(|_, count| *count > 1);
        }
    }

    fn class(&mut self, class: u32) -> &mut ClassCount {
        let index = class as usize;
        if index >= self.classes.len() {
            self.classes.resize(index + 1, ClassCount::default());
        }
        &mut self.classes[index]
    }

    /// The counts by class index.
    pub fn classes(&self) -> &[ClassCount] {
        &self.classes
    }

    /// Labels that images have beyond their single one.
    pub fn added(&self) -> u64 {
        self.classes.iter().map(|count| count.added).sum()
    }

    /// All pairs with their counts, the most frequent first.
    pub fn pairs(&self) -> Vec<((u32, u32), u64)> {
        let mut pairs: Vec<_> = self.pairs.iter().map(|(pair, count)| (*pair, *count)).collect();
        pairs.sort_unstable_by_key(|(pair, count)| (std::cmp::Reverse(*count), *pair));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_pairs_are_counted_once_an_image() {
        let mut tally = Tally::new(3);
        tally.add(1, &[0, 1, 2]);
        tally.add(1, &[1, 2]);
        tally.add(0, &[]);
        let count = |given, kept, added| ClassCount { given, kept, added };
        assert_eq!(tally.classes(), [count(1, 0, 1), count(2, 2, 0), count(0, 0, 2)]);
        assert_eq!(tally.pairs(), [((1, 2), 2), ((0, 1), 1), ((0, 2), 1)]);
        assert_eq!(tally.added(), 3);
    }
}

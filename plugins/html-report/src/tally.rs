//! Counts over all images: classes, and pairs of classes that share an image.

use std::collections::{BTreeMap, HashMap};

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

/// What the truth says of a class as a label that was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassTruth {
    /// Images with known truth that have it although another class is their single label.
    pub added: u64,
    /// Of those, the images that show it.
    pub right: u64,
    /// Images that show it although another class is their single label.
    pub shown: u64,
}

/// Bins of probability.
pub const BINS: usize = 100;

/// The counts of a run.
#[derive(Debug, Default)]
pub struct Tally {
    classes: Vec<ClassCount>,
    truths: BTreeMap<u32, ClassTruth>,
    /// Labels besides the single ones, by hundredths of probability.
    probabilities: Vec<u64>,
    pairs: HashMap<(u32, u32), u64>,
}

impl Tally {
    /// No counts yet.
    pub fn new(classes: usize) -> Self {
        Self { classes: vec![ClassCount::default(); classes], probabilities: vec![0; BINS], ..Self::default() }
    }

    /// Counts the probability of a label besides the single one.
    pub fn add_probability(&mut self, probability: f32) {
        self.probabilities[((f64::from(probability) * BINS as f64) as usize).min(BINS - 1)] += 1;
    }

    /// Counts an image whose truth is known: its single label, its classes, and those that it shows.
    pub fn add_truth(&mut self, label: u32, classes: &[u32], shown: &[u32]) {
        for class in classes.iter().filter(|class| **class != label) {
            let truth = self.truths.entry(*class).or_default();
            truth.added += 1;
            truth.right += u64::from(shown.contains(class));
        }
        let mut seen = shown.to_vec();
        seen.sort_unstable();
        seen.dedup();
        for class in seen.into_iter().filter(|class| *class != label) {
            self.truths.entry(class).or_default().shown += 1;
        }
    }

    /// Labels besides the single ones in each hundredth of probability.
    pub fn probabilities(&self) -> &[u64] {
        &self.probabilities
    }

    /// What the truth says, by class; empty where it is not known.
    pub fn truths(&self) -> &BTreeMap<u32, ClassTruth> {
        &self.truths
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
    fn the_truth_is_counted_without_the_single_label() {
        let mut tally = Tally::new(3);
        tally.add_truth(0, &[0, 1, 2], &[0, 2, 2]);
        tally.add_truth(2, &[2], &[1, 2]);
        let truth = |added, right, shown| ClassTruth { added, right, shown };
        assert_eq!(tally.truths().iter().map(|(class, truth)| (*class, *truth)).collect::<Vec<_>>(), [(1, truth(1, 0, 1)), (2, truth(1, 1, 1))]);
        [0.0, 0.996, 1.0, 0.25].into_iter().for_each(|probability| tally.add_probability(probability));
        assert_eq!((tally.probabilities()[0], tally.probabilities()[25], tally.probabilities()[99]), (1, 1, 2));
    }

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

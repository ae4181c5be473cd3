//! Precision, recall and F1 of the classes above a threshold.

use serde::Serialize;

/// Precision, recall and F1, each in [0, 1]; a ratio without a denominator is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Scores {
    /// True ones among the predicted.
    pub precision: f64,
    /// Predicted ones among the true.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}

/// Both ways of averaging over classes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtThreshold {
    /// Of all decisions together.
    pub micro: Scores,
    /// Means over the classes that have true images.
    #[serde(rename = "macro")]
    pub macro_averaged: Scores,
    /// How many classes those are.
    pub macro_classes: u64,
}

/// True positives, predictions and truths of a class.
#[derive(Clone, Copy, Default)]
struct Counts {
    both: u64,
    predicted: u64,
    actual: u64,
}

impl Counts {
    fn scores(self) -> Scores {
        let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Scores {
            precision: ratio(self.both, self.predicted),
            recall: ratio(self.both, self.actual),
            f1: ratio(2 * self.both, self.predicted + self.actual),
        }
    }
}

/// Counts decisions by class.
pub struct Decisions(Vec<Counts>);

impl Decisions {
    /// For so many classes.
    pub fn new(classes: usize) -> Self {
        Self(vec![Counts::default(); classes])
    }

    /// Counts an image; both label sets are sorted, each class once.
    pub fn add(&mut self, ours: &[u32], truth: &[u32]) {
        for class in ours {
            let counts = &mut self.0[*class as usize];
            counts.predicted += 1;
            counts.both += u64::from(truth.binary_search(class).is_ok());
        }
        for class in truth {
            self.0[*class as usize].actual += 1;
        }
    }

    /// The averages.
    pub fn finish(&self) -> AtThreshold {
        let sum = |of: fn(&Counts) -> u64| self.0.iter().map(of).sum();
        let all = Counts { both: sum(|c| c.both), predicted: sum(|c| c.predicted), actual: sum(|c| c.actual) };
        let scores: Vec<Scores> = self.0.iter().filter(|counts| counts.actual > 0).map(|counts| counts.scores()).collect();
        let mean = |of: fn(&Scores) -> f64| scores.iter().map(of).sum::<f64>() / scores.len().max(1) as f64;
        AtThreshold {
            micro: all.scores(),
            macro_averaged: Scores { precision: mean(|s| s.precision), recall: mean(|s| s.recall), f1: mean(|s| s.f1) },
            macro_classes: scores.len() as u64,
        }
    }
}

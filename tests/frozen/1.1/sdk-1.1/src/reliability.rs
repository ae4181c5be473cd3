//! How far probabilities can be believed.

use serde::{Deserialize, Serialize};

/// Bins of equal width between 0 and 1.
const BINS: usize = 10;

/// The predictions of one bin of a reliability diagram.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// How many there are.
    pub count: u64,
    /// Their mean probability; 0 where there is none.
    pub confidence: f64,
    /// The share of them that is right; 0 where there is none.
    pub accuracy: f64,
}

/// A reliability diagram in ten bins of equal width, and its expected calibration error (Guo et al. 2017, equation 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// The mean difference between a bin's confidence and its accuracy, weighted by the bins' counts; in [0, 1].
    pub ece: f64,
    /// The bins, from the least probable to the most.
    pub bins: Vec<ReliabilityBin>,
}

/// Gathers predictions for a [`Reliability`].
#[derive(Clone, Debug, Default)]
pub struct ReliabilityCounter {
    bins: [ReliabilityBin; BINS],
}

impl ReliabilityCounter {
    /// Adds a prediction: its probability, and whether it is right. Probabilities outside [0, 1] count as the nearest one.
    pub fn add(&mut self, probability: f64, right: bool) {
        let bin = &mut self.bins[((probability * BINS as f64) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.confidence += probability.clamp(0.0, 1.0);
        bin.accuracy += f64::from(u8::from(right));
    }

    /// The diagram; `None` without a prediction.
    pub fn reliability(mut self) -> Option<Reliability> {
        let all: u64 = self.bins.iter().map(|bin| bin.count).sum();
        let mut ece = 0.0;
        for bin in self.bins.iter_mut().filter(|bin| bin.count > 0) {
            ece += (bin.confidence - bin.accuracy).abs() / all as f64;
            bin.confidence /= bin.count as f64;
            bin.accuracy /= bin.count as f64;
        }
        (all > 0).then_some(Reliability { ece, bins: self.bins.into() })
    }
}

//! How many classes the images have (paper, Table 5).

use convert_sdk::{LabelVector, Statistics};

/// Counts images by their number of classes above a threshold.
pub struct Tally {
    threshold: f32,
    images: u64,
    labels: u64,
    by_count: [u64; 5],
}

impl Tally {
    /// Counts classes whose probability is above `threshold`.
    pub fn new(threshold: f32) -> Self {
        Self { threshold, images: 0, labels: 0, by_count: [0; 5] }
    }

    /// Counts an image.
    pub fn add(&mut self, labels: &LabelVector) {
        self.add_count(labels.above(self.threshold).count());
    }

    /// Counts an image with so many classes.
    pub fn add_count(&mut self, classes: usize) {
        self.images += 1;
        self.labels += classes as u64;
        self.by_count[classes.min(4)] += 1;
    }

    /// The counts; `skipped` images were skipped before.
    pub fn statistics(&self, skipped: u64) -> Statistics {
        let average = if self.images == 0 { 0.0 } else { self.labels as f64 / self.images as f64 };
        Statistics { threshold: self.threshold, images: self.images, by_count: self.by_count, average, skipped }
    }
}

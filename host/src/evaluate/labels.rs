//! Image-level labels against a truth (paper 4, 5.1, D.1; method 7).

mod agreement;
mod decisions;
mod ranking;
mod report;

pub use report::{LabelReport, evaluate};

/// The names of the groups of images by how many true labels they have (paper, Table 2).
pub const BY_COUNT: [&str; 4] = ["k = 1", "k = 2", "k = 3", "k ≥ 4"];

/// The group of an image with so many true labels, an index into [`BY_COUNT`]; `None` without any.
fn group(true_labels: usize) -> Option<usize> {
    true_labels.checked_sub(1).map(|index| index.min(3))
}

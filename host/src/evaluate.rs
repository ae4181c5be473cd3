//! Scores of labels: Table 5, and the comparison with a truth (SPEC 7).

pub mod labels;
mod precision;
mod tally;

pub use precision::Scorer;
pub use tally::Tally;

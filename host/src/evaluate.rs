//! Scores of labels: Table 5, and the comparison with a truth (method 7); scores of proposals.

pub mod labels;
mod precision;
mod proposals;
mod tally;

pub use precision::Scorer;
pub use proposals::{Scores, score_proposals};
pub use tally::Tally;

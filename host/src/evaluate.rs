//! Scores of labels: Table 5, and the comparison with a truth (method 7); scores of proposals; what neighbours say of features (paper F.2).

mod added;
mod audit;
mod average_precision;
mod calibration;
pub mod labels;
mod neighbours;
mod precision;
mod proposals;
mod tally;

pub use added::Added;
pub use audit::{Suspect, look_alikes};
pub use calibration::{Calibrator, Choice, KnownLabel, Probabilities};
pub use neighbours::{Neighbours, near_duplicates, neighbours};
pub use precision::Scorer;
pub use proposals::{ProposalScores, Scores, TrueObjects, score_proposals};
pub use tally::Tally;

//! `convert evaluate`: results against a truth.

mod labels;
mod neighbours;
mod proposals;

pub use labels::labels;
pub use neighbours::{Options, neighbours_of};
pub use proposals::proposals;

//! `convert evaluate`: results against a truth.

mod labels;
mod proposals;

pub use labels::labels;
pub use proposals::proposals;

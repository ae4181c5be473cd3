//! `convert evaluate`: results against a truth.

mod labels;

pub use labels::labels;

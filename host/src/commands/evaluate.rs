//! `convert evaluate`: results against a truth.

mod proposals;

pub use proposals::proposals;

//! The pipeline: which stages a recipe makes, what each reads, and how each calls its plugin.

mod exports;
mod labels;
mod masks;
mod plan;
mod rows;
mod session;
mod train;

pub use session::{Options, Session, check_plugins, prepare};

//! The pipeline: which stages a recipe makes, what each reads, and how each calls its plugin.

mod exports;
mod labels;
mod learning;
mod maps;
mod masks;
mod plan;
mod rows;
mod select;
mod session;
mod train;
mod training_sets;
mod works;

pub use plan::{Plan, RefineStage};
pub(crate) use session::HostSide;
pub use session::{Options, Session, check_plugins, prepare};
pub use works::Works;

//! The pipeline: which stages a recipe makes, what each reads, and how each calls its plugin.

mod action;
mod audit;
mod calibration;
mod cost_estimates;
mod error;
mod execution;
mod exports;
mod host_side;
mod ids;
mod labeler;
mod maps;
mod part;
mod plan;
mod retry;
mod rows;
mod session;
mod shared_cache;
mod steps;
mod tasks;
mod train;
mod training_sets;
mod vectors;
mod work_dir;

pub use action::Action;
pub use cost_estimates::CostEstimates;
pub use error::PipelineError;
pub use exports::Outcome;
pub(crate) use host_side::HostSide;
pub use part::Part;
pub use plan::{Kind, Step};
pub use session::{Options, Planning, Prepared, Session, check_plugins, prepare};
pub use tasks::Task;
pub use vectors::{LabelledVectors, RunVectors};
pub use work_dir::{COMPLETE_RECIPE, RUN};

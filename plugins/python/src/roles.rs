//! The roles: each trait's methods as calls of a worker.

mod dataset;
mod exporter;
mod labeler;
mod small;

pub use dataset::Dataset;
pub use exporter::Exporter;
pub use labeler::Labeler;
pub use small::{Extractor, Postprocessor, Proposer, Refiner, Selector};

//! Proposer `selective-search`: hierarchical grouping of segments, without weights (Uijlings, van de Sande, Gevers & Smeulders, "Selective Search for Object Recognition",
//! IJCV 2013).

mod candidates;
mod config;
mod graph;
mod grouping;
mod picture;
mod proposer;
mod regions;
#[cfg(test)]
mod rules;

pub use config::{ColourSpace, SelectiveSearchConfig, Strategy};
pub use graph::{Graph, Segments};
pub use proposer::SelectiveSearch;

convert_sdk::export_plugins! {
    proposer "selective-search" => SelectiveSearch { results_version: 1, seeded: false },
}

//! `plugin: python`: plugins of every role that are classes in Python (docs/python-plugins.md).
//!
//! Each runs in processes of its own (`worker`), of which a pool hands one to every call (`pool`). What goes between are frames (`frame`): JSON with arrays behind it.
//! A crash of the interpreter therefore costs the samples in flight, not the run.

mod config;
mod frame;
mod pool;
mod roles;
mod values;
mod worker;

pub use config::PythonConfig;
pub use roles::{Dataset, Exporter, Extractor, Labeler, Postprocessor, Proposer, Refiner, Selector};

convert_sdk::export_plugins! {
    dataset "python" => Dataset { results_version: 1 },
    proposer "python" => Proposer { results_version: 1, device: true },
    refiner "python" => Refiner { results_version: 1, device: true },
    selector "python" => Selector { results_version: 1, device: true },
    labeler "python" => Labeler { results_version: 1, device: true },
    postprocessor "python" => Postprocessor { results_version: 1 },
    exporter "python" => Exporter { results_version: 1 },
    extractor "python" => Extractor { results_version: 1, device: true },
}

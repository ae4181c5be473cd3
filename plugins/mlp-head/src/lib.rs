//! Labeler mlp-head: a small MLP over pooled patch features (method 4; paper 3.2, B.1).

#[doc(hidden)] // for benches/views.rs
pub mod augment;
mod auto;
mod cached_files;
mod checkpoint;
mod config;
mod course;
mod extraction;
mod features;
mod folds;
mod head;
mod in_order;
mod label_maps;
mod labeler;
mod model;
mod outcome;
mod passes;
mod pooling;
mod progress;
#[doc(hidden)]
pub mod randomness;
mod regions;
#[cfg(test)]
mod rules;
mod settings;
mod sgd;
mod survey;
mod task;
mod training;
mod vector_file;
mod views;

pub use config::{Calibration, CropPart, HeadChoice, MlpHeadConfig, Mode, Pooling, Regions};
pub use labeler::MlpHead;

convert_sdk::export_plugins! {
    labeler "mlp-head" => MlpHead { results_version: 2, device: true },
}

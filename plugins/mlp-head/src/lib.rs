//! Labeler mlp-head: a small MLP over pooled patch features (method 4; paper 3.2, B.1).

#[doc(hidden)] // for benches/views.rs
pub mod augment;
mod cached_files;
mod checkpoint;
mod config;
mod extraction;
mod features;
mod head;
mod in_order;
mod label_maps;
mod labeler;
mod model;
mod passes;
mod pooling;
mod progress;
#[doc(hidden)]
pub mod randomness;
mod regions;
mod sgd;
mod task;
mod training;
mod vector_file;
mod views;

pub use config::{CropPart, MlpHeadConfig, Mode, Pooling, Regions};
pub use labeler::MlpHead;

convert_sdk::export_plugins! {
    labeler "mlp-head" => MlpHead { results_version: 2, device: true },
}

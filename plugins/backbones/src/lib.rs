//! Backbones: one feature vector a patch, from ViTs in tch or without weights.
//!
//! A plugin puts a [`BackboneConfig`] into its own config, builds a [`Backbone`] once, [checks](Backbone::check) the requests that its
//! config leads to, and then asks for [`Features`] from any thread.

mod backbone;
mod config;
mod device;
mod family;
mod features;
mod huggingface;
mod layout;
mod module;
mod normalisation;
mod patch_stats;
mod published;
mod random;
mod torch;
mod torchscript;
mod vit;
mod weights;

pub use backbone::Backbone;
pub use config::{BackboneConfig, FeatureKind, FeatureRequest, Precision};
pub use device::{device, diagnosis};
pub use family::Family;
pub use features::{FeatureTensor, Features};
pub use published::{Published, presets};
pub use torch::torch;
pub use torchscript::load_module;

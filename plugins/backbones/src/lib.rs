//! Backbones: one feature vector a patch, from ViTs in tch or without weights.
//!
//! A plugin puts a [`BackboneConfig`] into its own config, builds a [`Backbone`] once, [checks](Backbone::check) the requests that its
//! config leads to, and then asks for [`Features`] from any thread.

mod backbone;
mod checkpoint;
mod config;
mod patch_stats;
mod random;
mod torch;
mod vit;

pub use backbone::{Backbone, Features};
pub use config::{BackboneConfig, Family, FeatureKind, FeatureRequest};
pub use torch::{device, torch};

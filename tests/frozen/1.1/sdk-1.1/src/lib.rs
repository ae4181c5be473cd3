//! What a plugin author of `convert` sees.
//!
//! A plugin is one struct that implements one of the [role](roles) traits, with a typed config whose doc comments and defaults become
//! `convert plugins describe NAME`, and a line of [`export_plugins!`] that makes the library file. `docs/writing-a-plugin.md` has a complete one.
#![warn(missing_docs)]

pub mod abi;
mod config;
mod context;
mod error;
mod image;
mod label_map;
mod labels;
mod mask;
mod reliability;
#[doc(hidden)] // for tests/resample.rs
pub mod resample;
pub mod roles;

pub use config::{InputEntry, InputFile, InputFolder, InputPath};
pub use context::{Context, Host, LogLevel, Settings};
pub use convert_sdk_macros::config;
pub use error::{Error, ErrorKind, Result, ResultExt};
pub use image::{Image, LazyImage};
pub use label_map::LabelMap;
pub use labels::{ClassScore, LabelVector, Probability};
pub use mask::{BoundingBox, Mask};
pub use reliability::{Reliability, ReliabilityBin, ReliabilityCounter};
pub use roles::*;

// What configs and logs are written with, so that a plugin's manifest needs few dependencies of its own.
pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize, Serialize};
pub use tracing;

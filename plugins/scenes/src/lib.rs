//! Dataset `scenes`: multi-object pictures with known truth, drawn from a seed, so that a first run needs no data.
//!
//! A scene derives from (seed, index) alone: [`arrangement`] chooses classes, poses and places, [`background`] the surface they lie on and
//! [`paint`] puts both together. The arithmetic is that of single IEEE operations, without the system's sine or logarithm, so that a scene has
//! the same bytes on every machine of one architecture.

mod arrangement;
mod background;
mod catalogue;
mod noise;
mod paint;
mod random;
#[cfg(test)]
mod rules;
mod scenes;
mod stamp;

pub use scenes::{Scenes, ScenesConfig};

convert_sdk::export_plugins! { dataset "scenes" => Scenes { results_version: 1 } }

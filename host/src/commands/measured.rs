//! What was measured of a recipe here, kept in its work directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::recipe::Configured;

/// What a stage takes an image.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// Seconds, all threads together.
    pub seconds: f64,
    /// Bytes in the work directory.
    pub bytes: f64,
}

/// The rate of a stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageRate {
    /// The plugin's config: another one has another rate.
    config: String,
    rate: Rate,
    /// Floating-point operations an image.
    flops: u64,
}

impl StageRate {
    /// That of a stage with a plugin, whose work is `flops` operations an image.
    pub fn new(plugin: Option<&Configured>, rate: Rate, flops: u64) -> Self {
        Self { config: config(plugin), rate, flops }
    }
}

/// The rates of a recipe's stages, kept in its work directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The images it was measured with.
    pub images: usize,
    /// On what.
    pub device: String,
    /// How many threads.
    pub threads: usize,
    /// By stage.
    pub stages: BTreeMap<String, StageRate>,
}

impl Measured {
    /// Where it is kept.
    pub fn file(work_dir: &Path) -> PathBuf {
        work_dir.join("measured.json")
    }

    /// What was measured in a work directory.
    pub fn read(work_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::file(work_dir)).ok()?).ok()
    }

    /// The rate of a stage with the plugin's present config.
    pub fn rate(&self, stage: &str, plugin: Option<&Configured>) -> Option<Rate> {
        self.stages.get(stage).filter(|entry| entry.config == config(plugin)).map(|entry| entry.rate)
    }

    /// The mean time of a floating-point operation over the stages that are counted in them.
    pub fn seconds_per_flop(&self) -> Option<f64> {
        let counted = self.stages.values().filter(|entry| entry.flops > 0);
        let (flops, seconds) = counted.fold((0, 0.0), |(flops, seconds), entry| (flops + entry.flops, seconds + entry.rate.seconds));
        (flops > 0).then(|| seconds / flops as f64)
    }
}

fn config(plugin: Option<&Configured>) -> String {
    plugin.map_or_else(String::new, |plugin| plugin.config.to_string())
}

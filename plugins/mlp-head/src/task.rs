//! What a training is about.

use std::path::Path;

use convert_sdk::{Context, TrainingSet};

use crate::config::MlpHeadConfig;
use crate::features::FeatureSource;

/// One training.
pub struct Training<'a> {
    pub config: &'a MlpHeadConfig,
    pub context: &'a Context,
    pub features: &'a FeatureSource,
    pub set: &'a dyn TrainingSet,
    pub folder: &'a Path,
}

//! The plugin: configuration, training and loading.

use std::path::Path;
use std::sync::Arc;

use convert_sdk::{Context, Error, LabelModel, Labeler, Result, TrainingReport, TrainingSet};

use crate::config::MlpHeadConfig;
use crate::features::FeatureSource;
use crate::model::MlpHeadModel;
use crate::training::Training;

/// Labeler `mlp-head`.
pub struct MlpHead {
    config: MlpHeadConfig,
    context: Context,
    features: Arc<FeatureSource>,
}

impl Labeler for MlpHead {
    type Config = MlpHeadConfig;

    fn new(config: MlpHeadConfig, context: Context) -> Result<Self> {
        config.check()?;
        if context.classes().is_empty() {
            return Err(Error::config("the dataset has no classes, so there is nothing to learn"));
        }
        let features = FeatureSource::open(&config, &context)?;
        Ok(Self { config, context, features: Arc::new(features) })
    }

    fn train(&self, set: &dyn TrainingSet, folder: &Path) -> Result<TrainingReport> {
        Training { config: &self.config, context: &self.context, features: &self.features, set, folder }.run()
    }

    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>> {
        Ok(Box::new(MlpHeadModel::load(checkpoint, &self.config, &self.context, self.features.clone())?))
    }
}

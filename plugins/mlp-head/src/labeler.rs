//! The plugin: configuration, training and loading.

use std::path::Path;
use std::sync::Arc;

use convert_sdk::{Context, Error, LabelModel, Labeler, Plugin, Result, TrainingReport, TrainingSet, Work};

use crate::config::{MlpHeadConfig, Mode};
use crate::features::{FeatureSource, Part};
use crate::model::MlpHeadModel;
use crate::regions::Form;
use crate::task::Training;

/// Labeler `mlp-head`.
pub struct MlpHead {
    config: MlpHeadConfig,
    context: Context,
    features: Arc<FeatureSource>,
    form: Form,
}

impl Plugin for MlpHead {
    type Config = MlpHeadConfig;

    fn new(config: MlpHeadConfig, context: Context) -> Result<Self> {
        config.check()?;
        if context.classes().is_empty() {
            return Err(Error::config("the dataset has no classes, so there is nothing to learn"));
        }
        let features = FeatureSource::open(&config, &context)?;
        let form = Form::new(&config, config.regions, features.has_class_token())?;
        if let Some(free) = available_memory() {
            config.check_memory(form.width(features.dimension()), &context, free)?;
        }
        Ok(Self { config, context, features: Arc::new(features), form })
    }
}

impl Labeler for MlpHead {
    /// The backbone once an image; in training once for each pooled view, or once and again in every epoch for fresh ones. Forward and backward through the head
    /// in every epoch. All as of one region an image.
    fn work(&self) -> Work {
        let (config, context) = (&self.config, &self.context);
        let (hidden, layers, epochs) = (u64::from(config.hidden), u64::from(config.hidden_layers(context)), u64::from(config.epochs * config.heads));
        let width = self.form.width(self.features.dimension()) as u64;
        let head = 2 * hidden * (width + (layers - 1) * hidden + context.classes().len() as u64);
        let whole = if self.form.whole.is_some() { self.features.flops(Part::Whole) } else { 0 };
        let crop = if self.form.crop.is_empty() { 0 } else { self.features.flops(Part::Crop) };
        let backbone = whole + crop;
        let training_flops = match config.mode {
            Mode::PooledFeatures => u64::from(config.views) * (backbone + epochs * 3 * head),
            Mode::Augmented => backbone + epochs * (backbone + 3 * head),
        };
        // The whole image has a prediction as well, and with crops a pass of its own.
        Work { flops: backbone + crop + u64::from(config.heads) * head, training_flops, memory: self.features.memory(), ..Work::default() }
    }

    fn train(&self, set: &dyn TrainingSet, folder: &Path) -> Result<TrainingReport> {
        Training { config: &self.config, context: &self.context, features: &self.features, set, folder }.run()
    }

    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>> {
        Ok(Box::new(MlpHeadModel::load(checkpoint, &self.config, &self.context, self.features.clone())?))
    }
}

/// Bytes of memory that are free on this machine, where it says so.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

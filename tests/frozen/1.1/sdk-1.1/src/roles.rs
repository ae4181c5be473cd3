//! The roles of the pipeline, one trait each: dataset → proposer → refiner → selector → labeler → postprocessor → exporter; and extractor,
//! for `convert features`.
//!
//! A plugin implements [`Plugin`], which builds it, and one of them. All methods take `&self` and are called from several threads at once unless they say otherwise;
//! a plugin that works on one image at a time needs no threads of its own, since the host works on several images at once.

mod dataset;
mod exporter;
mod extractor;
mod labeler;
mod postprocessor;
mod proposer;
mod refiner;
mod selector;
mod work;

use crate::{Context, Result};

pub use dataset::{Dataset, ImageData, Sample, TruthObject};
pub use exporter::{
    AddedLabels, CalibrationReport, ChosenThreshold, CurvePoint, EpochRecord, Evaluation, ExportRun, ExportWriter, Exporter, LabelledRegion,
    LabelledSample, PluginInfo, ScoreRow, SkippedSample, StageInfo, Statistics,
};
pub use extractor::{Extractor, FeatureMap, Finding};
pub use labeler::{
    HeldOut, LabelModel, Labeler, Prediction, PredictionInput, RegionVectors, TrainingRegion, TrainingReport, TrainingSample, TrainingSet,
};
pub use postprocessor::Postprocessor;
pub use proposer::{Measure, Proposal, Proposer, SampleImage};
pub use refiner::{Refinement, Refiner};
pub use selector::{Region, Selection, Selector, SelectorNeeds, Subject};
pub use work::Work;

/// The roles, in the order of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Samples with one label each, and their images.
    Dataset,
    /// Masks that may show objects.
    Proposer,
    /// Masks changed or dropped.
    Refiner,
    /// The regions that a labeler learns from.
    Selector,
    /// Trained on regions, predicts them all.
    Labeler,
    /// Changes image-level labels.
    Postprocessor,
    /// Writes the labelled samples.
    Exporter,
    /// Patch features, for `convert features`.
    Extractor,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Dataset, Self::Proposer, Self::Refiner, Self::Selector, Self::Labeler, Self::Postprocessor, Self::Exporter, Self::Extractor];

    /// The role's name in recipes, messages and `convert plugins`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Proposer => "proposer",
            Self::Refiner => "refiner",
            Self::Selector => "selector",
            Self::Labeler => "labeler",
            Self::Postprocessor => "postprocessor",
            Self::Exporter => "exporter",
            Self::Extractor => "extractor",
        }
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A plugin: how it is built. What it does is said by the trait of its role, which it implements as well.
pub trait Plugin: Sized + 'static {
    /// Its section of the recipe.
    type Config: PluginConfig;

    /// Builds it. Everything that can be wrong with its config, its files or its weights is found here, before any work.
    ///
    /// # Errors
    /// What is wrong, with the thing, its value and what to do.
    fn new(config: Self::Config, context: Context) -> Result<Self>;

    /// The JSON schema of a config within its config: what may stand under the key that its schema marks with `x-config-of`, which only the plugin can tell (the
    /// config of a class in another language, say). Asked while a recipe is read; nothing is built.
    ///
    /// # Errors
    /// Why it cannot be told.
    fn inner_schema(_config: Self::Config, _context: Context) -> Result<Option<serde_json::Value>> {
        Ok(None)
    }
}

/// What every plugin's config is: read from the recipe, and described by a JSON schema. Derive `Deserialize` and `JsonSchema`
/// with `#[serde(deny_unknown_fields, default)]`; doc comments become the documentation, `Default` the defaults.
pub trait PluginConfig: serde::de::DeserializeOwned + schemars::JsonSchema {}

impl<T: serde::de::DeserializeOwned + schemars::JsonSchema> PluginConfig for T {}

//! The roles of the pipeline, one trait each: dataset → proposer → refiner → selector → labeler → postprocessor → exporter; and extractor,
//! for `convert features`.
//!
//! A plugin implements one of them. All methods take `&self` and are called from several threads at once unless they say otherwise;
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

pub use dataset::{Dataset, ImageData, Sample, TruthObject};
pub use exporter::{
    AddedLabels, CalibrationReport, ChosenThreshold, CurvePoint, EpochRecord, Evaluation, ExportRun, Exporter, LabelledRegion, LabelledSample,
    PluginInfo, ScoreRow, SkippedSample, StageInfo, Statistics,
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

/// What every plugin's config is: read from the recipe, and described by a JSON schema. Derive `Deserialize` and `JsonSchema`
/// with `#[serde(deny_unknown_fields, default)]`; doc comments become the documentation, `Default` the defaults.
pub trait PluginConfig: serde::de::DeserializeOwned + schemars::JsonSchema {}

impl<T: serde::de::DeserializeOwned + schemars::JsonSchema> PluginConfig for T {}

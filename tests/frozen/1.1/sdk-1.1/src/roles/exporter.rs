use std::path::Path;

use serde::{Deserialize, Serialize};

use super::TruthObject;
use crate::{ClassScore, HeldOut, LabelVector, LazyImage, Mask, Reliability, Result};

/// A region with the labeler's opinion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelledRegion {
    /// At the image's size, not empty.
    pub mask: Mask,
    /// The proposal configuration it comes from.
    pub source: String,
    /// The proposer's score.
    pub score: f32,
    /// Whether the labeler was trained on it.
    pub selected: bool,
    /// Its most probable classes, best first: at most five, at least one.
    pub top: Vec<ClassScore>,
}

/// An image with its final labels.
#[derive(Debug, Serialize, Deserialize)]
pub struct LabelledSample<'a> {
    /// The sample's id.
    pub id: String,
    /// The number by which the dataset's own files know it, such as COCO's image id; all samples of a run have one, or none has.
    pub number: Option<u64>,
    /// The original single label.
    pub label: u32,
    /// The image's width in pixels.
    pub width: u32,
    /// The image's height in pixels.
    pub height: u32,
    /// The final labels.
    pub labels: LabelVector,
    /// The regions that ground them.
    pub regions: Vec<LabelledRegion>,
    /// The true objects, if the dataset knows them.
    pub truth: Option<Vec<TruthObject>>,
    /// The image, decoded when asked for.
    #[serde(skip)]
    pub image: LazyImage<'a>,
}

/// One epoch of a labeler's training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// Mean training loss.
    pub loss: f64,
    /// Share of training regions whose top class is their label, in [0, 1].
    pub accuracy: f64,
}

/// A plugin as a run used it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginInfo {
    /// Its role.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A stage as a run went through it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageInfo {
    /// Its name.
    pub name: String,
    /// Seconds that this run spent in it; 0 when all of it came from the cache.
    pub seconds: f64,
    /// Images it holds.
    pub images: u64,
    /// Images whose results came from an earlier run.
    pub cached: u64,
}

/// How many classes the images have (paper, Table 5).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// A class counts when its probability is above this.
    pub threshold: f32,
    /// Images with labels.
    pub images: u64,
    /// Images with 0, 1, 2, 3 and at least 4 classes.
    pub by_count: [u64; 5],
    /// Mean number of classes per image.
    pub average: f64,
    /// Images left out because of an error.
    pub skipped: u64,
}

/// One line of a comparison with the truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// What is scored, such as `single label` or `convert`.
    pub name: String,
    /// Micro-averaged precision at the threshold.
    pub precision: f64,
    /// Micro-averaged recall at the threshold.
    pub recall: f64,
    /// Micro-averaged F1 at the threshold.
    pub f1: f64,
    /// Per-image average precision, averaged over the images with a non-empty truth.
    pub per_image_ap: f64,
    /// The same over the images with at least two true classes; `None` when there is none.
    pub per_image_ap_multi: Option<f64>,
    /// Micro-averaged precision of the labels besides the original one, at the threshold; `None` when there is none.
    #[serde(default)]
    pub added_precision: Option<f64>,
    /// Micro-averaged recall of the true classes besides the original label, at the threshold; `None` when there is none.
    #[serde(default)]
    pub added_recall: Option<f64>,
}

/// A point of a precision-recall curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The labels of at least this probability count.
    pub threshold: f32,
    /// The share of them that is true.
    pub precision: f64,
    /// The share of the true ones that they are.
    pub recall: f64,
}

/// How far the labels besides the original ones can be trusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddedLabels {
    /// The area under the precision-recall curve over all images: average precision, where true
    /// labels that are not listed add nothing.
    pub area: f64,
    /// The curve, from the surest label on; at most a hundred points and one for each whole tenth of probability.
    pub curve: Vec<CurvePoint>,
    /// The least probability that counts in `reliability`.
    pub reliability_from: f32,
    /// Of the labels of at least that probability; `None` where there is none.
    pub reliability: Option<Reliability>,
}

/// The labels of a run compared with the truth, where the dataset knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Images compared.
    pub images: u64,
    /// The threshold of precision and recall.
    pub threshold: f32,
    /// The rows, the single labels first.
    pub rows: Vec<ScoreRow>,
    /// Share of the true objects with a mask that some region covers with an IoU of at least 0.5; `None` when there is none.
    #[serde(default)]
    pub region_recall: Option<f64>,
    /// The labels of the run besides the original ones; `None` where no image has a true one.
    #[serde(default)]
    pub added: Option<AddedLabels>,
}

/// A sample that was skipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkippedSample {
    /// Its id.
    pub id: String,
    /// The stage in which it failed.
    pub stage: String,
    /// Why.
    pub reason: String,
}

/// How the labels besides the original ones were calibrated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationReport {
    /// Images whose true classes are known; 0 where probabilities were left as they were.
    pub images: u64,
    /// Labels of these images besides the original ones.
    pub labels: u64,
    /// Whether classes may differ.
    pub per_class: bool,
    /// The labels of the known images, with the probabilities that the labeler gave them. `None` where no image has a second true class.
    pub before: Option<AddedLabels>,
    /// The same with probabilities by calibrations that knew nothing of the image.
    pub after: Option<AddedLabels>,
    /// What was chosen for a target; `None` without one.
    pub chosen: Option<ChosenThreshold>,
}

/// A threshold that was chosen for a target, and what it means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChosenThreshold {
    /// The precision that was wanted.
    pub target: f64,
    /// Labels above it are kept.
    pub threshold: f32,
    /// How many labels besides the original ones that leaves in the whole dataset.
    pub labels: u64,
    /// Their mean probability: what their precision is to be if probabilities mean what they say.
    pub expected_precision: f64,
    /// The precision on the known images, of which the calibration knew nothing; `None` where it keeps none of their labels.
    pub precision: Option<f64>,
    /// The share of the known images' true labels that it keeps; `None` without one.
    pub recall: Option<f64>,
}

/// What an exporter may say of the run besides its samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportRun {
    /// The recipe's name.
    pub name: String,
    /// The resolved recipe as YAML.
    pub recipe: String,
    /// The version of `convert`.
    pub version: String,
    /// The plugins used.
    pub plugins: Vec<PluginInfo>,
    /// The numbers by which the dataset's own files know the classes, such as COCO's category ids, by class; empty where they have none.
    #[serde(default)]
    pub class_numbers: Vec<u64>,
    /// The stages so far, in order.
    pub stages: Vec<StageInfo>,
    /// How many samples the exporter will be given.
    pub samples: u64,
    /// Table 5 of the labels.
    pub statistics: Statistics,
    /// The labeler's learning curve; empty when a checkpoint was used.
    pub curve: Vec<EpochRecord>,
    /// How well the labeler does on regions that it has not seen, where that was measured.
    #[serde(default)]
    pub held_out: Option<HeldOut>,
    /// The comparison with the truth, if the dataset knows it.
    pub evaluation: Option<Evaluation>,
    /// Samples that were skipped: the first hundred of `statistics.skipped`.
    #[serde(default)]
    pub skipped: Vec<SkippedSample>,
    /// How the labels were calibrated, where they were.
    #[serde(default)]
    pub calibration: Option<CalibrationReport>,
}

/// Role `exporter`: writes the labelled samples to a file.
pub trait Exporter: Send + Sync {
    /// Checks that a sample's id can be written; called for every sample before any work, so that a bad one is not found at the end of the night.
    ///
    /// # Errors
    /// An id that the file's form has no way to write.
    fn accepts(&self, _id: &str) -> Result<()> {
        Ok(())
    }

    /// Begins the file at `output`: a temporary name that the host renames when [`ExportWriter::finish`] succeeds.
    ///
    /// # Errors
    /// A file that cannot be made.
    fn begin(&self, run: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>>;
}

/// A file that an [`Exporter`] has begun. Used by one thread at a time.
pub trait ExportWriter: Send {
    /// Takes the next sample, in the order of the ids.
    ///
    /// # Errors
    /// What stands in the way of writing it.
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()>;

    /// Completes the file.
    ///
    /// # Errors
    /// What stands in the way of writing the rest.
    fn finish(&mut self) -> Result<()>;
}

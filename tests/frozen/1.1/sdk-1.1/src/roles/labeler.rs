use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{EpochRecord, Region, Work};
use crate::abi::message::packed;
use crate::{Error, ErrorKind, Image, LabelMap, LazyImage, Mask, Reliability, Result};

/// A region to train on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRegion {
    /// At the image's size, not empty; `None` for the whole image.
    pub mask: Option<Mask>,
    /// The class it shows.
    pub label: u32,
}

/// An image with the regions that were kept for training.
#[derive(Debug, Serialize, Deserialize)]
pub struct TrainingSample<'a> {
    /// The sample's id.
    pub id: String,
    /// The sample's single label.
    pub label: u32,
    /// The image.
    #[serde(skip)]
    pub image: LazyImage<'a>,
    /// At least one.
    pub regions: Vec<TrainingRegion>,
}

/// The training samples, in the order of their ids; read on demand, from any thread.
pub trait TrainingSet: Send + Sync {
    /// How many images there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sample at an index below [`TrainingSet::len`].
    fn get(&self, index: usize) -> Result<TrainingSample<'_>>;
}

/// How well a labeler does on training regions that it has not seen. Their classes are those of the training set, right or wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// The parts of the training set that were held out, each while another model was trained on the rest.
    pub folds: u32,
    /// Regions in them.
    pub regions: u64,
    /// Share of these regions whose most probable class is theirs, in [0, 1].
    pub accuracy: f64,
    /// Their mean cross-entropy.
    pub loss: f64,
    /// Of the probability of each region's most probable class.
    pub reliability: Reliability,
}

/// What training gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainingReport {
    /// The checkpoint to predict with.
    pub checkpoint: PathBuf,
    /// The learning curve, an entry an epoch.
    pub curve: Vec<EpochRecord>,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
    /// The images that it could not use, each with its id and the reason. A failure that [may pass](ErrorKind::may_pass) is none: training ends with it, and
    /// continues when it is called again.
    pub lost: Vec<String>,
    /// How well it does on regions that it has not seen, where it was measured.
    pub held_out: Option<HeldOut>,
}

/// An image and the regions whose classes are wanted.
#[derive(Clone, Debug)]
pub struct PredictionInput<'a> {
    /// The sample's id.
    pub id: &'a str,
    /// The image at its full size.
    pub image: Image<'a>,
    /// At the image's size, possibly none.
    pub regions: &'a [Region],
}

/// Class probabilities of an image: K numbers for the whole image and for each mask, which sum to 1 unless the labeler knows the most probable ones alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Of the whole image.
    #[serde(with = "packed")]
    pub global: Vec<f32>,
    /// Of each region's mask, in their order.
    #[serde(with = "packed::lists")]
    pub masks: Vec<Vec<f32>>,
}

/// What a labeler makes of the pixels of an image: a vector for the whole image and for each mask, all of one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionVectors {
    /// Of the whole image.
    #[serde(with = "packed")]
    pub global: Vec<f32>,
    /// Of each region's mask, in their order.
    #[serde(with = "packed::lists")]
    pub masks: Vec<Vec<f32>>,
}

/// A trained labeler.
pub trait LabelModel: Send + Sync {
    /// How many images one call should get.
    fn batch_size(&self) -> usize {
        1
    }

    /// The prediction for each image, in their order. Called from several threads at once.
    fn predict(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>>;

    /// As [`LabelModel::predict`], each image by a model that was trained without it. Called from several threads at once.
    fn predict_held_out(&self, _batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        Err(Error::new(ErrorKind::Unsupported, "this labeler has no models that were trained without a part of the images"))
    }

    /// The vectors that its classifier looks at. Called from several threads at once.
    fn vectors(&self, _batch: &[PredictionInput<'_>]) -> Result<Vec<RegionVectors>> {
        Err(Error::new(ErrorKind::Unsupported, "this labeler has no vectors of regions to give"))
    }

    /// A label map of each image: the classifier applied to every place by itself (paper F.3). Called from several threads at once.
    fn maps(&self, _images: &[Image<'_>]) -> Result<Vec<LabelMap>> {
        Err(Error::new(ErrorKind::Unsupported, "this labeler makes no label maps: take another one, or a selection without `maps: own`"))
    }
}

/// Role `labeler`: learns classes from the kept regions, then gives class probabilities for every region.
pub trait Labeler: Send + Sync {
    /// What an image costs.
    fn work(&self) -> Work {
        Work::default()
    }

    /// Trains on `set` and leaves checkpoints in `folder`, which outlives an interrupted run: a call that finds its own earlier checkpoints there continues.
    /// Called once, from one thread; may use the context's `threads`.
    fn train(&self, set: &dyn TrainingSet, folder: &Path) -> Result<TrainingReport>;

    /// The model of a checkpoint; an error names what does not fit (another class count, say).
    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>>;
}

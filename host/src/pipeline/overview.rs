//! What stages stored of each sample in short, for a viewer that holds all samples at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use convert_sdk::{ClassScore, Error};
use serde::Deserialize;

use super::action::Action;
use super::calibration::Calibration;
use super::error::PipelineError;
use super::rows::{ImageLabels, ImagePrediction};
use super::session::Session;
use crate::engine::{EngineError, Stage};

/// A sample in short.
#[derive(Debug)]
pub struct SampleOverview {
    /// The single label that the dataset gives it.
    pub given: u32,
    /// The image's size in pixels; 0 where it was left out before that was known.
    pub size: [u32; 2],
    /// How many regions it has.
    pub regions: u32,
    /// The configurations that they come from, a bit each in the recipe's order; those beyond 64 have none.
    pub sources: u64,
    /// The best probability of the given label among the regions; `None` without regions.
    pub support: Option<f32>,
    /// The labels as they are handed out.
    pub labels: Vec<ClassScore>,
    /// The true classes, where the dataset knows them.
    pub truth: Option<Vec<u32>>,
    /// Where it was left out and why, `stage: reason`.
    pub skipped: Vec<String>,
}

/// A stage that may leave samples out, with the sizes of its shards.
type LeavesOut<'a> = (&'a Stage, BTreeMap<usize, u64>);

/// An image's regions without what takes time to read.
#[derive(Deserialize)]
struct RegionsInShort {
    width: u32,
    height: u32,
    regions: Vec<RegionInShort>,
}

#[derive(Deserialize)]
struct RegionInShort {
    source: String,
}

impl Session {
    /// Gives every sample in short to `take`, in order, with the number of shards that are done.
    ///
    /// # Errors
    /// Stored results that cannot be read, and what `take` says.
    pub fn overview(&self, mut take: impl FnMut(usize, SampleOverview) -> Result<(), PipelineError>) -> Result<(), PipelineError> {
        let calibration = self.calibration()?;
        let left_out = self.stages_that_leave_out()?;
        let mut done = 0;
        self.for_each_shard(
            |shard| self.overview_of(shard, calibration.as_ref(), &left_out),
            |samples| {
                done += 1;
                if self.runner.cancel.load(Ordering::Relaxed) {
                    return Err(EngineError::Interrupted.into());
                }
                samples.into_iter().try_for_each(|sample| take(done, sample))
            },
        )
    }

    /// The per-sample stages of the run with the sizes of their shards.
    fn stages_that_leave_out(&self) -> Result<Vec<LeavesOut<'_>>, PipelineError> {
        let steps = self.plan.steps().iter().filter(|step| step.is_per_sample() && !step.on_demand);
        steps.map(|step| Ok((&step.stage, step.stage.shards()?))).collect()
    }

    fn overview_of(&self, shard: usize, calibration: Option<&Calibration>, left_out: &[LeavesOut<'_>]) -> Result<Vec<SampleOverview>, PipelineError> {
        let mut skipped: HashMap<usize, Vec<String>> = HashMap::new();
        for (stage, shards) in left_out {
            let Some(size) = shards.get(&shard) else { continue };
            for entry in stage.left_out(shard, *size)? {
                if let Some(index) = self.samples.find(shard, &entry.id) {
                    skipped.entry(index).or_default().push(format!("{}: {}", entry.stage, entry.reason));
                }
            }
        }
        let labels_stage = self.plan.stage_of(Action::Labels)?;
        let mut regions: HashMap<usize, RegionsInShort> = self.plan.stage_of(Action::Regions)?.read(&self.samples, shard)?.into_iter().collect();
        let mut predictions: HashMap<usize, ImagePrediction> = match self.plan.last(|round| Action::Predict { round }) {
            Some(step) => step.stage.read(&self.samples, shard)?.into_iter().collect(),
            None => HashMap::new(),
        };
        let mut labels: HashMap<usize, ImageLabels> = labels_stage.read(&self.samples, shard)?.into_iter().collect();
        let overview = |index: usize| {
            let sample = &self.samples.list[index];
            let (regions, prediction) = (regions.remove(&index), predictions.remove(&index));
            let handed_out = |row: ImageLabels| match calibration {
                Some(calibration) => calibration.labels(sample.label, &row.labels),
                None => Ok(row.labels),
            };
            let labels = labels.remove(&index).map(handed_out).transpose()?;
            let truth = self.dataset.truth(&sample.id).map_err(|error| self.of_truth(index, error))?;
            Ok(SampleOverview {
                given: sample.label,
                size: regions.as_ref().map_or([0; 2], |row| [row.width, row.height]),
                regions: regions.as_ref().map_or(0, |row| row.regions.len() as u32),
                sources: regions.as_ref().map_or(0, |row| self.source_bits(row)),
                support: prediction.as_ref().and_then(|prediction| support(prediction, sample.label)),
                labels: labels.map_or_else(Vec::new, |labels| labels.entries().to_vec()),
                truth: truth.map(|objects| {
                    let mut classes: Vec<u32> = objects.iter().map(|object| object.class).collect();
                    classes.sort_unstable();
                    classes.dedup();
                    classes
                }),
                skipped: skipped.remove(&index).unwrap_or_default(),
            })
        };
        self.samples.shard(shard).map(overview).collect()
    }

    fn of_truth(&self, index: usize, error: Error) -> PipelineError {
        PipelineError::Sample { sample: self.samples.list[index].id.clone(), source: error.context("the dataset's truth of it").into() }
    }

    fn source_bits(&self, row: &RegionsInShort) -> u64 {
        let bit = |region: &RegionInShort| self.recipe.proposals.iter().position(|(name, _)| *name == region.source);
        row.regions.iter().filter_map(bit).filter(|bit| *bit < 64).fold(0, |bits, bit| bits | 1 << bit)
    }
}

/// The best probability of a class among an image's regions.
fn support(prediction: &ImagePrediction, class: u32) -> Option<f32> {
    let of_region = |scores: &Vec<ClassScore>| scores.iter().find(|score| score.class == class).map_or(0.0, |score| score.probability.get());
    prediction.masks.iter().map(of_region).max_by(f32::total_cmp)
}

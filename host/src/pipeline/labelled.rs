//! The labelled samples, as the stages stored them and as calibration and reviews have them handed on.

use std::collections::HashMap;

use convert_sdk::{Error, LabelledSample, Sample};

use super::action::Action;
use super::calibration::Calibration;
use super::error::PipelineError;
use super::reviews::{AppliedReviews, reviewed_regions};
use super::rows::{ImageLabels, ImagePrediction, ImageRegions, ImageSelections};
use super::session::Session;
use super::steps::LabelInputs;

/// What is done to stored labels and regions before they are handed on.
#[derive(Clone, Copy, Default)]
pub struct HandedOn<'a> {
    /// First.
    pub calibration: Option<&'a Calibration>,
    /// Then, by people.
    pub reviews: Option<&'a AppliedReviews>,
}

/// What stages stored of a shard's samples, by their indices.
struct Labelled {
    labels: Vec<(usize, ImageLabels)>,
    predictions: HashMap<usize, ImagePrediction>,
    selections: HashMap<usize, ImageSelections>,
    regions: HashMap<usize, ImageRegions>,
}

impl Session {
    /// Gives the labelled samples to `take`, in order, with their places among all.
    ///
    /// # Errors
    /// Stored results that cannot be read, and what `take` says.
    pub fn for_each_labelled(
        &self,
        handed_on: &HandedOn<'_>,
        take: impl FnMut(usize, &LabelledSample<'_>) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        self.for_each_wanted(handed_on, |_| true, take)
    }

    /// As [`Session::for_each_labelled`], of the samples that are `wanted` alone; shards without one are not read.
    ///
    /// # Errors
    /// As [`Session::for_each_labelled`].
    pub fn for_each_wanted(
        &self,
        handed_on: &HandedOn<'_>,
        wanted: impl Fn(&Sample) -> bool + Sync,
        mut take: impl FnMut(usize, &LabelledSample<'_>) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        let read = |shard| {
            let any = self.samples.shard(shard).any(|index| wanted(&self.samples.list[index]));
            any.then(|| self.read_labelled(shard)).transpose()
        };
        self.for_each_shard(read, |rows| {
            let Some(Labelled { labels, mut predictions, selections, mut regions }) = rows else { return Ok(()) };
            for (index, row) in labels {
                let (Some(regions), Some(prediction)) = (regions.remove(&index), predictions.remove(&index)) else { continue };
                if wanted(&self.samples.list[index]) {
                    let inputs = LabelInputs { regions: &regions, prediction: &prediction, selections: selections.get(&index) };
                    take(index, &self.labelled(index, row, &inputs, handed_on)?)?;
                }
            }
            Ok(())
        })
    }

    /// What the exporters are given of a shard.
    fn read_labelled(&self, shard: usize) -> Result<Labelled, PipelineError> {
        let stage = |action| self.plan.stage_of(action);
        let mut predictions = HashMap::new();
        if let Some(step) = self.plan.last(|round| Action::Predict { round }) {
            predictions.extend(step.stage.read(&self.samples, shard)?);
        }
        let mut selections = HashMap::new();
        if let Some(step) = self.plan.last(|round| Action::Select { round }) {
            selections.extend(step.stage.read(&self.samples, shard)?);
        }
        let regions = stage(Action::Regions)?.read(&self.samples, shard)?.into_iter().collect();
        Ok(Labelled { labels: stage(Action::Labels)?.read(&self.samples, shard)?, predictions, selections, regions })
    }

    fn labelled<'s>(
        &'s self,
        index: usize,
        row: ImageLabels,
        inputs: &LabelInputs<'_>,
        handed_on: &HandedOn<'_>,
    ) -> Result<LabelledSample<'s>, PipelineError> {
        let sample = &self.samples.list[index];
        let of_dataset =
            |error: Error| PipelineError::Sample { sample: sample.id.clone(), source: error.context("the dataset's number of it").into() };
        let (width, height) = (inputs.regions.width, inputs.regions.height);
        let labels = match handed_on.calibration {
            Some(calibration) => calibration.labels(sample.label, &row.labels)?,
            None => row.labels,
        };
        let (labels, regions) = match handed_on.reviews.and_then(|reviews| reviews.of(&sample.id)) {
            Some(image) => (image.apply(&labels), reviewed_regions(image, inputs.labelled_regions(), (width, height))),
            None => (labels, inputs.labelled_regions()),
        };
        Ok(LabelledSample {
            id: sample.id.clone(),
            number: self.dataset.sample_number(&sample.id).map_err(of_dataset)?,
            label: sample.label,
            width,
            height,
            labels,
            regions,
            truth: self.truth(self.plan.stage_of(Action::Labels)?, &sample.id)?,
            image: self.lasting_image(index),
        })
    }
}

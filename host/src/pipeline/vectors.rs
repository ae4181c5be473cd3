//! The vectors that a run's labeler looks at.

use std::collections::HashMap;

use convert_sdk::{LazyImage, PredictionInput, RegionVectors};
use rayon::prelude::*;

use super::action::Action;
use super::error::PipelineError;
use super::labeler::LabelerOnDemand;
use super::rows::{ImageRegions, ImageSelections};
use super::session::Session;
use crate::engine::patiently;

/// Vectors with the class of each: of whole images, or of regions.
#[derive(Debug, Default)]
pub struct LabelledVectors {
    /// One after the other, all of one length.
    pub values: Vec<f32>,
    /// The class of each.
    pub labels: Vec<u32>,
}

impl LabelledVectors {
    fn push(&mut self, vector: &[f32], label: u32) {
        self.values.extend_from_slice(vector);
        self.labels.push(label);
    }
}

/// The vectors of a run.
#[derive(Debug, Default)]
pub struct RunVectors {
    /// Of the images, with their single labels.
    pub images: LabelledVectors,
    /// Of the regions that the labeler was trained on, with the class that each stands for.
    pub regions: LabelledVectors,
    /// The sample of each vector of `images`.
    pub samples: Vec<usize>,
}

impl Session {
    /// As [`Session::region_vectors`], of whole images alone; with the sample of each.
    ///
    /// # Errors
    /// As [`Session::region_vectors`].
    pub fn image_vectors(&self, most: usize) -> Result<(LabelledVectors, Vec<usize>), PipelineError> {
        let RunVectors { images, samples, .. } = self.vectors(most, false)?;
        Ok((images, samples))
    }

    /// The vectors of at most so many images, evenly spread over the samples, and of their kept regions.
    ///
    /// # Errors
    /// A run without a trained labeler, or one that gives no vectors; an image that cannot be read; an interruption.
    pub fn region_vectors(&self, most: usize) -> Result<RunVectors, PipelineError> {
        self.vectors(most, true)
    }

    fn vectors(&self, most: usize, with_regions: bool) -> Result<RunVectors, PipelineError> {
        let (Some(predict), Some(select)) = (self.plan.last(|round| Action::Predict { round }), self.plan.last(|round| Action::Select { round }))
        else {
            return Err(PipelineError::NotTrainedHere);
        };
        let labeler = LabelerOnDemand::new(self);
        let model = labeler.model_for(predict)?;
        let (count, wanted) = (self.samples.list.len(), most.min(self.samples.list.len()));
        let chosen: Vec<usize> = (0..wanted).map(|index| index * count / wanted).collect();
        let progress = self.runner.progress.stage("vectors", wanted as u64, 0);
        let mut vectors = RunVectors::default();
        for shard in 0..self.samples.shards() {
            let range = self.samples.shard(shard);
            let of_shard = &chosen[chosen.partition_point(|index| *index < range.start)..chosen.partition_point(|index| *index < range.end)];
            if of_shard.is_empty() {
                continue;
            }
            let regions: HashMap<usize, ImageRegions> = self.plan.stage_of(Action::Regions)?.read(&self.samples, shard)?.into_iter().collect();
            let selections: HashMap<usize, ImageSelections> = select.stage.read(&self.samples, shard)?.into_iter().collect();
            let one = |index: &usize| -> Result<Option<(usize, RegionVectors)>, PipelineError> {
                self.runner.stop_if_cancelled()?;
                let (Some(row), true) = (regions.get(index), selections.contains_key(index)) else { return Ok(None) };
                let sample = &self.samples.list[*index];
                let failed = |error: convert_sdk::Error| PipelineError::Sample { sample: sample.id.clone(), source: error.into() };
                let regions = if with_regions { row.regions.as_slice() } else { &[] };
                let image: LazyImage<'_> = self.lasting_image(*index);
                let input = PredictionInput { id: &sample.id, image: image.get().map_err(failed)?, regions };
                let given = patiently(&self.runner.cancel, || sample.id.clone(), || model.vectors(std::slice::from_ref(&input))).map_err(failed)?;
                progress.add(1);
                Ok(given.into_iter().next().map(|vectors| (*index, vectors)))
            };
            let found: Vec<Option<(usize, RegionVectors)>> =
                self.runner.pool.install(|| of_shard.par_iter().map(one).collect::<Result<_, PipelineError>>())?;
            for (index, RegionVectors { global, masks }) in found.into_iter().flatten() {
                vectors.images.push(&global, self.samples.list[index].label);
                vectors.samples.push(index);
                let kept = masks.iter().zip(&selections[&index].selections).filter(|(_, selection)| selection.keep);
                kept.for_each(|(vector, selection)| vectors.regions.push(vector, selection.label));
            }
        }
        progress.finish();
        Ok(vectors)
    }
}

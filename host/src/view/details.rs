//! What the run stored of one image, read from its shards when it is looked at.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use convert_sdk::{ClassScore, Mask};
use serde::Serialize;
use serde_json::{Value, json};

use super::record::FinishedRun;
use crate::errors::FileError;
use crate::pipeline::{ImagePrediction, ImageRegions, ImageSelections};

/// So many shards are kept, those last looked at.
const SHARDS: usize = 6;
/// So many classes of a region are shown.
const TOP: usize = 5;

/// What the stages hold of a shard, by the samples' ids.
struct Shard {
    regions: HashMap<String, ImageRegions>,
    predictions: HashMap<String, ImagePrediction>,
    selections: HashMap<String, ImageSelections>,
}

/// The shards last looked at.
#[derive(Default)]
pub struct Details {
    shards: Mutex<VecDeque<(usize, Arc<Shard>)>>,
}

/// A mask in COCO's compressed form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct MaskCounts {
    /// Height and width.
    pub size: [u32; 2],
    /// Runs, column by column.
    pub counts: String,
}

impl From<&Mask> for MaskCounts {
    fn from(mask: &Mask) -> Self {
        Self { size: [mask.height(), mask.width()], counts: mask.counts() }
    }
}

/// Classes with their probabilities, as pairs.
pub fn pairs(scores: &[ClassScore]) -> Vec<Value> {
    scores.iter().map(|score| json!([score.class, rounded(score.probability.get())])).collect()
}

/// A probability with four decimals.
pub fn rounded(probability: f32) -> f64 {
    (f64::from(probability) * 1e4).round() / 1e4
}

impl Details {
    /// The regions of a sample, with what selector and labeler said of them.
    ///
    /// # Errors
    /// A shard that cannot be read.
    pub fn regions(&self, run: &FinishedRun, sample: usize, id: &str) -> Result<Vec<Value>, FileError> {
        let shard = self.shard(run, run.shard_of(sample))?;
        let Some(row) = shard.regions.get(id) else { return Ok(Vec::new()) };
        let scores = shard.predictions.get(id).map_or(&[][..], |prediction| &prediction.masks);
        let selected = shard.selections.get(id).map_or(&[][..], |selections| &selections.selections);
        let region = |(at, region): (usize, &convert_sdk::Region)| {
            let top = scores.get(at).map_or(&[][..], |scores| &scores[..scores.len().min(TOP)]);
            json!({
                "mask": MaskCounts::from(&region.mask),
                "source": region.source,
                "score": region.score,
                "area": region.mask.area(),
                "selected": selected.get(at).is_some_and(|selection| selection.keep),
                "top": pairs(top),
            })
        };
        Ok(row.regions.iter().enumerate().map(region).collect())
    }

    /// The masks of a sample's regions.
    ///
    /// # Errors
    /// A shard that cannot be read.
    pub fn masks(&self, run: &FinishedRun, sample: usize, id: &str) -> Result<Vec<Mask>, FileError> {
        let shard = self.shard(run, run.shard_of(sample))?;
        Ok(shard.regions.get(id).map_or_else(Vec::new, |row| row.regions.iter().map(|region| region.mask.clone()).collect()))
    }

    fn shard(&self, run: &FinishedRun, number: usize) -> Result<Arc<Shard>, FileError> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = shards.iter().position(|(kept, _)| *kept == number)
            && let Some(kept) = shards.remove(at)
        {
            let shard = Arc::clone(&kept.1);
            shards.push_back(kept);
            return Ok(shard);
        }
        let stages = &run.record.stages;
        let read = Arc::new(Shard {
            regions: by_id(run.rows(&stages.regions, number)?),
            predictions: by_id(run.rows(&stages.predictions, number)?),
            selections: stages.selections.as_ref().map_or(Ok(Vec::new()), |stage| run.rows(stage, number)).map(by_id)?,
        });
        shards.push_back((number, Arc::clone(&read)));
        if shards.len() > SHARDS {
            shards.pop_front();
        }
        Ok(read)
    }
}

fn by_id<T>(rows: Vec<crate::engine::Row<T>>) -> HashMap<String, T> {
    rows.into_iter().map(|row| (row.sample, row.value)).collect()
}

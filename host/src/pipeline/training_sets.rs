//! What the labeler is trained on: selected regions, or whole images.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use convert_sdk::{Error, Mask, Result as PluginResult, TrainingRegion, TrainingSample, TrainingSet};

use super::plan::Action;
use super::rows::{ImageRegions, ImageSelections};
use super::session::Session;
use super::steps::region_mask;
use crate::engine::Stage;
use crate::failure::Failure;

/// A training set that can say what it is.
pub(super) trait NamedSet: TrainingSet {
    /// Such as `300 regions of 120 images`.
    fn in_words(&self) -> String;

    /// The set as labelers see it.
    fn as_training_set(&self) -> &dyn TrainingSet;
}

/// Every image as one region with its single label.
pub(super) struct WholeImages<'a> {
    session: &'a Session,
}

impl<'a> WholeImages<'a> {
    /// All samples of a run.
    pub fn new(session: &'a Session) -> Self {
        Self { session }
    }
}

impl TrainingSet for WholeImages<'_> {
    fn len(&self) -> usize {
        self.session.samples.list.len()
    }

    fn get(&self, index: usize) -> PluginResult<TrainingSample<'_>> {
        let sample =
            self.session.samples.list.get(index).ok_or_else(|| Error::invalid(format!("there are {} images, no number {index}", self.len())))?;
        let regions = vec![TrainingRegion { mask: None, label: sample.label }];
        Ok(TrainingSample { id: sample.id.clone(), label: sample.label, image: self.session.lazy_image(index), regions })
    }
}

impl NamedSet for WholeImages<'_> {
    fn in_words(&self) -> String {
        format!("{} whole images", self.len())
    }
    fn as_training_set(&self) -> &dyn TrainingSet {
        self
    }
}

impl NamedSet for SelectedRegions<'_> {
    fn in_words(&self) -> String {
        format!("{} regions of {} images", self.regions, self.index.len())
    }
    fn as_training_set(&self) -> &dyn TrainingSet {
        self
    }
}

/// The masks of one label united, in the order in which the labels first come.
fn united(regions: Vec<(Mask, u32)>) -> PluginResult<Vec<(Mask, u32)>> {
    let mut unions: Vec<(Mask, u32)> = Vec::new();
    for (mask, label) in regions {
        match unions.iter_mut().find(|(_, known)| *known == label) {
            Some((union, _)) => *union = union.union(&mask)?,
            None => unions.push((mask, label)),
        }
    }
    Ok(unions)
}

/// The images that have selected regions. Holds two numbers an image; the masks of a few shards are kept while they are read.
pub(super) struct SelectedRegions<'a> {
    session: &'a Session,
    select: Stage,
    /// Shard and sample.
    index: Vec<(usize, usize)>,
    regions: usize,
    recent: Mutex<VecDeque<(usize, Arc<ShardRegions>)>>,
}

type ShardRegions = Vec<(usize, Vec<TrainingRegion>)>;

/// How many shards' masks are kept.
const RECENT_SHARDS: usize = 4;

impl<'a> SelectedRegions<'a> {
    /// Those that a selection kept.
    ///
    /// # Errors
    /// Stored selections that cannot be read.
    pub fn new(session: &'a Session, select: &Stage) -> Result<Self, Failure> {
        let (mut index, mut regions) = (Vec::new(), 0);
        for shard in 0..session.samples.shards() {
            for (sample, row) in select.read::<ImageSelections>(&session.samples, shard)? {
                let kept = row.selections.iter().filter(|selection| selection.keep).count();
                regions += kept;
                if kept > 0 {
                    index.push((shard, sample));
                }
            }
        }
        Ok(Self { session, select: select.clone(), index, regions, recent: Mutex::default() })
    }

    fn shard(&self, shard: usize) -> PluginResult<Arc<ShardRegions>> {
        let mut recent = self.recent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, rows)) = recent.iter().find(|(known, _)| *known == shard) {
            return Ok(Arc::clone(rows));
        }
        let rows = Arc::new(self.read(shard).map_err(|failure| Error::invalid(failure.to_string()))?);
        recent.push_back((shard, Arc::clone(&rows)));
        if recent.len() > RECENT_SHARDS {
            recent.pop_front();
        }
        Ok(rows)
    }

    fn read(&self, shard: usize) -> Result<ShardRegions, Failure> {
        let samples = &self.session.samples;
        let selections = self.select.read::<ImageSelections>(samples, shard)?;
        let regions: std::collections::HashMap<usize, ImageRegions> =
            self.session.plan.stage_of(Action::Regions)?.read(samples, shard)?.into_iter().collect();
        let mut rows = Vec::new();
        for (sample, row) in selections {
            let Some(image) = regions.get(&sample) else { continue };
            let kept = row.selections.iter().enumerate().filter(|(_, selection)| selection.keep);
            let kept = kept.map(|(at, selection)| Ok((region_mask(image, at)?, selection.label))).collect::<PluginResult<Vec<_>>>()?;
            let kept = if self.session.plan.needs.unite { united(kept)? } else { kept };
            rows.push((sample, kept.into_iter().map(|(mask, label)| TrainingRegion { mask: Some(mask), label }).collect()));
        }
        Ok(rows)
    }
}

impl TrainingSet for SelectedRegions<'_> {
    fn len(&self) -> usize {
        self.index.len()
    }

    fn get(&self, index: usize) -> PluginResult<TrainingSample<'_>> {
        let (shard, sample) =
            *self.index.get(index).ok_or_else(|| Error::invalid(format!("there are {} training images, no number {index}", self.len())))?;
        let rows = self.shard(shard)?;
        let at = rows
            .binary_search_by_key(&sample, |(known, _)| *known)
            .map_err(|_| Error::invalid(format!("sample {sample} is not in shard {shard}")))?;
        let known = &self.session.samples.list[sample];
        Ok(TrainingSample { id: known.id.clone(), label: known.label, image: self.session.lazy_image(sample), regions: rows[at].1.clone() })
    }
}

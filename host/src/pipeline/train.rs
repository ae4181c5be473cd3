//! Training the labeler on the selected regions.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use convert_sdk::{EpochRecord, Error, Labeler, Result as PluginResult, StageInfo, TrainingRegion, TrainingSample, TrainingSet};
use serde::{Deserialize, Serialize};

use super::masks::region_mask;
use super::rows::{ImageRegions, ImageSelections};
use super::session::Session;
use crate::engine::Stage;
use crate::failure::Failure;

/// A trained labeler: where its checkpoint lies and how it learned. Stored as `trained.json` when training has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trained {
    /// The checkpoint; relative to the stage's folder when it lies there.
    pub checkpoint: PathBuf,
    /// Images that it was trained on.
    pub images: u64,
    /// The learning curve.
    pub curve: Vec<EpochRecord>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

const TRAINED: &str = "trained.json";

impl Session {
    /// The trained labeler: the recipe's checkpoint, an earlier run's, or one trained now.
    ///
    /// # Errors
    /// What the labeler says, an interruption, or that no region was selected.
    pub fn run_train(&self, labeler: &dyn Labeler) -> Result<Trained, Failure> {
        let Some(stage) = &self.plan.train else {
            let checkpoint = self.recipe.checkpoint.clone().unwrap_or_default();
            return Ok(Trained { checkpoint, images: 0, curve: Vec::new(), warnings: Vec::new() });
        };
        if let Some(trained) = self.trained()? {
            self.note_trained(stage, 0.0, trained.images, trained.images);
            return Ok(trained);
        }
        fs::create_dir_all(&stage.folder).map_err(|error| Failure::run(format!("cannot make {}: {error}", stage.folder.display())))?;
        let _lock = lock_training(stage)?;
        let set = SelectedRegions::new(self)?;
        tracing::info!("training {} on {} regions of {} images", self.recipe.label.plugin.name, set.regions, set.index.len());
        if set.index.is_empty() {
            return Err(Failure::run(format!("{} kept no region at all: there is nothing to train on; loosen the selection", self.plan.select.name)));
        }
        let progress = Arc::new(self.runner.progress.stage(&stage.name, set.index.len() as u64, 0));
        *self.runner.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::clone(&progress));
        let report = labeler.train(&set, &stage.folder);
        *self.runner.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        let seconds = Arc::into_inner(progress).map_or(0.0, |progress| progress.finish());
        let report = report.map_err(|error| match Failure::from(error) {
            Failure::Run(message) => Failure::Run(format!("{}: {message}", stage.name)),
            Failure::Interrupted(_) => Failure::Interrupted("interrupted; the same command continues the training from its last checkpoint".into()),
            other => other,
        })?;
        for warning in &report.warnings {
            tracing::warn!("{}: {warning}", stage.name);
        }
        let relative = report.checkpoint.strip_prefix(&stage.folder).map(PathBuf::from).unwrap_or(report.checkpoint);
        let trained = Trained { checkpoint: relative, images: set.index.len() as u64, curve: report.curve, warnings: report.warnings };
        crate::engine::replace_file(&stage.folder.join(TRAINED), |file| Ok(serde_json::to_writer_pretty(file, &trained)?))?;
        self.note_trained(stage, seconds, trained.images, 0);
        Ok(self.absolute(stage, trained))
    }

    fn note_trained(&self, stage: &Stage, seconds: f64, images: u64, cached: u64) {
        let info = StageInfo { name: stage.name.clone(), seconds, images, cached };
        self.runner.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(info);
    }

    /// The learning curve of an earlier run's training; the stage is counted as cached.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn trained_before(&self) -> Result<Vec<EpochRecord>, Failure> {
        let (Some(stage), Some(trained)) = (&self.plan.train, self.trained()?) else { return Ok(Vec::new()) };
        self.note_trained(stage, 0.0, trained.images, trained.images);
        Ok(trained.curve)
    }

    /// What an earlier run trained, if it ended.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub fn trained(&self) -> Result<Option<Trained>, Failure> {
        let Some(stage) = &self.plan.train else { return Ok(None) };
        let path = stage.folder.join(TRAINED);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::run(format!("cannot read {}: {error}", path.display()))),
        };
        let trained: Trained = serde_json::from_slice(&bytes)
            .map_err(|error| Failure::run(format!("cannot read {}: {error}; delete its folder and start again", path.display())))?;
        Ok(Some(self.absolute(stage, trained)))
    }

    fn absolute(&self, stage: &Stage, trained: Trained) -> Trained {
        Trained { checkpoint: stage.folder.join(&trained.checkpoint), ..trained }
    }
}

/// Training is not shared out: two processes must not write one folder's checkpoints.
fn lock_training(stage: &Stage) -> Result<fs::File, Failure> {
    let path = stage.folder.join(".lock");
    let cannot = |error: std::io::Error| Failure::run(format!("cannot lock {}: {error}", path.display()));
    let file = fs::File::create(&path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Failure::run(format!("another process trains in {}: wait for it", stage.folder.display()))),
        Err(fs::TryLockError::Error(error)) => Err(cannot(error)),
    }
}

/// The images that have selected regions. Holds two numbers an image; the masks of a few shards are kept while they are read.
struct SelectedRegions<'a> {
    session: &'a Session,
    /// Shard and sample.
    index: Vec<(usize, usize)>,
    regions: usize,
    recent: Mutex<VecDeque<(usize, Arc<ShardRegions>)>>,
}

type ShardRegions = Vec<(usize, Vec<TrainingRegion>)>;

/// How many shards' masks are kept.
const RECENT_SHARDS: usize = 4;

impl<'a> SelectedRegions<'a> {
    fn new(session: &'a Session) -> Result<Self, Failure> {
        let (mut index, mut regions) = (Vec::new(), 0);
        for shard in 0..session.samples.shards() {
            for (sample, row) in session.plan.select.read_indexed::<ImageSelections>(&session.samples, shard)? {
                let kept = row.selections.iter().filter(|selection| selection.keep).count();
                regions += kept;
                if kept > 0 {
                    index.push((shard, sample));
                }
            }
        }
        Ok(Self { session, index, regions, recent: Mutex::default() })
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
        let selections = self.session.plan.select.read_indexed::<ImageSelections>(samples, shard)?;
        let regions: std::collections::HashMap<usize, ImageRegions> = self.session.plan.regions.read_indexed(samples, shard)?.into_iter().collect();
        let mut rows = Vec::new();
        for (sample, row) in selections {
            let Some(image) = regions.get(&sample) else { continue };
            let kept = row.selections.iter().enumerate().filter(|(_, selection)| selection.keep);
            let kept = kept
                .map(|(at, selection)| Ok(TrainingRegion { mask: region_mask(image, at)?, label: selection.label }))
                .collect::<PluginResult<_>>()?;
            rows.push((sample, kept));
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

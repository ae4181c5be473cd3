//! Training the labeler, once for each set of regions.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convert_formats::files;
use convert_sdk::{EpochRecord, Error, ErrorKind, HeldOut, Labeler, StageInfo};
use serde::{Deserialize, Serialize};

use super::error::PipelineError;
use super::locks::{LEASE, hold};
use super::plan::TRAINED;
use super::session::Session;
use super::training_sets::NamedSet;
use super::training_state;
use crate::engine::{Stage, seal};
use crate::errors::FileError;

/// A trained labeler: where its checkpoint lies and how it learned. Stored as `trained.json` when training has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trained {
    /// The checkpoint; relative to the stage's folder when it lies there.
    pub checkpoint: PathBuf,
    /// Images that it was trained on.
    pub images: u64,
    /// The learning curve.
    pub curve: Vec<EpochRecord>,
    /// What the user should know; said again by every run that uses the checkpoint.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Images that could not be used, each with the reason.
    #[serde(default)]
    pub lost: Vec<String>,
    /// How well it does on regions that it has not seen, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOut>,
    /// The BLAKE3 hash of the checkpoint's bytes; earlier versions had none.
    #[serde(default)]
    pub blake3: Option<String>,
    /// The files of the checkpoint that lie in the stage's folder, relative to that.
    #[serde(default)]
    pub files: Vec<String>,
}

impl Trained {
    /// What an earlier run trained in a stage, if it ended.
    ///
    /// # Errors
    /// A record that cannot be read.
    pub(super) fn of(stage: &Stage) -> Result<Option<Trained>, PipelineError> {
        let (store, key) = (&stage.store, stage.object(TRAINED));
        let path = store.place(&key);
        let Some(bytes) = store.get(&key).map_err(FileError::of("read", &path))? else { return Ok(None) };
        match seal::check_json(&bytes).and_then(|()| Ok(serde_json::from_slice::<Trained>(&bytes)?)) {
            Ok(trained) => {
                fetch_checkpoint(stage, &trained)?;
                Ok(Some(absolute(stage, trained)))
            }
            Err(error) => {
                // The labeler goes on from its own checkpoint of the last epoch.
                let aside = key.replace(".json", ".damaged");
                let moved = store.replace(&aside, &bytes).and_then(|()| store.delete(&key));
                moved.map_err(FileError::of("set aside the damaged", &path))?;
                let aside = store.place(&aside);
                tracing::warn!("{} is damaged ({error}); it is kept as {}, and the training is ended again", path.display(), aside.display());
                Ok(None)
            }
        }
    }

    /// Whether the checkpoint is as the training left it. One that is not is trained again, from the labeler's own checkpoint of the last epoch where there is one.
    fn is_whole(&self, stage: &Stage) -> bool {
        let Some(expected) = &self.blake3 else { return true };
        match hash_of(&self.checkpoint) {
            Ok(found) if found == *expected => return true,
            // What cannot be reached is said when it is loaded; it may be whole.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return true,
            Ok(_) => tracing::warn!("{} is damaged: it is trained again", self.checkpoint.display()),
            Err(_) => tracing::warn!("{} is gone: it is trained again", self.checkpoint.display()),
        }
        // The record goes first: without it the stage counts as unfinished.
        let moved = stage.store.delete(&stage.object(TRAINED)).and_then(|()| fs::rename(&self.checkpoint, self.checkpoint.with_extension("damaged")));
        if let Err(error) = moved.or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }) {
            tracing::warn!("cannot set {} aside: {error}", self.checkpoint.display());
        }
        false
    }

    fn warn(&self, stage: &Stage) {
        for warning in &self.warnings {
            tracing::warn!("{}: {warning}", stage.name);
        }
    }
}

/// The checkpoint that a stage trained.
///
/// # Errors
/// That there is none: the message says what to run.
pub(super) fn checkpoint_of(stage: &Stage) -> Result<PathBuf, PipelineError> {
    let trained = Trained::of(stage)?;
    trained.map(|trained| trained.checkpoint).ok_or_else(|| PipelineError::NoCheckpoint { stage: stage.name.clone() })
}

impl Session {
    /// What an earlier run trained in a stage, or what is trained now by the labeler on the set that `prepare` gives.
    ///
    /// # Errors
    /// What the labeler says, an interruption, or that there is nothing to train on.
    pub(super) fn trained_or<'a>(
        &self,
        stage: &Stage,
        prepare: impl FnOnce() -> Result<(&'a dyn Labeler, Box<dyn NamedSet + 'a>), PipelineError>,
    ) -> Result<Trained, PipelineError> {
        if let Some(trained) = Trained::of(stage)?.filter(|trained| trained.is_whole(stage)) {
            self.note_trained(stage, 0.0, trained.images, trained.images);
            trained.warn(stage);
            return Ok(trained);
        }
        fs::create_dir_all(&stage.folder).map_err(FileError::of("make", &stage.folder))?;
        // Training is not shared out: two processes must not write one stage's checkpoints.
        let busy = || PipelineError::TrainsElsewhere(stage.store.place(&stage.prefix()));
        let _lock = hold(&stage.folder.join(".lock"), &stage.store, &stage.object(LEASE), &self.runner.cancel, busy)?;
        // Another process may have trained meanwhile.
        if let Some(trained) = Trained::of(stage)? {
            self.note_trained(stage, 0.0, trained.images, trained.images);
            trained.warn(stage);
            return Ok(trained);
        }
        let (labeler, set) = prepare()?;
        let images = set.len() as u64;
        tracing::info!("{}: training {} on {}", stage.name, self.recipe.label.plugin.name, set.describe());
        if set.is_empty() {
            return Err(PipelineError::NothingToTrainOn { stage: stage.name.clone(), why: set.why_empty() });
        }
        let progress = Arc::new(self.runner.progress.stage(&stage.name, images, 0));
        *self.runner.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::clone(&progress));
        let train = || self.runner.in_flight.note_whole(stage, || labeler.train(set.as_training_set(), &stage.folder));
        let report = training_state::kept(stage, train)?;
        *self.runner.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        let seconds = Arc::into_inner(progress).map_or(0.0, |progress| progress.finish());
        let report = report.map_err(|error| match error.kind {
            ErrorKind::Interrupted => PipelineError::TrainingInterrupted,
            ErrorKind::Io => PipelineError::TrainingAway { stage: stage.name.clone(), source: error.into() },
            _ => PipelineError::Training { stage: stage.name.clone(), source: error.into() },
        })?;
        let unfit = |what: String| PipelineError::Training { stage: stage.name.clone(), source: Error::numeric(what).into() };
        if let Some(epoch) = report.curve.iter().find(|epoch| !(epoch.loss.is_finite() && epoch.accuracy.is_finite())) {
            return Err(unfit(format!(
                "in epoch {} the loss is {} and the accuracy {}: a lower learning rate may help",
                epoch.epoch, epoch.loss, epoch.accuracy
            )));
        }
        if !report.checkpoint.try_exists().map_err(FileError::of("look at", &report.checkpoint))? {
            return Err(unfit(format!("the labeler says that its checkpoint is {}, which is not there", report.checkpoint.display())));
        }
        // A checkpoint may be a folder; of that there is no hash.
        let blake3 = match report.checkpoint.is_file() {
            true => Some(hash_of(&report.checkpoint).map_err(FileError::of("read", &report.checkpoint))?),
            false => None,
        };
        let relative = report.checkpoint.strip_prefix(&stage.folder).map(PathBuf::from).unwrap_or(report.checkpoint);
        let files = files_of(&stage.folder, &relative).map_err(FileError::of("read", &stage.folder))?;
        let (curve, warnings, lost, held_out) = (report.curve, report.warnings, report.lost, report.held_out);
        let trained = Trained { checkpoint: relative, images, curve, warnings, lost, held_out, blake3, files };
        trained.warn(stage);
        self.publish_trained(stage, &trained)?;
        training_state::forget(stage)?;
        self.note_trained(stage, seconds, images, 0);
        Ok(absolute(stage, trained))
    }

    fn note_trained(&self, stage: &Stage, seconds: f64, images: u64, cached: u64) {
        self.runner.note(StageInfo { name: stage.name.clone(), seconds, images, cached });
    }

    /// Stores what a training gave: its checkpoint, and last the record that it has ended.
    fn publish_trained(&self, stage: &Stage, trained: &Trained) -> Result<(), PipelineError> {
        for file in &trained.files {
            let local = stage.folder.join(file);
            stage.store.publish(&local, &stage.object(file)).map_err(FileError::of("store", &local))?;
        }
        let (key, record) = (stage.object(TRAINED), seal::json(trained).map_err(FileError::of("write", &stage.folder))?);
        Ok(stage.store.replace(&key, &record).map_err(FileError::of("write", &stage.store.place(&key)))?)
    }
}

/// The files of a checkpoint that lies in the stage's folder, relative to that; it may be a folder itself.
fn files_of(folder: &Path, checkpoint: &Path) -> std::io::Result<Vec<String>> {
    let path = folder.join(checkpoint);
    if !path.is_dir() {
        return Ok(checkpoint.to_str().filter(|_| checkpoint.is_relative()).map(str::to_owned).into_iter().collect());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        files.extend(files_of(folder, &checkpoint.join(entry?.file_name()))?);
    }
    files.sort();
    Ok(files)
}

/// Brings a checkpoint that another machine trained to this one.
fn fetch_checkpoint(stage: &Stage, trained: &Trained) -> Result<(), FileError> {
    if !stage.store.is_remote() {
        return Ok(());
    }
    let known =
        trained.blake3.as_ref().is_some_and(|expected| hash_of(&stage.folder.join(&trained.checkpoint)).is_ok_and(|found| found == *expected));
    for file in trained.files.iter().filter(|_| !known) {
        let (key, local) = (stage.object(file), stage.folder.join(file));
        local.parent().map_or(Ok(()), fs::create_dir_all).map_err(FileError::of("make", &local))?;
        stage.store.fetch(&key, &local).map_err(FileError::of("fetch", &stage.store.place(&key)))?;
    }
    Ok(())
}

/// The BLAKE3 hash of a file.
fn hash_of(path: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(files::open_regular(path, files::MAX_ARCHIVE)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn absolute(stage: &Stage, trained: Trained) -> Trained {
    Trained { checkpoint: stage.folder.join(&trained.checkpoint), ..trained }
}

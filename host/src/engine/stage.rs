//! Running a stage over the shards that an earlier run has not finished.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use convert_sdk::{Error, ErrorKind, StageInfo};
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::key::Key;
use super::ledger::{Entry, Ledger};
use super::progress::{Progress, StageProgress};
use super::samples::Samples;
use super::shard;
use crate::failure::Failure;

/// A stage and the place of its results.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name, such as `proposals-maskcut`.
    pub name: String,
    /// The hash of everything its results depend on.
    pub key: Key,
    /// `WORK/stages/NAME-KEY`.
    pub folder: PathBuf,
}

impl Stage {
    /// A stage of a work directory.
    pub fn new(work_dir: &Path, name: impl Into<String>, key: Key) -> Self {
        let name = name.into();
        let folder = work_dir.join("stages").join(format!("{name}-{key}"));
        Self { name, key, folder }
    }

    /// Whether a shard is finished.
    pub fn has(&self, shard: usize) -> bool {
        shard::rows_file(&self.folder, shard).is_file()
    }

    /// How many of the first `shards` shards are finished.
    pub fn finished(&self, shards: usize) -> usize {
        (0..shards).filter(|shard| self.has(*shard)).count()
    }

    /// The rows of a finished shard, in the order of the samples.
    ///
    /// # Errors
    /// A shard that cannot be read: the message says to delete it.
    pub fn read<T: DeserializeOwned>(&self, shard: usize) -> Result<Vec<Row<T>>, Failure> {
        if !self.has(shard) {
            return Err(Failure::run(format!("shard {shard} of {} is not there: run that stage first", self.name)));
        }
        shard::read(&self.folder, shard).map_err(|error| {
            let file = shard::rows_file(&self.folder, shard);
            Failure::run(format!("cannot read {}: {error}; delete the file and start again, and it is made anew", file.display()))
        })
    }

    /// Rows of a shard with the indices of their samples.
    ///
    /// # Errors
    /// As [`Stage::read`].
    pub fn read_indexed<T: DeserializeOwned>(&self, samples: &Samples, shard: usize) -> Result<Vec<(usize, T)>, Failure> {
        self.read(shard)?
            .into_iter()
            .map(|row: Row<T>| {
                let index = samples.find(shard, &row.sample);
                index
                    .map(|index| (index, row.value))
                    .ok_or_else(|| Failure::run(format!("{}: unknown sample `{}`", self.folder.display(), row.sample)))
            })
            .collect()
    }
}

/// A sample's result of a stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row<T> {
    /// The sample's id.
    pub sample: String,
    /// The result.
    pub value: T,
}

/// What a batch of work gave for each of its samples.
pub type Outcome<T> = Vec<Result<T, Error>>;

/// What running stages needs.
pub struct Runner {
    /// The threads that images are worked on with.
    pub pool: rayon::ThreadPool,
    /// Set by Ctrl-C.
    pub cancel: Arc<AtomicBool>,
    /// Left-out samples.
    pub ledger: Ledger,
    /// Bars.
    pub progress: Progress,
    /// The stage whose plugin may report progress of its own.
    pub current: Arc<Mutex<Option<Arc<StageProgress>>>>,
    /// The shards to work on; all of them except in `convert stage --shard I/N`.
    pub part: Option<(usize, usize)>,
    /// The stages so far.
    pub finished: Mutex<Vec<StageInfo>>,
}

impl Runner {
    /// Runs a stage. `inputs` gives a shard's samples with what the work needs; `work` is called with batches of them from several threads at once.
    /// After an error of a batch of several, each of its samples is tried alone, so that only the bad ones are left out.
    ///
    /// # Errors
    /// An interruption, results that cannot be stored, too many left-out samples, or a first shard in which every sample failed.
    pub fn run<I, T>(
        &self,
        stage: &Stage,
        samples: &Samples,
        batch_size: usize,
        inputs: impl Fn(usize) -> Result<Vec<(usize, I)>, Failure>,
        work: impl Fn(&[(usize, I)]) -> Result<Vec<T>, Error> + Sync,
    ) -> Result<(), Failure>
    where
        I: Send + Sync,
        T: Serialize + DeserializeOwned + Send,
    {
        fs::create_dir_all(&stage.folder).map_err(|error| Failure::run(format!("cannot make {}: {error}", stage.folder.display())))?;
        let shards: Vec<usize> = (0..samples.shards()).filter(|shard| self.part.is_none_or(|(index, count)| shard % count == index)).collect();
        let (done, todo): (Vec<usize>, Vec<usize>) = shards.iter().partition(|shard| stage.has(**shard));
        let size = |list: &[usize]| list.iter().map(|shard| samples.shard(*shard).len() as u64).sum::<u64>();
        let progress = self.progress.stage(&stage.name, size(&shards), size(&done));
        for shard in &done {
            self.ledger.enter(&shard::read_errors(&stage.folder, *shard).map_err(|error| unreadable(stage, error.as_ref()))?)?;
        }
        for shard in &todo {
            self.stop_if_cancelled()?;
            let inputs = inputs(*shard)?;
            progress.add((samples.shard(*shard).len() - inputs.len()) as u64);
            let outcome = self.pool.install(|| {
                inputs
                    .par_chunks(batch_size.max(1))
                    .with_max_len(1)
                    .map(|batch| {
                        let outcome = one_by_one_after_an_error(batch, &work);
                        progress.add(batch.len() as u64);
                        outcome
                    })
                    .collect::<Vec<Outcome<T>>>()
            });
            let (mut rows, mut errors) = (Vec::new(), Vec::new());
            for ((index, _), result) in inputs.iter().zip(outcome.into_iter().flatten()) {
                let sample = samples.list[*index].id.clone();
                match result {
                    Ok(value) => rows.push(Row { sample, value }),
                    Err(error) if error.kind == ErrorKind::Interrupted => return Err(error.into()),
                    Err(error) if error.kind == ErrorKind::Unsupported => return Err(Failure::run(format!("{}, {sample}: {error}", stage.name))),
                    Err(error) => errors.push(Entry { id: sample, stage: stage.name.clone(), reason: error.to_string() }),
                }
            }
            // That many bad samples in a row are no bad samples: a disk is gone, or a device, or the plugin's config is wrong. Nothing of it is stored.
            if rows.is_empty() && (errors.len() >= SUSPICIOUS || (*shard == 0 && !errors.is_empty())) {
                let (count, first) = (errors.len(), &errors[0]);
                return Err(Failure::run(format!("{}: every one of {count} samples failed; the first, {}: {}", stage.name, first.id, first.reason)));
            }
            shard::write(&stage.folder, *shard, &rows, &errors)
                .map_err(|error| Failure::run(format!("cannot store {} in {}: {error}", stage.name, stage.folder.display())))?;
            self.ledger.enter(&errors)?;
        }
        let seconds = progress.finish();
        self.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(StageInfo {
            name: stage.name.clone(),
            seconds: if todo.is_empty() { 0.0 } else { seconds },
            images: size(&shards),
            cached: size(&done),
        });
        Ok(())
    }

    /// An error once the user has asked to stop.
    ///
    /// # Errors
    /// [`Failure::Interrupted`].
    pub fn stop_if_cancelled(&self) -> Result<(), Failure> {
        if self.cancel.load(Ordering::SeqCst) {
            return Err(Failure::Interrupted("interrupted; every finished shard is kept: the same command continues from here".into()));
        }
        Ok(())
    }
}

/// A shard of at least so many samples that all failed stops the run.
const SUSPICIOUS: usize = 16;

fn unreadable(stage: &Stage, error: &(dyn std::error::Error + Send + Sync)) -> Failure {
    Failure::run(format!("cannot read the errors of {}: {error}", stage.folder.display()))
}

fn one_by_one_after_an_error<I, T>(batch: &[(usize, I)], work: &(impl Fn(&[(usize, I)]) -> Result<Vec<T>, Error> + Sync)) -> Outcome<T> {
    match work(batch) {
        Ok(values) => values.into_iter().map(Ok).collect(),
        Err(error) if batch.len() == 1 => vec![Err(error)],
        Err(_) => batch.chunks(1).flat_map(|single| one_by_one_after_an_error(single, work)).collect(),
    }
}

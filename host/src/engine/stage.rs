//! A stage's place on disk, and what runs stages.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use convert_sdk::StageInfo;

use super::error::EngineError;
use super::in_flight::InFlight;
use super::key::Key;
use super::ledger::Ledger;
use super::progress::{Progress, StageProgress};
use crate::recipe::OnCrash;

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

    /// The name of its folder, which has its key in it.
    pub fn id(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether a shard is finished.
    pub fn has(&self, shard: usize) -> bool {
        rows_file(&self.folder, shard).is_file()
    }

    /// How many of the first `shards` shards are finished.
    pub fn finished(&self, shards: usize) -> usize {
        (0..shards).filter(|shard| self.has(*shard)).count()
    }
}

/// The file of a shard's rows.
pub fn rows_file(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("shard-{shard:05}.parquet"))
}

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
    /// What plugins are working on.
    pub in_flight: InFlight,
    /// What a sample does that crashed twice.
    pub on_crash: OnCrash,
    /// The shards to work on; all of them except in `convert stage --shard I/N`.
    pub part: Option<(usize, usize)>,
    /// The stages so far.
    pub finished: Mutex<Vec<StageInfo>>,
}

impl Runner {
    /// An error once the user has asked to stop.
    ///
    /// # Errors
    /// [`EngineError::Interrupted`].
    pub fn stop_if_cancelled(&self) -> Result<(), EngineError> {
        if self.cancel.load(Ordering::SeqCst) { Err(EngineError::Interrupted) } else { Ok(()) }
    }

    /// Forgets the notes: the stages are gone through again.
    pub fn forget_notes(&self) {
        self.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    /// Notes what a stage took, for the table at the end.
    pub fn note(&self, info: StageInfo) {
        self.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(info);
    }
}

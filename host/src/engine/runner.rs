//! What runs stages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use convert_sdk::StageInfo;

use super::error::EngineError;
use super::in_flight::InFlight;
use super::ledger::Ledger;
use super::progress::{Progress, StageProgress};
use crate::recipe::OnCrash;
use crate::storage::Creation;

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
    /// The stages so far.
    pub finished: Mutex<Vec<StageInfo>>,
    /// The shards that were stored.
    pub stored: Mutex<Vec<Stored>>,
}

/// A shard that this process stored, or found stored by another.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The stage's name.
    pub stage: String,
    /// The shard.
    pub shard: usize,
    /// Who was first.
    pub made: Creation,
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

    /// The notes so far, which are forgotten.
    pub fn take_notes(&self) -> Vec<StageInfo> {
        std::mem::take(&mut *self.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Notes what a stage took, for the table at the end.
    pub fn note(&self, info: StageInfo) {
        self.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(info);
    }
}

//! The host as plugins see it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use convert_formats::storage;
use convert_sdk::{Host, LogLevel, Result};

use crate::engine::StageProgress;
use crate::storage::Inputs;

/// The host's side of a run.
pub(crate) struct HostSide {
    cancel: Arc<AtomicBool>,
    current: Arc<Mutex<Option<Arc<StageProgress>>>>,
}

impl HostSide {
    /// A host without a stage at work, which a flag cancels.
    pub(crate) fn new(cancel: Arc<AtomicBool>) -> Self {
        Self::with_progress(cancel, Arc::default())
    }

    /// A host whose plugins report progress to the stage at work.
    pub(super) fn with_progress(cancel: Arc<AtomicBool>, current: Arc<Mutex<Option<Arc<StageProgress>>>>) -> Self {
        Self { cancel, current }
    }
}

impl Host for HostSide {
    fn log(&self, level: LogLevel, target: &str, message: &str) {
        crate::logging::of_plugin(level, target, message);
    }

    fn progress(&self, position: u64, total: u64, message: &str) {
        let current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some(progress) = current {
            progress.set(position, total, message);
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::SeqCst)
    }
    fn call(&self, method: &str, message: &[u8]) -> Result<Option<Vec<u8>>> {
        storage::answer(Inputs::shared(), method, message)
    }
}

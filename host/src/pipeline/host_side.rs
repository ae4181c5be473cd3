//! The host as plugins see it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use convert_sdk::{Host, LogLevel};

use crate::engine::StageProgress;

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
        let plugin = library_name(target);
        match level {
            LogLevel::Error => tracing::error!(target: "plugin", "{plugin}: {message}"),
            LogLevel::Warn => tracing::warn!(target: "plugin", "{plugin}: {message}"),
            LogLevel::Info => tracing::info!(target: "plugin", "{plugin}: {message}"),
            LogLevel::Debug => tracing::debug!(target: "plugin", "{plugin}: {message}"),
            LogLevel::Trace => tracing::trace!(target: "plugin", "{plugin}: {message}"),
        }
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
}

/// The name of the library that a `tracing` target (`convert_mlp_head::training`) belongs to, as its users know it.
fn library_name(target: &str) -> String {
    let package = target.split("::").next().unwrap_or(target);
    package.strip_prefix("convert_").unwrap_or(package).replace('_', "-")
}

//! `errors.jsonl`: every sample that was left out, with the stage and the reason.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::entry::Entry;
use super::error::EngineError;
use crate::errors::FileError;
use crate::recipe::OnError;

/// The ledger of a run. It is begun anew by every run, and complete after it: the errors of cached shards are entered again.
pub struct Ledger {
    file: Mutex<(File, HashSet<String>)>,
    path: PathBuf,
    on_error: OnError,
    max_errors: Option<u64>,
}

impl Ledger {
    /// Begins the ledger of a run in its work directory; each part of a run that is spread over processes has its own.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn begin(work_dir: &Path, part: Option<(usize, usize)>, on_error: OnError, max_errors: Option<u64>) -> Result<Self, FileError> {
        let path = work_dir.join(part.map_or_else(|| "errors.jsonl".to_owned(), |(index, count)| format!("errors-{index}-of-{count}.jsonl")));
        let file = File::create(&path).map_err(FileError::of("write", &path))?;
        Ok(Self { file: Mutex::new((file, HashSet::new())), path, on_error, max_errors })
    }

    /// Enters samples that were left out.
    ///
    /// # Errors
    /// The first of them with `on_error: stop`; too many for `max_errors`; a ledger that cannot be written.
    pub fn enter(&self, entries: &[Entry]) -> Result<(), EngineError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let mut lines = String::new();
        for entry in entries {
            tracing::warn!("skipped {} in {}: {}", entry.id, entry.stage, entry.reason);
            lines += &serde_json::to_string(entry).map_err(FileError::of("write", &self.path))?;
            lines.push('\n');
        }
        let mut guard = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        guard.0.write_all(lines.as_bytes()).map_err(FileError::of("write", &self.path))?;
        guard.1.extend(entries.iter().map(|entry| entry.id.clone()));
        if self.on_error == OnError::Stop {
            return Err(EngineError::SampleFailed(first.clone()));
        }
        let count = guard.1.len() as u64;
        match self.max_errors {
            Some(limit) if count > limit => Err(EngineError::TooManyErrors { count, limit, ledger: self.path.clone() }),
            _ => Ok(()),
        }
    }

    /// How many samples were left out so far, each counted once.
    pub fn count(&self) -> u64 {
        self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1.len() as u64
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

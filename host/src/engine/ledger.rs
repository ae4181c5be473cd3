//! `errors.jsonl`: every sample that was skipped, with the stage and the reason.

use std::collections::HashSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use convert_formats::files;
use convert_sdk::SkippedSample;

use super::entry::Entry;
use super::error::EngineError;
use crate::errors::FileError;
use crate::recipe::OnError;

/// The ledger of a run. It is begun anew by every run, and complete after it: the errors of cached shards are entered again.
pub struct Ledger {
    entered: Mutex<Entered>,
    path: PathBuf,
    is_part: bool,
    on_error: OnError,
    max_errors: Option<u64>,
}

struct Entered {
    file: File,
    /// Each sample is counted once, whatever number of steps it failed in.
    samples: HashSet<String>,
    /// Hashes of the lines: stages may be gone through more than once.
    lines: HashSet<u64>,
}

impl Drop for Ledger {
    /// A part that skipped nothing leaves no file.
    fn drop(&mut self) {
        if self.is_part && lock(&self.entered).lines.is_empty() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Ledger {
    /// Begins the ledger of a run in its work directory; each part of a run that is spread over processes has its own.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn begin(work_dir: &Path, part: Option<&str>, on_error: OnError, max_errors: Option<u64>) -> Result<Self, FileError> {
        let path = work_dir.join(part.map_or_else(|| "errors.jsonl".to_owned(), |part| format!("errors-{part}.jsonl")));
        let file = File::create(&path).map_err(FileError::of("write", &path))?;
        let entered = Entered { file, samples: HashSet::new(), lines: HashSet::new() };
        Ok(Self { entered: Mutex::new(entered), path, is_part: part.is_some(), on_error, max_errors })
    }

    /// Enters samples that were skipped.
    ///
    /// # Errors
    /// The first of them with `on_error: stop`; too many for `max_errors`; a ledger that cannot be written.
    pub fn enter(&self, entries: &[Entry]) -> Result<(), EngineError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let mut entered = lock(&self.entered);
        let mut lines = String::new();
        for entry in entries {
            let line = serde_json::to_string(entry).map_err(FileError::of("write", &self.path))?;
            let mut hasher = DefaultHasher::new();
            line.hash(&mut hasher);
            if entered.lines.insert(hasher.finish()) {
                tracing::warn!("skipped {} in {}: {}", entry.id, entry.stage, entry.reason);
                lines += &line;
                lines.push('\n');
            }
            entered.samples.insert(entry.id.clone());
        }
        entered.file.write_all(lines.as_bytes()).map_err(FileError::of("write", &self.path))?;
        if self.on_error == OnError::Stop {
            return Err(EngineError::SampleFailed(Box::new(first.clone())));
        }
        let count = entered.samples.len() as u64;
        match self.max_errors {
            Some(limit) if count > limit => Err(EngineError::TooManyErrors { count, limit, ledger: self.path.clone() }),
            _ => Ok(()),
        }
    }

    /// Whether many failures in a row end the run. With `max_errors` the recipe has said how many may fail.
    pub fn stops_at_streaks(&self) -> bool {
        self.max_errors.is_none()
    }

    /// How many samples were skipped so far, each counted once.
    pub fn count(&self) -> u64 {
        lock(&self.entered).samples.len() as u64
    }

    /// The first entries, of so many samples at most; none where the file cannot be read.
    pub fn first(&self, most: usize) -> Vec<SkippedSample> {
        let Ok(file) = files::open_regular(&self.path, files::MAX_STREAM) else { return Vec::new() };
        let lines = BufReader::new(file).lines().map_while(Result::ok);
        lines.filter_map(|line| serde_json::from_str(&line).ok()).take(most).collect()
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(entered: &Mutex<Entered>) -> MutexGuard<'_, Entered> {
    entered.lock().unwrap_or_else(PoisonError::into_inner)
}

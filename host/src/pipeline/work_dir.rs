//! The work directory: one run at a time, and nothing half-written in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use convert_formats::whole_file;

use super::error::PipelineError;
use super::session::Session;
use crate::errors::FileError;
use crate::recipe::Recipe;
use crate::storage::host_name;

/// Which files earlier runs exported.
pub(super) const RECORD: &str = ".exports.json";
/// What a finished run made, for programs.
pub const RUN: &str = "run.json";
/// The recipe of a finished run with everything filled in, to open the run again.
pub const COMPLETE_RECIPE: &str = "recipe.yaml";
/// The names of the classes.
pub(super) const CLASSES: &str = "classes.txt";
/// The comparison with the truth, for programs.
pub(super) const EVALUATION: &str = "evaluation.json";

/// Makes the work directory and locks it: for this run alone, or shared by the processes of `convert stage`. What killed runs left half-written is removed.
///
/// # Errors
/// A folder that cannot be written, or is in use; something other than a file in the place of one of the run's own.
pub(super) fn enter(recipe: &Recipe, shared: bool) -> Result<File, PipelineError> {
    let work_dir = &recipe.work_dir;
    fs::create_dir_all(work_dir).map_err(FileError::of("make the work directory", work_dir))?;
    for name in ["errors.jsonl", "in-flight", "crashes.json", EVALUATION, RECORD, RUN, CLASSES, COMPLETE_RECIPE] {
        let file = work_dir.join(name);
        whole_file::destination(&file).map_err(FileError::of("write", &file))?;
    }
    let lock = lock(work_dir, shared)?;
    remove_temporary_files(recipe);
    Ok(lock)
}

fn lock(work_dir: &Path, shared: bool) -> Result<File, PipelineError> {
    let path = work_dir.join(".lock");
    let file = open_lock(&path)?;
    let locked = if shared { file.try_lock_shared() } else { file.try_lock() };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PipelineError::InUse(work_dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(FileError::of("lock", &path)(error).into()),
    }
}

/// Opens a file to lock it; of one that is there already nothing changes.
pub(super) fn open_lock(path: &Path) -> Result<File, FileError> {
    whole_file::destination(path).map_err(FileError::of("lock", path))?;
    OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(FileError::of("lock", path))
}

/// A worker's place among those of its machine, held as long as it works.
pub struct WorkerSlot {
    name: String,
    _lock: Option<File>,
}

impl WorkerSlot {
    /// What the worker's ledger and notes are called after: `worker-HOST-K`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Recipe {
    /// The place of a worker, by which it finds its notes again after a crash: this one, or the first that is free.
    ///
    /// # Errors
    /// A place that is taken; a folder that cannot be written.
    pub fn worker_slot(&self, wanted: Option<usize>) -> Result<WorkerSlot, PipelineError> {
        fs::create_dir_all(&self.work_dir).map_err(FileError::of("make the work directory", &self.work_dir))?;
        let host = host_name();
        for slot in wanted.map_or(0..usize::MAX, |wanted| wanted..wanted + 1) {
            let name = format!("worker-{host}-{slot}");
            let path = self.work_dir.join(format!(".{name}"));
            let file = open_lock(&path)?;
            match file.try_lock() {
                Ok(()) => return Ok(WorkerSlot { name, _lock: Some(file) }),
                Err(TryLockError::WouldBlock) => {}
                // Without locks no two workers may have one name.
                Err(TryLockError::Error(error)) if cannot_lock(&error) => {
                    return Ok(WorkerSlot { name: format!("worker-{host}-pid-{}", std::process::id()), _lock: None });
                }
                Err(TryLockError::Error(error)) => return Err(FileError::of("lock", &path)(error).into()),
            }
        }
        Err(PipelineError::SlotInUse { slot: wanted.unwrap_or_default(), folder: self.work_dir.clone() })
    }
}

/// Whether the file system knows no locks, as some network file systems do.
fn cannot_lock(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOTSUP | libc::ENOSYS | libc::ENOLCK | libc::EINVAL))
}

/// The leadership of a run, held as long as this lives.
pub struct Lead {
    _lock: File,
}

impl Session {
    /// Leads the run: of the processes that would share it out, one does.
    ///
    /// # Errors
    /// Another process does; a place that cannot be written.
    pub fn lead(&self) -> Result<Lead, PipelineError> {
        let path = self.recipe.work_dir.join(".lead");
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Lead { _lock: file }),
            Err(TryLockError::WouldBlock) => Err(PipelineError::LedElsewhere(self.recipe.store.place(""))),
            Err(TryLockError::Error(error)) => Err(FileError::of("lock", &path)(error).into()),
        }
    }
}

/// Those of the run's own folders, and of the folders that the exporters write into, where other runs may be at work.
fn remove_temporary_files(recipe: &Recipe) {
    let work_dir = &recipe.work_dir;
    let stages = fs::read_dir(work_dir.join("stages")).into_iter().flatten().flatten().map(|entry| entry.path());
    let stages = stages.flat_map(|stage| [stage.join("unfinished"), stage]);
    let files = recipe.export.iter().filter_map(|(_, file)| whole_file::destination(file).ok());
    let exports = files.filter_map(|file| file.parent().map(Path::to_owned));
    let mut folders: Vec<PathBuf> = stages.chain([work_dir.clone(), work_dir.join("cache")]).chain(exports).collect();
    folders.sort();
    folders.dedup();
    folders.iter().for_each(|folder| whole_file::remove_forsaken(folder));
}

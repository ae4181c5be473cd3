//! The work directory: one run at a time, and nothing half-written in it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::error::PipelineError;
use crate::errors::FileError;
use crate::recipe::Recipe;

/// Makes the work directory and locks it: for this run alone, or shared by the processes of `convert stage`. What a killed run left half-written is removed.
///
/// # Errors
/// A folder that cannot be written, or is in use.
pub(super) fn enter(recipe: &Recipe, shared: bool) -> Result<File, PipelineError> {
    let work_dir = &recipe.work_dir;
    fs::create_dir_all(work_dir).map_err(FileError::of("make the work directory", work_dir))?;
    let lock = lock(work_dir, shared)?;
    if !shared {
        remove_temporary_files(recipe);
    }
    Ok(lock)
}

fn lock(work_dir: &Path, shared: bool) -> Result<File, PipelineError> {
    let path = work_dir.join(".lock");
    let file = File::create(&path).map_err(FileError::of("lock", &path))?;
    let locked = if shared { file.try_lock_shared() } else { file.try_lock() };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PipelineError::InUse(work_dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(FileError::of("lock", &path)(error).into()),
    }
}

/// Failing to is no harm: nothing reads those files.
fn remove_temporary_files(recipe: &Recipe) {
    let work_dir = &recipe.work_dir;
    let folders = fs::read_dir(work_dir.join("stages")).into_iter().flatten().flatten().map(|entry| entry.path());
    let half_written = |path: &PathBuf| path.file_name().is_some_and(|name| crate::engine::is_temporary_name(&name.to_string_lossy()));
    let exports = recipe.export.iter().filter_map(|(_, file)| file.parent().map(Path::to_owned));
    for folder in folders.chain([work_dir.clone()]).chain(exports) {
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for file in files.filter(half_written) {
            let _ = fs::remove_file(file);
        }
    }
}

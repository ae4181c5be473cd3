//! The work directory: one run at a time, and nothing half-written in it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::recipe::Recipe;

/// Makes the work directory and locks it: for this run alone, or shared by the processes of `convert stage`. What a killed run left half-written is removed.
///
/// # Errors
/// A folder that cannot be written, or is in use.
pub(super) fn enter(recipe: &Recipe, shared: bool) -> Result<File, Failure> {
    let work_dir = &recipe.work_dir;
    fs::create_dir_all(work_dir).map_err(|error| Failure::run(format!("cannot make the work directory {}: {error}", work_dir.display())))?;
    let lock = lock(work_dir, shared)?;
    if !shared {
        remove_temporary_files(recipe);
    }
    Ok(lock)
}

fn lock(work_dir: &Path, shared: bool) -> Result<File, Failure> {
    let path = work_dir.join(".lock");
    let cannot = |error: std::io::Error| Failure::run(format!("cannot lock {}: {error}", path.display()));
    let file = File::create(&path).map_err(cannot)?;
    let locked = if shared { file.try_lock_shared() } else { file.try_lock() };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::run(format!("another convert works in {}: wait for it, or choose another folder with --work-dir", work_dir.display())))
        }
        Err(TryLockError::Error(error)) => Err(cannot(error)),
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

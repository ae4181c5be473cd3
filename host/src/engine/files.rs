//! Files that are written whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::errors::{AnyError, FileError};

/// Writes a file whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub fn replace_file(path: &std::path::Path, write: impl FnOnce(&std::fs::File) -> Result<(), AnyError>) -> Result<(), FileError> {
    replace(path, write).map_err(FileError::of("write", path))
}

/// Writes a file under a temporary name, syncs it, and renames it.
pub fn replace(path: &Path, write: impl FnOnce(&File) -> Result<(), AnyError>) -> Result<(), AnyError> {
    let temporary = temporary_name(path);
    let file = File::create(&temporary)?;
    write(&file)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        // The rename itself must survive a power cut.
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The name under which a file is written: distinct for each process, so that several may work in one folder.
pub fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.convert-tmp", std::process::id()));
    path.with_file_name(name)
}

/// Whether a file name is one of [`temporary_name`]'s.
pub fn is_temporary_name(name: &str) -> bool {
    name.ends_with(".convert-tmp")
}

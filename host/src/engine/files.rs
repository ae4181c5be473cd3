//! The host's files, written whole or not at all.

use std::fs::File;
use std::path::Path;

use convert_formats::whole_file;

use crate::errors::{AnyError, FileError};

/// Writes a file whole or not at all, and only in the place of a file or of nothing.
///
/// # Errors
/// A file that cannot be written.
pub fn replace_file(path: &Path, write: impl FnOnce(&File) -> Result<(), AnyError>) -> Result<(), FileError> {
    replace(path, write).map_err(FileError::of("write", path))
}

/// The same with whatever went wrong.
pub fn replace(path: &Path, write: impl FnOnce(&File) -> Result<(), AnyError>) -> Result<(), AnyError> {
    whole_file::write(path, write)
}

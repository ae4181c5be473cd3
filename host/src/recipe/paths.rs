//! The paths that a recipe names: what relative ones are relative to, and what lies there.

use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};

use super::tree::Origin;
use crate::errors::{FileError, may_pass};

/// A file or folder that a config names.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedPath {
    /// Where in the config, such as `backbone.weights`.
    pub pointer: String,
    /// Absolute.
    pub path: PathBuf,
    /// Whether its content counts, not its place.
    pub content: bool,
}

/// What relative paths are relative to, by their origin.
#[derive(Debug)]
pub struct Bases {
    recipe: PathBuf,
    shell: PathBuf,
}

impl Bases {
    /// The folder of a recipe's file, and the current one.
    pub fn of(recipe: &Path) -> Self {
        let recipe = std::path::absolute(recipe).ok().and_then(|path| path.parent().map(Path::to_owned)).unwrap_or_default();
        Self { recipe, shell: std::path::absolute(".").unwrap_or_default() }
    }

    /// The path that a text of an origin means.
    pub fn absolute(&self, origin: Origin, text: &str) -> PathBuf {
        absolute(if origin == Origin::Shell { &self.shell } else { &self.recipe }, text)
    }
}

/// What a path that was written as a relative one is relative to.
pub fn relative_to(origin: Origin, text: &str) -> String {
    match origin {
        _ if text.is_empty() || Path::new(text).is_absolute() => String::new(),
        Origin::Recipe => format!(" (`{text}` in the recipe's folder)"),
        Origin::Shell => format!(" (`{text}` in the current folder)"),
    }
}

/// A path made absolute against a folder, without touching the disk; `..` takes back the folder before it.
pub fn absolute(base: &Path, text: &str) -> PathBuf {
    let joined = base.join(text);
    let joined = std::path::absolute(&joined).unwrap_or(joined);
    let mut plain = PathBuf::new();
    for part in joined.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}

/// What lies at a path, if anything does.
///
/// # Errors
/// A path that cannot be looked at just now.
pub fn look_at(path: &Path) -> Result<Option<Metadata>, FileError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) => {
            let error = FileError::of("look at", path)(error);
            if may_pass(&error) { Err(error) } else { Ok(None) }
        }
    }
}

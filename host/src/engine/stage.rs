//! A stage's place on disk.

use std::path::{Path, PathBuf};

use super::key::Key;

/// A stage and the place of its results.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name, such as `proposals-maskcut`.
    pub name: String,
    /// The hash of everything its results depend on.
    pub key: Key,
    /// `WORK/stages/NAME-KEY`.
    pub folder: PathBuf,
}

impl Stage {
    /// A stage of a work directory.
    pub fn new(work_dir: &Path, name: impl Into<String>, key: Key) -> Self {
        let name = name.into();
        let folder = work_dir.join("stages").join(format!("{name}-{key}"));
        Self { name, key, folder }
    }

    /// The name of its folder, which has its key in it.
    pub fn id(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether a shard is finished.
    pub fn has(&self, shard: usize) -> bool {
        rows_file(&self.folder, shard).is_file()
    }

    /// How many of the first `shards` shards are finished.
    pub fn finished(&self, shards: usize) -> usize {
        (0..shards).filter(|shard| self.has(*shard)).count()
    }
}

/// The file of a shard's rows.
pub fn rows_file(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("shard-{shard:05}.parquet"))
}

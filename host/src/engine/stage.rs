//! A stage's place in a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::key::Key;
use crate::errors::FileError;
use crate::storage::Store;

/// A stage and the place of its results.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name, such as `proposals-maskcut`.
    pub name: String,
    /// The hash of everything its results depend on.
    pub key: Key,
    /// Where the run's results lie.
    pub store: Arc<dyn Store>,
    /// The folder on this machine in which a labeler trains: `WORK/stages/NAME-KEY`.
    pub folder: PathBuf,
}

impl Stage {
    /// A stage of a run whose results lie in `store`, with `work_dir` as its folder on this machine.
    pub fn new(store: &Arc<dyn Store>, work_dir: &Path, name: impl Into<String>, key: Key) -> Self {
        let name = name.into();
        let folder = work_dir.join("stages").join(format!("{name}-{key}"));
        Self { name, key, store: Arc::clone(store), folder }
    }

    /// The stage with a name and key as in [`Stage::id`]; none where `id` is no such text.
    pub fn of_id(store: &Arc<dyn Store>, work_dir: &Path, id: &str) -> Option<Self> {
        let (name, key) = id.rsplit_once('-')?;
        Some(Self::new(store, work_dir, name, Key::of_text(key)?))
    }

    /// Its name with its key.
    pub fn id(&self) -> String {
        format!("{}-{}", self.name, self.key)
    }

    /// What the keys of its objects begin with.
    pub fn prefix(&self) -> String {
        format!("stages/{}", self.id())
    }

    /// The key of one of its objects.
    pub fn object(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix())
    }

    /// The key of a finished shard.
    pub fn shard_key(&self, shard: usize) -> String {
        self.object(&shard_name(shard))
    }

    /// What is stored of it: the names of its objects with their sizes in bytes.
    ///
    /// # Errors
    /// A place that cannot be listed.
    pub fn objects(&self) -> Result<BTreeMap<String, u64>, FileError> {
        self.listed(&self.prefix())
    }

    /// The finished shards with their sizes in bytes.
    ///
    /// # Errors
    /// A place that cannot be listed.
    pub fn shards(&self) -> Result<BTreeMap<usize, u64>, FileError> {
        Ok(self.objects()?.into_iter().filter_map(|(name, size)| Some((shard_of(&name)?, size))).collect())
    }

    /// Removes all that is stored of it.
    ///
    /// # Errors
    /// What cannot be removed.
    pub fn remove(&self) -> Result<(), FileError> {
        remove(&*self.store, &self.prefix())
    }

    /// Puts what is stored of it under another name, where nothing is, out of the reach of runs.
    ///
    /// # Errors
    /// What cannot be moved.
    pub fn set_all_aside(&self, name: &str) -> Result<(), FileError> {
        rename(&*self.store, &self.prefix(), &self.aside(name))
    }

    /// Takes back what was set aside.
    ///
    /// # Errors
    /// What cannot be moved.
    pub fn take_back(&self, name: &str) -> Result<(), FileError> {
        rename(&*self.store, &self.aside(name), &self.prefix())
    }

    /// Removes what was set aside.
    ///
    /// # Errors
    /// What cannot be removed.
    pub fn forget_aside(&self, name: &str) -> Result<(), FileError> {
        remove(&*self.store, &self.aside(name))
    }

    fn aside(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix())
    }

    pub(super) fn listed(&self, prefix: &str) -> Result<BTreeMap<String, u64>, FileError> {
        self.store.list(prefix).map_err(FileError::of("list", &self.store.place(prefix)))
    }
}

fn remove(store: &dyn Store, prefix: &str) -> Result<(), FileError> {
    store.delete_all(prefix).map_err(FileError::of("remove", &store.place(prefix)))
}

fn rename(store: &dyn Store, from: &str, to: &str) -> Result<(), FileError> {
    store.rename_all(from, to).map_err(FileError::of("move", &store.place(from)))
}

/// The name of a shard's object.
pub(super) fn shard_name(shard: usize) -> String {
    format!("shard-{shard:05}.parquet")
}

/// The shard that an object of this name holds.
pub(super) fn shard_of(name: &str) -> Option<usize> {
    let shard = name.strip_prefix("shard-")?.strip_suffix(".parquet")?.parse().ok()?;
    (shard_name(shard) == name).then_some(shard)
}

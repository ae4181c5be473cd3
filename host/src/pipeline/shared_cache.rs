//! What a run in an object store remembers of files and folders, hashes and listings, for all its machines: each takes it up before it looks at the dataset.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::errors::{FileError, chain};
use crate::recipe::Recipe;

/// Remembered are the files directly in here; folders hold what is large.
const CACHE: &str = "cache";
/// Larger ones are made anew.
const LARGEST: u64 = 256 << 20;

impl Recipe {
    /// Brings what other machines remembered, where this one has nothing of that name. What is missing costs time, so a failure is said and no more.
    pub(super) fn take_up_cache(&self) {
        if self.store.is_remote()
            && let Err(error) = self.fetch_cache()
        {
            tracing::warn!("{}: what other machines remembered of files is looked up anew", chain(&error));
        }
    }

    fn fetch_cache(&self) -> Result<(), FileError> {
        let folder = self.work_dir.join(CACHE);
        let failed = || FileError::of("read", &folder);
        fs::create_dir_all(&folder).map_err(failed())?;
        for (name, size) in self.store.list(CACHE).map_err(failed())? {
            let (file, key) = (folder.join(&name), format!("{CACHE}/{name}"));
            if size <= LARGEST && !file.exists() {
                self.store.fetch(&key, &file).map_err(failed())?;
            }
        }
        Ok(())
    }

    /// Gives other machines what this one has remembered since a moment.
    pub(super) fn share_cache(&self, since: SystemTime) {
        if self.store.is_remote()
            && let Err(error) = self.remembered(since).iter().try_for_each(|file| self.publish(file))
        {
            tracing::warn!("{}: other machines look at the files by themselves", chain(&error));
        }
    }

    fn remembered(&self, since: SystemTime) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.work_dir.join(CACHE)).into_iter().flatten().flatten();
        let entries = entries.filter(|entry| !convert_formats::whole_file::is_temporary(&entry.path()));
        let wanted = |entry: &fs::DirEntry| {
            let metadata = entry.metadata().ok()?;
            (metadata.is_file() && metadata.len() <= LARGEST && metadata.modified().ok()? >= since).then(|| entry.path())
        };
        entries.filter_map(|entry| wanted(&entry)).collect()
    }
}

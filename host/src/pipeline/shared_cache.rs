//! What a run in an object store remembers of files and folders, hashes and listings, for all its machines: each takes it up before it looks at the dataset.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use rayon::prelude::*;

use super::session::Prepared;
use crate::errors::{FileError, chain};
use crate::recipe::Recipe;

/// Remembered are the files directly in these; other folders hold what is large.
const FOLDERS: [&str; 2] = ["cache", "cache/shard-index"];
/// Larger ones are made anew.
const LARGEST: u64 = 256 << 20;

impl Prepared {
    /// Stores what was found out of files and folders in the run, so that the processes that share it need not look again.
    pub fn remember(&self, recipe: &Recipe) {
        // What cannot be written costs time.
        if FOLDERS.iter().any(|folder| fs::create_dir_all(recipe.work_dir.join(folder)).is_err()) {
            return;
        }
        self.files.save();
        // A dataset remembers its listing once it is asked for an image: a run is at work then.
        if let Some(first) = self.samples.list.first() {
            let _ = self.dataset.image(&first.id);
        }
        recipe.share_cache(self.begun);
    }
}

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
        for prefix in FOLDERS {
            let folder = self.work_dir.join(prefix);
            let failed = |error: io::Error| FileError::of("read", &self.store.place(prefix))(error);
            fs::create_dir_all(&folder).map_err(failed)?;
            let missing: Vec<String> =
                self.store.list(prefix).map_err(failed)?.into_iter().filter(|(_, size)| *size <= LARGEST).map(|(name, _)| name).collect();
            let fetch = |name: &String| match folder.join(name) {
                file if file.exists() => Ok(true),
                file => self.store.fetch(&format!("{prefix}/{name}"), &file),
            };
            missing.par_iter().try_for_each(|name| fetch(name).map(drop)).map_err(failed)?;
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
        let entries = FOLDERS.iter().flat_map(|folder| fs::read_dir(self.work_dir.join(folder)).into_iter().flatten().flatten());
        let entries = entries.filter(|entry| !convert_formats::whole_file::is_temporary(&entry.path()));
        let wanted = |entry: &fs::DirEntry| {
            let metadata = entry.metadata().ok()?;
            (metadata.is_file() && metadata.len() <= LARGEST && metadata.modified().ok()? > since).then(|| entry.path())
        };
        entries.filter_map(|entry| wanted(&entry)).collect()
    }
}

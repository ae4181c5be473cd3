//! Label maps, written as ReLabel's authors publish theirs.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use convert_formats::tensors::label_map_file;
use convert_formats::whole_file;
use convert_sdk::LabelMap;
use rayon::prelude::*;

use super::error::PipelineError;
use super::session::Session;
use crate::engine::Stage;
use crate::errors::FileError;

impl Session {
    /// Whether the map of every sample would have a file of its own below a folder, to be asked before the maps are computed.
    ///
    /// # Errors
    /// An id that is not a path below the folder, two ids with one file.
    pub fn check_map_files(&self, folder: &Path) -> Result<(), PipelineError> {
        let mut files: HashMap<PathBuf, &str> = HashMap::new();
        for sample in &self.samples.list {
            let file = map_file(folder, &sample.id).ok_or_else(|| PipelineError::NoPlace(sample.id.clone()))?;
            if let Some(other) = files.insert(file.clone(), &sample.id) {
                return Err(PipelineError::SamePlace { id: sample.id.clone(), other: other.to_owned(), file });
            }
        }
        Ok(())
    }

    /// Writes the maps of a finished stage as `FOLDER/ID.pt`, the sample's id without its extension; how many. [`Session::check_map_files`] has been asked.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_maps(&self, stage: &Stage, folder: &Path) -> Result<usize, PipelineError> {
        let mut written = 0;
        for shard in self.shards() {
            let rows = stage.read::<LabelMap>(&self.samples, shard)?;
            written += rows.len();
            // On all threads: each file waits for the disk.
            self.runner.pool.install(|| rows.into_par_iter().try_for_each(|(index, map)| write_map(folder, &self.samples.list[index].id, &map)))?;
        }
        Ok(written)
    }
}

fn write_map(folder: &Path, id: &str, map: &LabelMap) -> Result<(), PipelineError> {
    let file = map_file(folder, id).ok_or_else(|| PipelineError::NoPlace(id.to_owned()))?;
    let parent = file.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(FileError::of("make", parent))?;
    let written = whole_file::write_cached(&file, |mut file| file.write_all(&label_map_file(map)));
    Ok(written.map(drop).map_err(FileError::of("write", &file))?)
}

/// `wnid/stem.pt` of `wnid/stem.JPEG`.
fn map_file(folder: &Path, id: &str) -> Option<PathBuf> {
    let path = Path::new(id);
    let below = path.components().all(|part| matches!(part, Component::Normal(_)));
    (below && !id.is_empty()).then(|| folder.join(path.with_extension("pt")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_lies_where_its_image_would_and_nowhere_else() {
        let file = |id: &str| map_file(Path::new("/maps"), id);
        assert_eq!(file("n01/a.b.JPEG"), Some("/maps/n01/a.b.pt".into()));
        assert_eq!(file("scene-7"), Some("/maps/scene-7.pt".into()));
        assert_eq!((file("../a.jpg"), file("/etc/a.jpg"), file("")), (None, None, None));
    }
}

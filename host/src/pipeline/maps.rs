//! Label maps, written as ReLabel's authors publish theirs.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use convert_sdk::{LabelMap, whole_file};

use super::error::PipelineError;
use super::rows::ImageMap;
use super::session::Session;
use crate::engine::Stage;
use crate::errors::FileError;

impl Session {
    /// Writes the maps of a finished stage as `FOLDER/ID.pt`, the sample's id without its extension; how many.
    ///
    /// # Errors
    /// An id that is no path below the folder, two ids with one file, a file that cannot be written.
    pub fn write_maps(&self, stage: &Stage, folder: &Path) -> Result<usize, PipelineError> {
        let mut written: HashMap<PathBuf, String> = HashMap::new();
        for shard in (0..self.samples.shards()).filter(|shard| self.runner.works_on(*shard)) {
            for (index, row) in stage.read::<ImageMap>(&self.samples, shard)? {
                let id = &self.samples.list[index].id;
                let file = map_file(folder, id).ok_or_else(|| PipelineError::NoPlace(id.clone()))?;
                if let Some(other) = written.insert(file.clone(), id.clone()) {
                    return Err(PipelineError::SamePlace { id: id.clone(), other, file });
                }
                let parent = file.parent().unwrap_or(folder);
                fs::create_dir_all(parent).map_err(FileError::of("make", parent))?;
                let map = LabelMap::try_from(row).map_err(|error| PipelineError::Sample { sample: id.clone(), source: error.into() })?;
                let written = whole_file::write_cached(&file, |mut file| file.write_all(&map.to_torch()));
                written.map_err(FileError::of("write", &file))?;
            }
        }
        Ok(written.len())
    }
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

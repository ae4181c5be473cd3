//! ReLabel's files: `FOLDER/wnid/stem.pt`, a float tensor `[2, 5, 15, 15]` of logits and class ids.

use std::path::{Path, PathBuf};

use convert_formats::storage::Storage;
use convert_formats::tensors::TensorFile;
use convert_sdk::{Context, Error, LabelMap, Result, ResultExt};

/// Most bytes of a map in a store, which is read in one request.
const LARGEST_MAP: u64 = 64 << 20;

/// The file of a sample's map.
pub fn map_file(folder: &Path, id: &str) -> PathBuf {
    folder.join(id).with_extension("pt")
}

/// Reads a map of the run's dataset.
///
/// # Errors
/// A file that is not there, holds something else than one tensor of that shape, or classes that the dataset does not have.
pub fn read(path: &Path, context: &Context) -> Result<LabelMap> {
    let file = match path.to_str().filter(|text| Storage::is_address(text)) {
        Some(address) => Storage::of(context).read_all(address, LARGEST_MAP).and_then(|bytes| TensorFile::of_bytes(bytes, path)),
        None => TensorFile::open(path),
    };
    file.and_then(|file| read_unnamed(&file, context.classes().len())).context(|| format!("label map {}", path.display()))
}

fn read_unnamed(file: &TensorFile, classes: usize) -> Result<LabelMap> {
    let mut entries = file.entries().iter();
    let (Some((name, entry)), None) = (entries.next(), entries.next()) else {
        return Err(Error::invalid(format!("it holds {} tensors instead of one", file.entries().len())));
    };
    let [2, depth, rows, columns] = entry.shape[..] else {
        return Err(Error::invalid(format!("its tensor has the shape {:?} instead of [2, 5, 15, 15]", entry.shape)));
    };
    let values = file.read_f64(name)?;
    let (logits, ids) = values.split_at(values.len() / 2);
    let class = |id: &f64| {
        let whole = id.fract() == 0.0 && (0.0..f64::from(u32::MAX)).contains(id);
        match whole.then_some(*id as u32) {
            Some(class) if (class as usize) < classes => Ok(class),
            _ => Err(Error::invalid(format!("it holds the class {id}, but the dataset has {classes}: are these maps of another dataset?"))),
        }
    };
    let ids = ids.iter().map(class).collect::<Result<_>>()?;
    LabelMap::new(depth, rows, columns, logits.iter().map(|logit| *logit as f32).collect(), ids)
}

//! The files of the feature cache: what names their folder, and how they are written.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use convert_backbones::FeatureRequest;
use convert_formats::whole_file;
use convert_sdk::{Context, Result, ResultExt};

use crate::config::MlpHeadConfig;

/// Writes a file whole or not at all, so that no reader sees half of one; behind the values their hash.
pub fn write<'a>(file: &Path, values: impl Iterator<Item = &'a f32>) -> std::io::Result<()> {
    let mut bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
    let hash = blake3::hash(&bytes);
    bytes.extend(hash.as_bytes());
    whole_file::write_cached(file, |mut file| file.write_all(&bytes)).map(drop)
}

/// Makes a folder of the cache, and removes what killed runs left in it half-written: their images come into this folder again.
pub fn prepare(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    whole_file::remove_forsaken(folder);
    let files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    // The name of earlier versions.
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "partial") && whole_file::is_forsaken(file)) {
        fs::remove_file(file)?;
    }
    Ok(())
}

/// A hash of all that features depend on besides the image.
pub fn key(config: &MlpHeadConfig, request: &FeatureRequest, context: &Context) -> Result<String> {
    let backbone = &config.backbone;
    let mut hash = blake3::Hasher::new();
    if let Some(weights) = &backbone.weights {
        for file in files(weights)? {
            let named = || format!("cannot read {}", file.display());
            hash.update_reader(convert_formats::files::open_regular(&file, convert_formats::files::MAX_ARCHIVE).context(named)?).context(named)?;
        }
    }
    let settings = format!(
        "{} {:?} {:?} {}",
        env!("CARGO_PKG_VERSION"),
        request,
        (backbone.family, backbone.heads, backbone.precision, backbone.mean, backbone.std, backbone.patch_size),
        context.settings().device
    );
    Ok(hash.update(settings.as_bytes()).finalize().to_hex()[..16].to_owned())
}

/// The file itself, or those of a folder in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).context(|| format!("cannot read {}", path.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|file| file.is_file()).collect();
    files.sort();
    Ok(files)
}

//! What the datasets ask of a file.

use std::fs::Metadata;
use std::path::Path;
use std::time::UNIX_EPOCH;

use convert_formats::files::{self, Source};
use convert_sdk::{Error, ImageData, Result, ResultExt, Sample};

/// The extensions of the images that the host can decode.
pub fn image_extensions() -> Vec<String> {
    ["jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp", "gif"].map(String::from).to_vec()
}

/// A number that changes with a file's size, its modification time and, where the system has them, its inode and the time when that changed; neither 0 nor
/// [`Sample::MISSING`].
pub fn revision(metadata: &Metadata) -> u64 {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |time| time.as_nanos() as u64);
    mix(metadata.len() ^ mix(modified ^ mix(identity(metadata)))).max(2)
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.ino() ^ mix((metadata.ctime() as u64) << 30 ^ metadata.ctime_nsec() as u64)
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> u64 {
    0
}

/// The revision of a file, or of an object by its size and tag.
///
/// # Errors
/// A file that cannot be looked at.
pub fn revision_of_source(source: &Source) -> std::io::Result<u64> {
    match source {
        Source::File(path) => std::fs::metadata(path).map(|metadata| revision(&metadata)),
        Source::Object(object) => Ok(revision_of_object(object.size(), object.tag())),
    }
}

/// A number that changes with an object's size and tag; neither 0 nor [`Sample::MISSING`].
pub fn revision_of_object(size: u64, tag: &str) -> u64 {
    mix(size ^ mix(hash_of(tag.as_bytes()))).max(2)
}

/// The first 64 bits of a hash.
pub fn hash_of(bytes: &[u8]) -> u64 {
    blake3::hash(bytes).as_bytes()[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The revision of an image's file; [`Sample::MISSING`] where its folder has no such file, or a link that leads nowhere.
///
/// # Errors
/// A file or folder that cannot be reached, which may pass.
pub fn revision_of(path: &Path) -> Result<u64> {
    let error = match std::fs::metadata(path) {
        Ok(metadata) => return Ok(revision(&metadata)),
        Err(error) => error,
    };
    let absent = error.kind() == std::io::ErrorKind::NotFound && path.parent().is_some_and(|folder| folder.read_dir().is_ok());
    // It may have come back between the two looks.
    if let Ok(metadata) = std::fs::metadata(path) {
        return Ok(revision(&metadata));
    }
    let error = Error::from(error);
    if absent || !error.kind.may_pass() { Ok(Sample::MISSING) } else { Err(error.context(format!("cannot look at the image {}", path.display()))) }
}

/// The revisions of images that a list names, and whether they are there at all.
#[derive(Default)]
pub struct Listed {
    found: bool,
    away: Option<Error>,
}

impl Listed {
    /// As [`revision_of`]; what cannot be reached is said by [`Listed::check`].
    pub fn revision_of(&mut self, path: &Path) -> u64 {
        let revision = revision_of(path).unwrap_or_else(|error| {
            self.away.get_or_insert(error);
            Sample::MISSING
        });
        self.found |= revision != Sample::MISSING;
        revision
    }

    /// # Errors
    /// `none` where not one image is there: the list or its root is wrong. Otherwise the first image that could not be reached.
    pub fn check(self, none: impl FnOnce() -> Error) -> Result<()> {
        match self.away {
            _ if !self.found => Err(none()),
            Some(error) => Err(error.context("an image of the list is away: bring its folder back, or take it out of the list")),
            None => Ok(()),
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014): every input bit reaches every output bit.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The file's bytes, for the host to decode.
pub fn read_image(path: &Path) -> Result<ImageData> {
    Ok(ImageData::Encoded(files::read(path, files::MAX_IMAGE).context(|| format!("cannot read the image {}", path.display()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_changes_with_size_time_and_content_and_not_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let at = |seconds| UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let revise = |content: &str, seconds: u64| {
            std::fs::write(&path, content).unwrap();
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(at(seconds)).unwrap();
            revision(&std::fs::metadata(&path).unwrap())
        };
        let first = revise("abc", 5);
        assert_eq!(first, revision(&std::fs::metadata(&path).unwrap()));
        assert_ne!(first, revise("abcd", 5));
        assert_ne!(first, revise("abc", 6));
        #[cfg(unix)]
        {
            // The system's clock ticks every few milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert_ne!(first, revise("xyz", 5), "written over, with the old time put back");
        }
        assert!(revise("", 0) > Sample::MISSING);
    }

    #[test]
    fn a_file_that_is_not_there_is_missing_and_one_whose_folder_is_away_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(revision_of(&folder.path().join("x")).unwrap(), Sample::MISSING);
        let away = revision_of(&folder.path().join("away/x")).unwrap_err();
        assert!(away.kind.may_pass() && away.to_string().contains("away/x"), "{away}");
        std::os::unix::fs::symlink("loop", folder.path().join("loop")).unwrap();
        assert_eq!(revision_of(&folder.path().join("loop")).unwrap(), Sample::MISSING);
    }
}

//! What the datasets ask of a file.

use std::fs::Metadata;
use std::path::Path;
use std::time::UNIX_EPOCH;

use convert_sdk::{ImageData, Result, ResultExt, files};

/// The revision of a file that cannot be looked at: reading it will fail, and the host then records it as a bad sample.
pub const UNREADABLE: u64 = 1;

/// A number that changes with a file's size or modification time; never 0.
pub fn revision(metadata: &Metadata) -> u64 {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |time| time.as_nanos() as u64);
    mix(metadata.len() ^ mix(modified)).max(2)
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
    fn a_revision_changes_with_size_and_time_and_not_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let at = |seconds| UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let revise = |content: &str, seconds: u64| {
            std::fs::write(&path, content).unwrap();
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(at(seconds)).unwrap();
            revision(&std::fs::metadata(&path).unwrap())
        };
        assert_eq!(revise("abc", 5), revise("xyz", 5));
        assert_ne!(revise("abc", 5), revise("abcd", 5));
        assert_ne!(revise("abc", 5), revise("abc", 6));
        assert_ne!(revise("", 0), 0);
    }
}

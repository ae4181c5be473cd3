//! The hashes of files' contents: computed once for a path, size and time of change, and remembered in the work directory's cache folder.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::seal;

use crate::errors::FileError;

/// Raised when the form of the remembered hashes changes.
const VERSION: u32 = 1;
/// A file that changed this recently may change again within the same tick of its clock: its hash is not remembered.
const SETTLED: Duration = Duration::from_secs(2);

/// Content hashes of files, by path.
pub struct FileHashes {
    /// Where they are remembered.
    file: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    files: BTreeMap<PathBuf, Remembered>,
    changed: bool,
    /// Written by a newer version: left alone.
    foreign: bool,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    size: u64,
    /// Nanoseconds since 1970.
    modified: u64,
    hash: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    files: BTreeMap<PathBuf, Remembered>,
}

impl FileHashes {
    /// Those that a cache folder remembers; none with `rescan`, or where the file cannot be used.
    pub fn open(cache_folder: &Path, rescan: bool) -> Self {
        let file = cache_folder.join("file-hashes.json");
        let mut known = Known::default();
        if let Ok(bytes) = convert_formats::files::read(&file, convert_formats::files::MAX_TEXT) {
            let version = serde_json::from_slice::<serde_json::Value>(&bytes).ok().and_then(|json| json.get("version")?.as_u64());
            match version {
                Some(version) if version > u64::from(VERSION) => {
                    tracing::warn!("{} was written by a newer convert: its hashes are computed again, and it is left as it is", file.display());
                    known.foreign = true;
                }
                _ if rescan => {}
                // A broken file costs time and nothing else.
                _ if seal::check_json(&bytes).is_err() => {}
                _ => known.files = serde_json::from_slice::<Stored>(&bytes).map(|stored| stored.files).unwrap_or_default(),
            }
        }
        Self { file, known: Mutex::new(known) }
    }

    /// The hash of a file's content, or of the names and contents of the files directly in a folder.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn content(&self, path: &Path) -> Result<String, FileError> {
        if !fs::metadata(path).map_err(FileError::of("read", path))?.is_dir() {
            return self.of_file(path).map(|hash| hash.to_hex().to_string()).map_err(FileError::of("read", path));
        }
        let mut hasher = blake3::Hasher::new();
        let mut add = |file: &Path| -> std::io::Result<()> {
            let name = file.file_name().unwrap_or_default().as_encoded_bytes();
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name).update(self.of_file(file)?.as_bytes());
            Ok(())
        };
        let mut files = (fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()))
            .map_err(FileError::of("read", path))?;
        files.sort();
        for file in &files {
            // One that cannot be looked at is an error, not one file less.
            if fs::metadata(file).map_err(FileError::of("read", file))?.is_file() {
                add(file).map_err(FileError::of("read", file))?;
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn of_file(&self, path: &Path) -> std::io::Result<blake3::Hash> {
        let metadata = fs::metadata(path)?;
        let now = Remembered { size: metadata.len(), modified: modified(&metadata), hash: String::new() };
        if let Some(known) = self.lock().files.get(path)
            && (known.size, known.modified) == (now.size, now.modified)
            && let Ok(hash) = blake3::Hash::from_hex(&known.hash)
        {
            return Ok(hash);
        }
        let hash = hash_of(path)?;
        let settled = SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_nanos(now.modified)).is_ok_and(|age| age > SETTLED);
        if settled {
            let mut known = self.lock();
            known.files.insert(path.to_owned(), Remembered { hash: hash.to_hex().to_string(), ..now });
            known.changed = true;
        }
        Ok(hash)
    }

    /// Remembers what was computed. That it cannot be written only costs time, so nothing is said.
    pub fn save(&self) {
        let known = self.lock();
        if !known.changed || known.foreign || self.file.parent().is_none_or(|folder| fs::create_dir_all(folder).is_err()) {
            return;
        }
        let stored = Stored { version: VERSION, files: known.files.clone() };
        let _ = super::files::replace_file(&self.file, |mut file| Ok(file.write_all(&seal::json(&stored)?)?));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hash of a file's content, computed anew.
///
/// # Errors
/// A file that cannot be read.
pub fn content_hash(path: &Path) -> Result<String, FileError> {
    hash_of(path).map(|hash| hash.to_hex().to_string()).map_err(FileError::of("read", path))
}

fn hash_of(path: &Path) -> std::io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(convert_formats::files::open_regular(path, convert_formats::files::MAX_ARCHIVE)?)?;
    Ok(hasher.finalize())
}

fn modified(metadata: &Metadata) -> u64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(file: &Path, seconds: u64) {
        fs::File::options().write(true).open(file).unwrap().set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn a_hash_is_remembered_until_size_or_time_change() {
        let folder = tempfile::tempdir().unwrap();
        let (file, cache) = (folder.path().join("a"), folder.path().join("cache"));
        fs::write(&file, "one").unwrap();
        age(&file, 100);
        let hashes = FileHashes::open(&cache, false);
        let one = hashes.content(&file).unwrap();
        assert_eq!(one, content_hash(&file).unwrap());
        hashes.save();

        // Same size and time: the remembered hash is believed, unless a rescan is asked for.
        let before = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "two").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
        assert_eq!(FileHashes::open(&cache, false).content(&file).unwrap(), one);
        let two = FileHashes::open(&cache, true).content(&file).unwrap();
        assert_eq!(two, content_hash(&file).unwrap());
        age(&file, 50);
        assert_eq!(FileHashes::open(&cache, false).content(&file).unwrap(), two);
    }

    #[test]
    fn a_fresh_file_is_not_remembered_and_a_newer_cache_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, cache) = (folder.path().join("a"), folder.path().join("cache"));
        fs::write(&file, "one").unwrap();
        let hashes = FileHashes::open(&cache, false);
        hashes.content(&file).unwrap();
        hashes.save();
        assert!(!cache.join("file-hashes.json").exists());

        fs::create_dir_all(&cache).unwrap();
        let newer = r#"{"version":99,"files":"of another form"}"#;
        fs::write(cache.join("file-hashes.json"), newer).unwrap();
        age(&file, 100);
        let hashes = FileHashes::open(&cache, false);
        assert_eq!(hashes.content(&file).unwrap(), content_hash(&file).unwrap());
        hashes.save();
        assert_eq!(fs::read_to_string(cache.join("file-hashes.json")).unwrap(), newer);
    }
}

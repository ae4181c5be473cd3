//! Files that a config names by an address, such as weights at `s3://bucket/vit.pth`: fetched into a folder of this machine once for each of their versions.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use convert_formats::storage::{Object, Stores};
use convert_formats::whole_file;
use convert_sdk::{Error, ErrorKind, Result};

use crate::named_files;
use crate::storage::Inputs;

/// A file that is replaced while it is fetched is fetched again.
const TRIES: usize = 3;
/// What names the version of a file that was found last.
const LAST: &str = "last";

/// Where objects come from.
trait Origin {
    fn look(&self, address: &str) -> Result<Option<Object>>;
    fn fetch(&self, address: &str, file: &Path) -> Result<bool>;
}

impl Origin for Inputs {
    fn look(&self, address: &str) -> Result<Option<Object>> {
        Stores::look(self, address)
    }
    fn fetch(&self, address: &str, file: &Path) -> Result<bool> {
        Inputs::fetch(self, address, file)
    }
}

/// The file that an address names, as it is now; asked once in a process. With `CONVERT_OFFLINE` nobody is asked, and the version that was fetched last is taken.
///
/// # Errors
/// An object that is not there or cannot be fetched; of kind [`ErrorKind::Io`] what may pass.
pub fn fetched(address: &str) -> Result<PathBuf> {
    static KNOWN: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(file) = known.get(address) {
        return Ok(file.clone());
    }
    let file = fetched_from(Inputs::shared(), address, &named_files::folder().join("objects"), named_files::offline())?;
    known.insert(address.to_owned(), file.clone());
    Ok(file)
}

fn fetched_from(origin: &impl Origin, address: &str, folder: &Path, offline: bool) -> Result<PathBuf> {
    let name = address.rsplit('/').next().unwrap_or_default();
    let folder = folder.join(&blake3::hash(address.as_bytes()).to_hex()[..16]);
    if offline {
        return last_fetched(&folder, name).ok_or_else(|| {
            Error::config(format!("{address} was not fetched to this machine before, and CONVERT_OFFLINE is set: unset it to fetch the file"))
        });
    }
    let gone = || Error::config(format!("there is no {address}: correct the address"));
    let look = || origin.look(address)?.ok_or_else(gone);
    let mut object = look()?;
    for _ in 0..TRIES {
        let version = folder.join(&blake3::hash(format!("{}\n{}", object.size, object.tag).as_bytes()).to_hex()[..16]);
        let file = version.join(name);
        let failed = |error: std::io::Error| Error::from(error).context(format!("cannot keep {address} in {}", version.display()));
        if std::fs::metadata(&file).is_ok_and(|metadata| metadata.is_file() && metadata.len() == object.size) {
            return note(&folder, &version).map(|()| file).map_err(failed);
        }
        std::fs::create_dir_all(&version).map_err(failed)?;
        tracing::info!("fetching {address} ({}) to {}", named_files::size(object.size), version.display());
        // What is fetched is whole; that it is this version shows that it still is there.
        let arriving = version.join(format!("arriving-{}", std::process::id()));
        if !origin.fetch(address, &arriving)? {
            return Err(gone());
        }
        let now = look()?;
        if now == object && std::fs::metadata(&arriving).is_ok_and(|metadata| metadata.len() == object.size) {
            std::fs::rename(&arriving, &file).and_then(|()| note(&folder, &version)).map_err(failed)?;
            return Ok(file);
        }
        std::fs::remove_file(&arriving).map_err(failed)?;
        object = now;
    }
    Err(Error::new(ErrorKind::Io, format!("{address} is replaced again and again while it is fetched: wait until it is written")))
}

/// Notes the version that the object had last.
fn note(folder: &Path, version: &Path) -> std::io::Result<()> {
    let name = version.file_name().unwrap_or_default().as_encoded_bytes();
    let noted = folder.join(LAST);
    if std::fs::read(&noted).is_ok_and(|known| known == name) {
        return Ok(());
    }
    whole_file::write(&noted, |mut file| file.write_all(name))
}

/// The file of the version that the object had last.
fn last_fetched(folder: &Path, name: &str) -> Option<PathBuf> {
    let version = std::fs::read_to_string(folder.join(LAST)).ok()?;
    Some(folder.join(version).join(name)).filter(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A bucket that is a file, with the number of what was asked: looks and fetches.
    struct Bucket {
        file: PathBuf,
        asked: Cell<(usize, usize)>,
        /// The content changes while it is fetched, so often.
        restless: Cell<usize>,
    }

    impl Origin for Bucket {
        fn look(&self, address: &str) -> Result<Option<Object>> {
            self.asked.set((self.asked.get().0 + 1, self.asked.get().1));
            let Ok(bytes) = std::fs::read(&self.file) else { return Ok(None) };
            Ok(Some(Object { name: address.into(), size: bytes.len() as u64, tag: blake3::hash(&bytes).to_hex().to_string() }))
        }
        fn fetch(&self, _: &str, file: &Path) -> Result<bool> {
            self.asked.set((self.asked.get().0, self.asked.get().1 + 1));
            std::fs::copy(&self.file, file)?;
            if self.restless.get() > 0 {
                self.restless.set(self.restless.get() - 1);
                std::fs::write(&self.file, format!("restless {}", self.restless.get()))?;
            }
            Ok(true)
        }
    }

    #[test]
    fn a_version_is_fetched_once_whole_and_known_without_a_network() {
        let place = tempfile::tempdir().unwrap();
        let (folder, address) = (place.path().join("objects"), "s3://bucket/models/vit.pth");
        let bucket = Bucket { file: place.path().join("vit"), asked: Cell::default(), restless: Cell::default() };
        let fetch = |offline| fetched_from(&bucket, address, &folder, offline).map_err(|error| (error.kind, error.to_string()));
        assert_eq!(fetch(false), Err((ErrorKind::Config, format!("there is no {address}: correct the address"))));
        assert!(fetch(true).unwrap_err().1.contains("was not fetched to this machine before, and CONVERT_OFFLINE is set"));
        std::fs::write(&bucket.file, "first").unwrap();
        bucket.asked.take();
        let first = fetch(false).unwrap();
        assert_eq!((std::fs::read_to_string(&first).unwrap().as_str(), first.file_name().unwrap()), ("first", "vit.pth".as_ref()));
        assert_eq!(bucket.asked.take(), (2, 1));
        assert_eq!(fetch(false), Ok(first.clone()));
        assert_eq!(bucket.asked.take(), (1, 0), "one look tells that nothing changed");
        assert_eq!(fetch(true), Ok(first.clone()));
        assert_eq!(bucket.asked.take(), (0, 0));

        std::fs::write(&bucket.file, "other").unwrap();
        let other = fetch(false).unwrap();
        assert_eq!((std::fs::read_to_string(&other).unwrap().as_str(), std::fs::read_to_string(&first).unwrap().as_str()), ("other", "first"));
        assert_eq!(fetch(true), Ok(other));

        bucket.restless.set(2);
        std::fs::write(&bucket.file, "third").unwrap();
        assert_eq!(std::fs::read_to_string(fetch(false).unwrap()).unwrap(), "restless 0");
        bucket.restless.set(TRIES);
        std::fs::write(&bucket.file, "fourth").unwrap();
        assert_eq!(fetch(false).unwrap_err().0, ErrorKind::Io);
    }
}

//! A run in a folder.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use convert_formats::files;
use convert_formats::whole_file::{self, Temporary};

use super::{Creation, Store, Version};

/// The objects below a folder: files, written whole or not at all.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: PathBuf,
}

impl LocalStore {
    /// Of a folder, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// Writes an object in its folder, which is made. Another process may remove the folder at that moment, since it was empty.
    fn in_folder<T>(&self, key: &str, write: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
        let path = self.path(key);
        let make_and_write = || {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            write(&path)
        };
        match make_and_write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_and_write(),
            other => other,
        }
    }
}

impl Store for LocalStore {
    fn get(&self, key: &str) -> io::Result<Option<Bytes>> {
        match files::read(&self.path(key), files::MAX_ARCHIVE) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn get_range(&self, key: &str, range: Range<u64>) -> io::Result<Bytes> {
        let file = files::open_regular(&self.path(key), files::MAX_ARCHIVE)?;
        Ok(file.read_known(range.start, (range.end - range.start) as usize)?.into())
    }

    fn list(&self, prefix: &str) -> io::Result<BTreeMap<String, u64>> {
        let entries = match fs::read_dir(self.path(prefix)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            entries => entries?,
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            let entry = entry?;
            // A link counts as what it leads to, and one that leads nowhere as nothing.
            if let Ok(metadata) = fs::metadata(entry.path())
                && metadata.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                found.insert(name, metadata.len());
            }
        }
        Ok(found)
    }

    fn create(&self, key: &str, bytes: &[u8]) -> io::Result<Creation> {
        self.in_folder(key, |path| {
            if path.is_file() {
                return Ok(Creation::AlreadyThere);
            }
            let (temporary, mut file) = Temporary::create(path)?;
            file.write_all(bytes)?;
            Ok(if temporary.create_only()? { Creation::Created } else { Creation::AlreadyThere })
        })
    }

    fn replace(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        self.in_folder(key, |path| whole_file::write(path, |mut file| file.write_all(bytes)))
    }

    fn get_version(&self, key: &str) -> io::Result<Option<(Bytes, Version)>> {
        let found = self.get(key)?;
        Ok(found.map(|bytes| (bytes.clone(), version(&bytes))))
    }

    fn replace_version(&self, key: &str, bytes: &[u8], expected: &Version) -> io::Result<bool> {
        let path = self.path(key);
        loop {
            // One caller at a time: whoever waited finds a file that is no longer the one of that name, and looks again. The name is never free meanwhile.
            let Some(file) = absent_is_none(OpenOptions::new().read(true).write(true).open(&path))? else { return Ok(false) };
            match file.lock() {
                // Where there are no locks, two callers that come at the same moment may both succeed.
                Err(error) if !matches!(error.kind(), io::ErrorKind::Unsupported) => return Err(error),
                _ => {}
            }
            let Some(there) = absent_is_none(fs::metadata(&path))? else { return Ok(false) };
            let opened = file.metadata()?;
            if (there.dev(), there.ino()) != (opened.dev(), opened.ino()) {
                continue;
            }
            if version(&files::read(&path, files::MAX_TEXT)?) != *expected {
                return Ok(false);
            }
            return self.replace(key, bytes).map(|()| true);
        }
    }

    fn delete(&self, key: &str) -> io::Result<()> {
        let path = self.path(key);
        absent_is_fine(fs::remove_file(&path))?;
        // A folder without objects is none. One with others stays.
        if let Some(folder) = path.parent().filter(|folder| *folder != self.root) {
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    fn delete_all(&self, prefix: &str) -> io::Result<()> {
        absent_is_fine(fs::remove_dir_all(self.path(prefix)))
    }

    fn rename_all(&self, prefix: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(prefix), self.path(to));
        if !from.try_exists()? {
            return Ok(());
        }
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::rename(from, to)
    }

    fn publish(&self, file: &Path, key: &str) -> io::Result<()> {
        let path = self.path(key);
        if file == path { Ok(()) } else { self.replace(key, &files::read(file, files::MAX_ARCHIVE)?) }
    }

    fn fetch(&self, key: &str, file: &Path) -> io::Result<bool> {
        let path = self.path(key);
        if file == path {
            return path.try_exists();
        }
        let Some(bytes) = self.get(key)? else { return Ok(false) };
        whole_file::write(file, |mut file| file.write_all(&bytes)).map(|()| true)
    }

    fn place(&self, key: &str) -> PathBuf {
        if key.is_empty() { self.root.clone() } else { self.path(key) }
    }

    fn is_remote(&self) -> bool {
        false
    }
}

fn version(bytes: &[u8]) -> Version {
    Version(blake3::hash(bytes).to_hex().to_string())
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_creators_one_is_first_and_its_bytes_stay() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path());
        let winners: Vec<u8> = std::thread::scope(|scope| {
            let create = |writer: u8| {
                let store = &store;
                scope.spawn(move || (store.create("a/b", &[writer; 10_000]).unwrap() == Creation::Created).then_some(writer))
            };
            let threads: Vec<_> = (0..16).map(create).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(winners.len(), 1);
        assert_eq!(store.get("a/b").unwrap().unwrap(), vec![winners[0]; 10_000]);
        assert_eq!(store.list("a").unwrap(), BTreeMap::from([("b".to_owned(), 10_000)]), "nothing temporary stays");
    }

    #[test]
    fn of_many_replacers_of_a_version_one_is_first_and_the_object_is_always_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path());
        store.replace("lease", b"0").unwrap();
        let counted = std::thread::scope(|scope| {
            let count = || {
                let (mut won, store) = (0_u32, &store);
                for _ in 0..30 {
                    let (bytes, version) = store.get_version("lease").unwrap().expect("it is always there");
                    let next: u32 = std::str::from_utf8(&bytes).unwrap().parse::<u32>().unwrap() + 1;
                    won += u32::from(store.replace_version("lease", next.to_string().as_bytes(), &version).unwrap());
                }
                won
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u32>()
        });
        assert_eq!(store.get("lease").unwrap().unwrap(), counted.to_string());
    }

    #[test]
    fn a_version_is_replaced_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path());
        store.replace("lease", b"one").unwrap();
        let (_, version) = store.get_version("lease").unwrap().unwrap();
        assert!(store.replace_version("lease", b"two", &version).unwrap());
        assert!(!store.replace_version("lease", b"three", &version).unwrap());
        assert_eq!(store.get("lease").unwrap().unwrap(), "two");
        assert!(!store.replace_version("missing", b"", &version).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

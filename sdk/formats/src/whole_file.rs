//! Files that are written whole or not at all, and never in the place of anything but a file.
//!
//! Host and plugins write through here: results, caches, checkpoints, and whatever a user names. A file is written under a temporary name beside its
//! [destination], synced, and renamed; what a killed process left of that is removed by later ones, see [`remove_forsaken`].

mod destination;
mod owner;

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

pub use destination::{NoDestination, destination};
use owner::{Life, Owner};

/// The end of every temporary name.
const EXTENSION: &str = "convert-tmp";
/// So many bytes of the file's own name are part of the temporary one: file systems allow 255.
const KEPT_OF_NAME: usize = 120;
/// A temporary file whose owner nobody can know here (another host's, another container's) is left alone until it was not written to for a day.
const FORSAKEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes a file whole or not at all; once this returns, it is on the disk under its name.
///
/// # Errors
/// What `write` says; a path that is no [destination]; a folder or disk that cannot be written.
pub fn write<E: From<io::Error>>(path: &Path, write: impl FnOnce(&File) -> Result<(), E>) -> Result<(), E> {
    let target = write_cached(path, write)?;
    Ok(sync_folder(&target)?)
}

/// A rename itself must survive a power cut, where the file system knows how: some network file systems do not sync folders.
pub(crate) fn sync_folder(file: &Path) -> io::Result<()> {
    match File::open(folder_of(file)).and_then(|folder| folder.sync_all()) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTSUP | libc::ENOSYS)) => Ok(()),
        other => other,
    }
}

/// As [`write()`], but a power cut may lose the file, though never a part of it: for the many files that can be made again. Returns the file that was written,
/// which is another than `path` where that is a symbolic link.
///
/// # Errors
/// As [`write()`].
pub fn write_cached<E: From<io::Error>>(path: &Path, write: impl FnOnce(&File) -> Result<(), E>) -> Result<PathBuf, E> {
    let (temporary, file) = Temporary::create(path)?;
    write(&file)?;
    Ok(temporary.replace()?)
}

/// An empty file with a name of its own beside a destination. Dropped, it is removed.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
    target: PathBuf,
    replaced: bool,
}

impl Temporary {
    /// Makes the file in the folder in which `path` lies, or that a symbolic link there leads to. Its name tells later runs whose it is.
    ///
    /// # Errors
    /// A path that is no [destination]; a folder that cannot be written.
    pub fn create(path: &Path) -> io::Result<(Self, File)> {
        remove_later();
        let target = destination(path)?;
        loop {
            let temporary = target.with_file_name(temporary_name(&target, Owner::this(), RandomState::new().build_hasher().finish()));
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => return Ok((Self { path: temporary, target, replaced: false }, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs what was written and puts it in the place of the destination, whose permissions it takes over where it can; returns that.
    ///
    /// # Errors
    /// A disk that cannot be written; a destination that has become something else than a file.
    pub fn replace(mut self) -> io::Result<PathBuf> {
        File::open(&self.path)?.sync_all()?;
        if destination(&self.target)? != self.target {
            return Err(io::Error::other("it has become a symbolic link meanwhile"));
        }
        if let Ok(before) = fs::metadata(&self.target) {
            // Not every file system knows permissions.
            let _ = fs::set_permissions(&self.path, before.permissions());
        }
        fs::rename(&self.path, &self.target)?;
        self.replaced = true;
        Ok(std::mem::take(&mut self.target))
    }

    /// Syncs what was written and gives it the destination's name, where nothing has that: of several processes that do so at once one is first. Whether it was this one;
    /// where the file system knows no hard links, all may think so, and the last one's file stays.
    ///
    /// # Errors
    /// A disk that cannot be written.
    pub fn create_only(self) -> io::Result<bool> {
        File::open(&self.path)?.sync_all()?;
        match fs::hard_link(&self.path, &self.target) {
            Ok(()) => sync_folder(&self.target).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOTSUP | libc::ENOSYS | libc::EMLINK)) => {
                let target = self.replace()?;
                sync_folder(&target).map(|()| true)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.replaced {
            remove_or_note(std::mem::take(&mut self.path));
        }
    }
}

/// Temporary files that could not be removed, for the same reason perhaps that made them useless: they are tried again with the next file that is written, and what is
/// left then a later run removes.
static LEFT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn remove_or_note(file: PathBuf) {
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(file),
        // Not there, or its folder is away.
        Err(_) if fs::symlink_metadata(file.parent().unwrap_or(&file)).is_err() => LEFT.lock().unwrap_or_else(PoisonError::into_inner).push(file),
        _ => {}
    }
}

fn remove_later() {
    let left = std::mem::take(&mut *LEFT.lock().unwrap_or_else(PoisonError::into_inner));
    left.into_iter().for_each(remove_or_note);
}

/// Removes the temporary files of a folder that nobody will ever finish: those of dead processes of this host, and those of others that were not written to for a
/// day. What cannot be read or removed stays, for nothing reads such files.
pub fn remove_forsaken(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if is_temporary(&path) && is_forsaken(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether a file's name is that of one that is being written.
pub fn is_temporary(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == EXTENSION)
}

/// Whether nobody will ever finish a half-written file. Where its name does not tell whose it is (earlier versions gave other names), its age decides.
pub fn is_forsaken(file: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(file) else { return false };
    let owner = file.file_stem().and_then(|stem| Owner::parse(&stem.to_string_lossy()));
    metadata.is_file()
        && match owner.map_or(Life::Unknown, |owner| owner.life(&metadata)) {
            Life::Alive => false,
            Life::Dead => true,
            Life::Unknown => metadata.modified().is_ok_and(|written| SystemTime::now().duration_since(written).is_ok_and(|age| age > FORSAKEN_AFTER)),
        }
}

/// `labels.tsv.OWNER.RANDOM.convert-tmp`.
fn temporary_name(target: &Path, owner: &Owner, random: u64) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let end = name.floor_char_boundary(KEPT_OF_NAME);
    format!("{}.{owner}.{:08x}.{EXTENSION}", &name[..end], random as u32)
}

/// The folder of a file, also of one that is named without.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner_and_fits_a_file_system_whatever_the_file_is_called() {
        for name in ["labels.tsv", "a b.c.d", "ä", &"ü.".repeat(80), "x.1.2.3.4.5.6.7"] {
            let temporary = temporary_name(Path::new(name), Owner::this(), u64::MAX);
            assert!(temporary.len() < 255, "{temporary}");
            let path = Path::new(&temporary);
            assert_eq!(path.extension().unwrap(), EXTENSION);
            assert_eq!(Owner::parse(&path.file_stem().unwrap().to_string_lossy()).as_ref(), Some(Owner::this()), "{temporary}");
        }
        assert_eq!(Owner::parse("labels.tsv.4711"), None, "the names of earlier versions tell too little");
    }
}

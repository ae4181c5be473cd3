//! Where a file may be written.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::folder_of;

/// Symbolic links that lead to each other: as many as Linux follows.
const LINKS: usize = 40;

/// Why nothing is written to a path.
#[derive(Debug, thiserror::Error)]
pub enum NoDestination {
    /// Something that is not to be replaced.
    #[error("{} is {what}: name a regular file, or a place where nothing is", .path.display())]
    NotAFile {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A file stands where a folder should.
    #[error("{} is {what}, so nothing can lie below it", .path.display())]
    NotAFolder {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A symbolic link into a folder that is not there; it is not made, for it may be on a disk that is not mounted.
    #[error("the symbolic link {} leads to {}, whose folder does not exist", .link.display(), .target.display())]
    Dangling {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Symbolic links in a circle, or too many.
    #[error("{} leads through more than {links} symbolic links", .0.display(), links = LINKS)]
    TooManyLinks(PathBuf),
    /// Such as `..`.
    #[error("{:?} names no file", .0)]
    NoName(PathBuf),
    /// Not a path of any file.
    #[error("{:?} contains a NUL character, which no file name can hold", .0)]
    Nul(PathBuf),
    /// It cannot be looked at.
    #[error("cannot look at {}", .path.display())]
    Unknown {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<NoDestination> for io::Error {
    fn from(error: NoDestination) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

/// The regular file that writing to a path replaces, or the place where one would be made: the path itself, or where a symbolic link in its place leads.
///
/// # Errors
/// Anything else that stands there (a folder, a device, a FIFO, a socket), and paths on which nothing can stand. Folders that do not exist yet are none.
pub fn destination(path: &Path) -> Result<PathBuf, NoDestination> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(NoDestination::Nul(path.to_owned()));
    }
    if path.file_name().is_none() {
        return Err(NoDestination::NoName(path.to_owned()));
    }
    let mut target = path.to_owned();
    for followed in 0..LINKS {
        let metadata = match fs::symlink_metadata(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && (followed == 0 || folder_of(&target).is_dir()) => return Ok(target),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NoDestination::Dangling { link: path.to_owned(), target }),
            Err(error) => return Err(blocked(&target).unwrap_or(NoDestination::Unknown { path: target, source: error })),
            Ok(metadata) => metadata,
        };
        if metadata.is_symlink() {
            let link = fs::read_link(&target).map_err(|source| NoDestination::Unknown { path: target.clone(), source })?;
            target = folder_of(&target).join(link);
        } else if metadata.is_file() {
            return Ok(target);
        } else {
            return Err(NoDestination::NotAFile { path: target, what: describe(&metadata) });
        }
    }
    Err(NoDestination::TooManyLinks(path.to_owned()))
}

/// What stands on the way to a path and is not a folder.
fn blocked(path: &Path) -> Option<NoDestination> {
    path.ancestors().skip(1).find_map(|ancestor| {
        let metadata = fs::metadata(ancestor).ok().filter(|metadata| !metadata.is_dir())?;
        Some(NoDestination::NotAFolder { path: ancestor.to_owned(), what: describe(&metadata) })
    })
}

fn describe(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () if kind.is_file() => "a file",
        () => "no regular file",
    }
}

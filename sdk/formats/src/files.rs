//! Opening files that other people wrote: regular files alone, and none larger than its kind is.
//!
//! A named pipe would hang the reader and a device may have no end. They are opened without waiting, looked at, and refused by name. An object of a store is read by the same
//! [`Regular`].

mod object;

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object::Pieces;
pub use object::StoredObject;

/// Most bytes of an image file.
pub const MAX_IMAGE: u64 = 1 << 30;
/// Most bytes of a file that is read as a whole: lists of names, tables of pairs, recipes.
pub const MAX_TEXT: u64 = 256 << 20;
/// Most bytes of a file that is read as a stream: annotations, label sets, manifests.
pub const MAX_STREAM: u64 = 64 << 30;
/// Most bytes of a file of which parts are read from their places: tar and Parquet shards, weights.
pub const MAX_ARCHIVE: u64 = 4 << 40;

/// Opens a regular file of at most `limit` bytes, or a link to one, for reading; never waits for what stands at the other end of a pipe or device.
///
/// # Errors
/// What the system says, anything but a regular file, and a file that is larger.
pub fn open_regular(path: &Path, limit: u64) -> io::Result<Regular> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = match opened {
        Ok(file) => file,
        // A socket cannot be opened at all.
        Err(error) => {
            std::fs::metadata(path).map_or(Ok(()), |metadata| check_kind(metadata.file_type()))?;
            return Err(error);
        }
    };
    let metadata = file.metadata()?;
    check_kind(metadata.file_type())?;
    check_size(metadata.len(), limit)?;
    Ok(Regular { bytes: Bytes::File(file), length: metadata.len(), at: 0 })
}

/// A file that may lie on this machine or in a store.
#[derive(Clone, Debug)]
pub enum Source {
    /// The file at a path.
    File(PathBuf),
    /// An object, as it was when it was looked at.
    Object(StoredObject),
}

impl Source {
    /// Opens it, if it has at most `limit` bytes. Of an object nothing is read yet.
    ///
    /// # Errors
    /// As [`open_regular`].
    pub fn open(&self, limit: u64) -> io::Result<Regular> {
        match self {
            Self::File(path) => open_regular(path, limit),
            Self::Object(object) => {
                check_size(object.size(), limit)?;
                Ok(Regular { length: object.size(), bytes: Bytes::Object(Pieces::new(object.clone())), at: 0 })
            }
        }
    }

    /// All of its text in UTF-8.
    ///
    /// # Errors
    /// As [`read_to_string`].
    pub fn read_to_string(&self, limit: u64) -> io::Result<String> {
        match self {
            Self::File(path) => read_to_string(path, limit),
            Self::Object(object) => {
                check_size(object.size(), limit)?;
                text(object.read(0, object.size())?)
            }
        }
    }

    /// Its path; that of an object is its address.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Object(object) => Path::new(object.address()),
        }
    }
}

/// A regular file, open for reading. Some network file systems end a read early while their server is away: before the length that the file had when it was opened that
/// is an error here, and not the end. An object of a store is read alike.
#[derive(Debug)]
pub struct Regular {
    bytes: Bytes,
    length: u64,
    at: u64,
}

#[derive(Debug)]
enum Bytes {
    File(File),
    Object(Pieces),
    Memory(Arc<[u8]>),
}

impl Regular {
    /// A file whose bytes are here already.
    pub fn of_bytes(bytes: Arc<[u8]>) -> Self {
        Self { length: bytes.len() as u64, bytes: Bytes::Memory(bytes), at: 0 }
    }

    /// The length that it had when it was opened, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The same file, to be read by itself: from the same place on, which the two do not share.
    ///
    /// # Errors
    /// As [`File::try_clone`].
    pub fn try_clone(&self) -> io::Result<Self> {
        let bytes = match &self.bytes {
            Bytes::File(file) => Bytes::File(file.try_clone()?),
            Bytes::Object(pieces) => Bytes::Object(pieces.elsewhere()),
            Bytes::Memory(bytes) => Bytes::Memory(Arc::clone(bytes)),
        };
        Ok(Self { bytes, ..*self })
    }

    /// Reads `length` bytes from a place on that the file is known to have.
    ///
    /// # Errors
    /// What the system says, and an end before: the file is another one by now, or its server is away.
    pub fn read_known(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let file = match &self.bytes {
            Bytes::File(file) => file,
            Bytes::Object(pieces) => return pieces.read_known(offset, length),
            Bytes::Memory(bytes) => return rest(bytes, offset).get(..length).map(<[u8]>::to_vec).ok_or_else(ended_early),
        };
        let mut bytes = vec![0; length];
        match file.read_exact_at(&mut bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ended_early()),
            other => other.map(|()| bytes),
        }
    }
}

impl Read for Regular {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &self.bytes {
            Bytes::File(file) => file.read_at(buffer, self.at)?,
            Bytes::Object(pieces) => pieces.read_at(buffer, self.at)?,
            Bytes::Memory(bytes) => rest(bytes, self.at).read(buffer)?,
        };
        if count == 0 && !buffer.is_empty() && self.at < self.length {
            return Err(ended_early());
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Regular {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let at = match position {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| refused("a place before its beginning".into()))?;
        Ok(self.at)
    }
}

/// Bytes from a place on.
fn rest(bytes: &[u8], at: u64) -> &[u8] {
    usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default()
}

fn ended_early() -> io::Error {
    io::Error::from_raw_os_error(libc::EIO)
}

/// The bytes of a regular file.
///
/// # Errors
/// As [`open_regular`], more bytes than the memory holds, and an end before the file's.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path, limit)?;
    let mut bytes = Vec::new();
    let length = file.length();
    bytes.try_reserve_exact(length as usize + 1).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))?;
    // It may grow while it is read, and some systems' files do not know their size.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    check_size(bytes.len() as u64, limit)?;
    Ok(bytes)
}

/// The text of a regular file in UTF-8.
///
/// # Errors
/// As [`read`], and bytes that are not UTF-8.
pub fn read_to_string(path: &Path, limit: u64) -> io::Result<String> {
    text(read(path, limit)?)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    let not_text = |error: std::string::FromUtf8Error| refused(format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()));
    String::from_utf8(bytes).map_err(not_text)
}

fn check_kind(kind: FileType) -> io::Result<()> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "something else",
    };
    Err(refused(format!("it is {what}, not a regular file")))
}

fn check_size(size: u64, limit: u64) -> io::Result<()> {
    if size > limit {
        return Err(refused(format!("it has {size} bytes, more than the limit of {limit} for its kind")));
    }
    Ok(())
}

/// An error that speaks of the file, not of the system.
fn refused(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_by_name_and_at_once() {
        let folder = std::env::temp_dir().join(format!("convert-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let pipe = folder.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let socket = folder.join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink("loop", folder.join("loop")).unwrap();
        let refused = |path: &Path, expected: &str| {
            let error = open_regular(path, MAX_TEXT).unwrap_err().to_string();
            assert!(error.contains(expected), "{}: {error}", path.display());
        };
        refused(&pipe, "a named pipe, not a regular file");
        refused(&socket, "a socket, not");
        refused(&folder, "a folder, not");
        refused(Path::new("/dev/zero"), "a device, not");
        refused(&folder.join("missing"), "No such file");
        refused(&folder.join("loop"), "symbolic links");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_ends_before_its_length_is_away_and_not_at_its_end() {
        let path = std::env::temp_dir().join(format!("convert-end-{}", std::process::id()));
        std::fs::write(&path, "0123456789").unwrap();
        let mut file = open_regular(&path, MAX_TEXT).unwrap();
        let mut text = String::new();
        file.seek(SeekFrom::End(-4)).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), file.read_known(2, 3).unwrap()), ("6789", b"234".to_vec()));
        File::options().write(true).open(&path).unwrap().set_len(4).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        for error in [file.read_to_end(&mut Vec::new()).unwrap_err(), file.read_known(2, 3).unwrap_err()] {
            assert_eq!(convert_sdk::Error::from(error).kind, convert_sdk::ErrorKind::Io);
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_has_at_most_the_bytes_of_its_kind() {
        let path = std::env::temp_dir().join(format!("convert-size-{}", std::process::id()));
        std::fs::write(&path, "ab\u{e9}").unwrap();
        assert_eq!(read_to_string(&path, 4).unwrap(), "ab\u{e9}");
        assert_eq!(read(&path, 3).unwrap_err().to_string(), "it has 4 bytes, more than the limit of 3 for its kind");
        std::fs::write(&path, b"ab\xff").unwrap();
        assert_eq!(read_to_string(&path, 4).unwrap_err().to_string(), "it is not UTF-8 from byte 2 on");
        std::fs::remove_file(&path).unwrap();
    }
}

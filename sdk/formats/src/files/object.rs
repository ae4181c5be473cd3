//! An object of a store, read as a file is: what is read in order comes in pieces that are larger than what was asked for, since a request costs as much time as some megabytes.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use convert_sdk::{Error, ErrorKind};

use crate::storage::Storage;

/// The piece that is read first, and the largest: as long as reading goes on in order, each is twice the one before.
const FIRST_PIECE: u64 = 1 << 20;
const LARGEST_PIECE: u64 = 4 << 20;

/// A version of an object.
#[derive(Clone, Debug)]
pub struct StoredObject {
    storage: Storage,
    address: Arc<str>,
    size: u64,
    tag: Arc<str>,
}

impl StoredObject {
    /// The object at an address, of the size and tag that a store gave it.
    pub fn new(storage: Storage, address: &str, size: u64, tag: &str) -> Self {
        Self { storage, address: address.into(), size, tag: tag.into() }
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What the store calls this version.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Bytes from a place on that it has, in one request.
    ///
    /// # Errors
    /// What the host says; one that may pass is of kind [`io::ErrorKind::TimedOut`], which the sdk reads as [`ErrorKind::Io`].
    pub fn read(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        if length == 0 {
            return Ok(Vec::new());
        }
        self.storage.read(&self.address, offset..offset.saturating_add(length), Some(&self.tag)).map_err(io_error)
    }
}

fn io_error(error: Error) -> io::Error {
    let kind = if error.kind == ErrorKind::Io { io::ErrorKind::TimedOut } else { io::ErrorKind::InvalidInput };
    io::Error::new(kind, error.to_string())
}

/// An object that is being read.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    pub object: StoredObject,
    last: Arc<Mutex<Piece>>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Piece {
    start: u64,
    bytes: Vec<u8>,
    /// How much the next one has, where it follows.
    next: u64,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The bytes from a place on, where it lies within.
    fn from(&self, at: u64) -> Option<&[u8]> {
        (self.start..self.end()).contains(&at).then(|| &self.bytes[(at - self.start) as usize..])
    }
}

impl Pieces {
    pub fn new(object: StoredObject) -> Self {
        Self { object, last: Arc::default() }
    }

    /// The same object, read at another place.
    pub fn elsewhere(&self) -> Self {
        Self::new(self.object.clone())
    }

    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        if buffer.is_empty() || at >= self.object.size {
            return Ok(0);
        }
        let mut piece = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if piece.from(at).is_none() {
            // A gap that is smaller than a piece is no new beginning: a tar file's headers stand apart.
            let follows = at >= piece.end() && at - piece.end() <= piece.next;
            let length = if follows { piece.next.max(FIRST_PIECE) } else { FIRST_PIECE };
            let bytes = self.object.read(at, length.min(self.object.size - at))?;
            *piece = Piece { start: at, bytes, next: (length * 2).min(LARGEST_PIECE) };
        }
        let found = piece.from(at).unwrap_or_default();
        let count = found.len().min(buffer.len());
        buffer[..count].copy_from_slice(&found[..count]);
        Ok(count)
    }

    /// Bytes from a place on that it has: of the last piece, where they lie in it, else just these.
    pub fn read_known(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let piece = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = piece.from(offset).and_then(|found| found.get(..length)) {
            return Ok(bytes.to_vec());
        }
        drop(piece);
        self.object.read(offset, length as u64)
    }
}

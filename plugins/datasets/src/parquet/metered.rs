//! A Parquet file whose pages' headers are read but about once: a header that claims lists of any length would be read without end.

use std::io::{BufReader, Cursor, Error, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use convert_formats::files::{Regular, Source, StoredObject};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::roots::at_once;

/// Bytes of headers that may be read beyond the file's own: pages are looked at before they are read.
const SPARE: u64 = 1 << 16;

/// The end of an object that is read first: the footer of most files, which says where everything is.
const END: u64 = 256 << 10;
/// Most bytes of parts that are held at once.
const LARGEST_PARTS: u64 = 256 << 20;

/// See the module.
#[derive(Debug)]
pub struct Metered {
    file: Regular,
    /// What was read beforehand, by where it begins.
    parts: Vec<(u64, Bytes)>,
    length: u64,
    left: Arc<AtomicU64>,
}

impl Metered {
    /// For one pass over a file.
    pub fn new(file: Regular) -> Self {
        let length = file.length();
        let left = Arc::new(AtomicU64::new(length.saturating_mul(2).saturating_add(SPARE)));
        Self { file, parts: Vec::new(), length, left }
    }

    /// The same, of an object with its end read beforehand.
    ///
    /// # Errors
    /// What the store says.
    pub fn with_end(file: Regular, source: &Source) -> std::io::Result<Self> {
        match source {
            Source::File(_) => Ok(Self::new(file)),
            Source::Object(object) => {
                let end = object.size().saturating_sub(END)..object.size();
                Self::with_parts(file, object, std::slice::from_ref(&end))
            }
        }
    }

    /// The same, of an object with these parts read beforehand, each in a request, unless they are too large together.
    ///
    /// # Errors
    /// What the store says.
    pub fn with_parts(file: Regular, object: &StoredObject, parts: &[Range<u64>]) -> std::io::Result<Self> {
        let mut metered = Self::new(file);
        let parts: Vec<&Range<u64>> = parts.iter().filter(|part| part.end <= metered.length && !part.is_empty()).collect();
        if parts.iter().fold(0, |sum, part| part.end - part.start + sum) <= LARGEST_PARTS {
            let read = at_once(&parts, |part| object.read(part.start, part.end - part.start).map(|bytes| (part.start, Bytes::from(bytes))));
            metered.parts = read.into_iter().collect::<std::io::Result<_>>()?;
            metered.parts.sort_by_key(|(start, _)| *start);
        }
        Ok(metered)
    }

    /// What was read beforehand from a place on.
    fn part(&self, start: u64) -> Option<Bytes> {
        let at = self.parts.partition_point(|(begin, _)| *begin <= start).checked_sub(1)?;
        let (begin, bytes) = &self.parts[at];
        let offset = (start - begin) as usize;
        (offset < bytes.len()).then(|| bytes.slice(offset..))
    }
}

impl Length for Metered {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Metered {
    type T = Counted;

    fn get_read(&self, start: u64) -> Result<Counted> {
        let reader: Box<dyn Read + Send> = match self.part(start) {
            Some(part) => Box::new(Cursor::new(part)),
            None => {
                let mut file = self.file.try_clone()?;
                file.seek(SeekFrom::Start(start))?;
                Box::new(BufReader::new(file))
            }
        };
        Ok(Counted { reader, left: Arc::clone(&self.left) })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.saturating_add(length as u64) > self.length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} of a file of {}", self.length)));
        }
        if let Some(part) = self.part(start).filter(|part| part.len() >= length) {
            return Ok(part.slice(..length));
        }
        Ok(self.file.read_known(start, length)?.into())
    }
}

/// Reads as long as the pass has bytes left.
pub struct Counted {
    reader: Box<dyn Read + Send>,
    left: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        // A list of a claimed length is skipped element by element, at the file's end by nothing at all.
        let spend = |left: u64| left.checked_sub(read.max(1) as u64);
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend) {
            Ok(_) => Ok(read),
            Err(_) => Err(Error::new(ErrorKind::InvalidData, "its pages' headers are larger than the file")),
        }
    }
}

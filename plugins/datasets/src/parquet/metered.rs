//! A Parquet file whose pages' headers are read but about once: a header that claims lists of any length would be read without end.

use std::io::{BufReader, Error, ErrorKind, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use convert_formats::files::Regular;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Bytes of headers that may be read beyond the file's own: pages are looked at before they are read.
const SPARE: u64 = 1 << 16;

/// See the module.
#[derive(Debug)]
pub struct Metered {
    file: Regular,
    length: u64,
    left: Arc<AtomicU64>,
}

impl Metered {
    /// For one pass over a file.
    pub fn new(file: Regular) -> Self {
        let length = file.length();
        Self { file, length, left: Arc::new(AtomicU64::new(length.saturating_mul(2).saturating_add(SPARE))) }
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
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(Counted { reader: BufReader::new(file), left: Arc::clone(&self.left) })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if start.saturating_add(length as u64) > self.length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} of a file of {}", self.length)));
        }
        Ok(self.file.read_known(start, length)?.into())
    }
}

/// Reads as long as the pass has bytes left.
pub struct Counted {
    reader: BufReader<Regular>,
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

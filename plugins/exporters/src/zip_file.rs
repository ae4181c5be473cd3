//! A zip archive that is written as a stream, with nothing in it that depends on the time.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_sdk::{Error, Result, ResultExt};
use zip::write::{FileOptions, ZipWriter};

/// See the module. Its list of entries stays in memory, about 200 bytes each.
pub struct ZipFile {
    zip: ZipWriter<BufWriter<File>>,
}

fn failed(error: zip::result::ZipError) -> Error {
    match error {
        zip::result::ZipError::Io(error) => error.into(),
        other => Error::invalid(format!("cannot write the archive: {other}")),
    }
}

impl ZipFile {
    /// Begins an archive.
    ///
    /// # Errors
    /// A file that cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { zip: ZipWriter::new(BufWriter::new(file)) })
    }

    /// Adds a file.
    ///
    /// # Errors
    /// A disk that cannot be written.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        // Images are compressed already, and the rest is small.
        let options = FileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(0o644)
            .large_file(bytes.len() as u64 > u64::from(u32::MAX / 2));
        self.zip.start_file(name, options).map_err(failed)?;
        Ok(self.zip.write_all(bytes)?)
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// A disk that cannot be written.
    pub fn finish(&mut self) -> Result<()> {
        let mut file = self.zip.finish().map_err(failed)?;
        Ok(file.flush()?)
    }
}

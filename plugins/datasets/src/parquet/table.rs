//! A file of rows in either form.

use std::path::Path;

use convert_formats::files::Source;
use convert_sdk::{Error, Result};

use super::ParquetConfig;
use super::arrow::ArrowFile;
use super::blocks::Blocks;
use super::file::ParquetFile;

/// A file whose columns are as they should be.
#[derive(Debug)]
pub enum TableFile {
    Parquet(ParquetFile),
    Arrow(ArrowFile),
}

impl TableFile {
    /// Opens a file; what it is its extension says.
    ///
    /// # Errors
    /// As [`ParquetFile::open`] and [`ArrowFile::open`].
    pub fn open(source: Source, config: &ParquetConfig) -> Result<Self> {
        if source.path().extension().is_some_and(|extension| extension.eq_ignore_ascii_case("arrow")) {
            ArrowFile::open(source, config).map(Self::Arrow)
        } else {
            ParquetFile::open(source, config).map(Self::Parquet)
        }
    }

    pub fn source(&self) -> &Source {
        match self {
            Self::Parquet(file) => &file.source,
            Self::Arrow(file) => &file.source,
        }
    }

    pub fn path(&self) -> &Path {
        self.source().path()
    }

    /// The label's class names in the metadata that Hugging Face writes.
    pub fn class_names(&self) -> Option<&[String]> {
        match self {
            Self::Parquet(file) => file.class_names.as_deref(),
            Self::Arrow(file) => file.class_names.as_deref(),
        }
    }

    /// Whether labels are integers.
    pub fn integer_labels(&self) -> bool {
        match self {
            Self::Parquet(file) => file.integer_labels,
            Self::Arrow(file) => file.integer_labels,
        }
    }

    /// A row, for people.
    pub fn row_name(&self, row: u64) -> String {
        format!("row {row} of {}", self.path().display())
    }

    /// Hands out each row with its label and its id, if there is a column for it.
    ///
    /// # Errors
    /// Columns that cannot be read, and what `take` gives.
    pub fn labels(&self, config: &ParquetConfig, take: impl FnMut(u64, Option<String>, Option<String>) -> Result<()>) -> Result<()> {
        match self {
            Self::Parquet(file) => file.labels(config, take),
            Self::Arrow(file) => file.labels(take),
        }
    }

    /// The bytes of a row's image; `blocks` has those that were read last, of the files by their numbers.
    ///
    /// # Errors
    /// Bytes that cannot be read, a row without an image.
    pub fn image(&self, blocks: &Blocks, number: u32, row: u64) -> Result<Vec<u8>> {
        let bytes = match self {
            Self::Parquet(file) => blocks.image(number, file, row)?,
            Self::Arrow(file) => file.image(row)?,
        };
        bytes.ok_or_else(|| {
            Error::invalid(format!(
                "{} has no image bytes, only a path: write the images into the file, as docs/datasets.md shows",
                self.row_name(row)
            ))
        })
    }
}

//! The stage engine: samples in shards, results in Parquet files under keys, errors in a ledger, bars on the terminal. It knows no algorithm.

mod error;
mod hashes;
pub mod images;
mod key;
mod ledger;
mod progress;
mod samples;
mod segment;
mod stage;
mod store;

pub use error::{EngineError, SamplesError};
pub use hashes::{FileHashes, content_hash};
pub use key::{Key, KeyBuilder, KeySettings};
pub use ledger::{Entry, Ledger};
pub use progress::{Progress, StageProgress};
pub use samples::Samples;
pub use segment::{Input, Reads, SampleStep, SampleWork};
pub use stage::{Runner, Stage};
pub use store::{Record, Row, is_temporary_name, read as read_rows, temporary_name, write as write_rows};

use crate::errors::{AnyError, FileError};

/// Writes a file whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub fn replace_file(path: &std::path::Path, write: impl FnOnce(&std::fs::File) -> Result<(), AnyError>) -> Result<(), FileError> {
    store::replace(path, write).map_err(FileError::of("write", path))
}

//! The stage engine: samples in shards, results in Parquet files under keys, errors in a ledger, bars on the terminal. It knows no algorithm.

pub mod images;
mod key;
mod ledger;
mod progress;
mod samples;
mod shard;
mod stage;

pub use key::{Key, KeyBuilder, content_hash};
pub use ledger::Ledger;
pub use progress::{Progress, StageProgress};
pub use samples::Samples;
pub use shard::{is_temporary_name, temporary_name};
pub use stage::{Outcome, Row, Runner, Stage};

/// Writes a file whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub fn replace_file(
    path: &std::path::Path,
    write: impl FnOnce(&std::fs::File) -> Result<(), Box<dyn std::error::Error + Send + Sync>>,
) -> Result<(), crate::failure::Failure> {
    shard::replace(path, write).map_err(|error| crate::failure::Failure::run(format!("cannot write {}: {error}", path.display())))
}

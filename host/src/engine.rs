//! The stage engine: samples in shards, results in Parquet files under keys, errors in a ledger, bars on the terminal. It knows no algorithm.

mod ahead;
mod entry;
mod error;
mod files;
mod hashes;
pub mod images;
mod in_flight;
mod key;
mod ledger;
mod patience;
pub(crate) mod progress;
mod runner;
mod samples;
pub mod seal;
mod segment;
mod shard;
mod stage;
mod store;

pub use ahead::read_ahead;
pub use entry::Entry;
pub use error::{EngineError, SamplesError};
pub use files::replace_file;
pub use hashes::{FileHashes, content_hash};
pub use in_flight::InFlight;
pub use key::{Key, KeyBuilder, KeySettings};
pub use ledger::Ledger;
pub use patience::patiently;
pub use progress::{Progress, StageProgress};
pub use runner::{Runner, Stored};
pub use samples::Samples;
pub use segment::{Input, Reads, SampleStep, SampleWork, Steps};
pub use shard::{decode as decode_rows, encode as encode_rows};
pub use stage::Stage;
pub use store::{Record, Row};

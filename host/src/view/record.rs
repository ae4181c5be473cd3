//! The run that is viewed, as its record says: enough to begin with, before its dataset is opened.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::commands::finished::{of_another_version, record_of};
use crate::engine::{Row, decode_rows};
use crate::errors::FileError;
use crate::failure::Failure;
use crate::pipeline::{FinishedStages, RUN};
use crate::storage::Place;

/// What is read of `run.json`.
#[derive(Debug, Deserialize)]
pub struct RunRecord {
    /// The recipe's name.
    pub recipe: String,
    /// The device that the networks worked on.
    pub device: String,
    /// How many samples it has.
    pub samples: usize,
    /// The classes by index.
    pub classes: Vec<String>,
    /// The names of the proposal configurations.
    pub configurations: Vec<String>,
    /// A label counts when its probability is above this.
    pub threshold: f32,
    /// The stages that the labels come from.
    pub stages: FinishedStages,
    /// Table 5.
    pub statistics: serde_json::Value,
}

/// A finished run in its place.
pub struct FinishedRun {
    /// What it made.
    pub record: RunRecord,
    /// A hash of the record: another run has another.
    pub identity: String,
    /// Where it lies.
    pub place: Place,
}

impl FinishedRun {
    /// Opens a run's folder or address.
    ///
    /// # Errors
    /// A place without a finished run, or with one of another version.
    pub fn open(run: &Path) -> Result<Self, Failure> {
        let (place, bytes) = record_of(run)?;
        let record: RunRecord = serde_json::from_slice(&bytes).map_err(|error| of_another_version(run, &format!("{RUN}: {error}")))?;
        Ok(Self { record, identity: blake3::hash(&bytes).to_hex().to_string(), place })
    }

    /// How many shards it has.
    pub fn shards(&self) -> usize {
        self.record.samples.div_ceil(self.record.stages.shard_size.max(1))
    }

    /// The shard that a sample is in.
    pub fn shard_of(&self, sample: usize) -> usize {
        sample / self.record.stages.shard_size.max(1)
    }

    /// What a stage stored of the samples of a shard.
    ///
    /// # Errors
    /// A shard that is not there or cannot be read.
    pub fn rows<T: DeserializeOwned>(&self, stage: &str, shard: usize) -> Result<Vec<Row<T>>, FileError> {
        let store = &self.place.store;
        let key = format!("stages/{stage}/shard-{shard:05}.parquet");
        let path = store.place(&key);
        let bytes = store.get(&key).map_err(FileError::of("read", &path))?;
        let bytes = bytes.ok_or_else(|| FileError::of("read", &path)("it is not there any more: run the recipe again"))?;
        decode_rows(&bytes).map_err(FileError::of("read", &path))
    }
}

//! What stages store: shards, and of unfinished ones what is done.

use std::collections::BTreeSet;

use bytes::Bytes;
use convert_sdk::ErrorKind;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use super::entry::Entry;
use super::error::EngineError;
use super::samples::Samples;
use super::shard;
use super::stage::{Stage, shard_name, shard_of};
use crate::errors::{AnyError, FileError, chain};
use crate::storage::Creation;

/// So many bytes of a shard's end are read for what it left out: nearly always all of its metadata.
const END: u64 = 16 << 10;
/// The place of what interrupted runs kept of shards, within their stage.
const UNFINISHED: &str = "unfinished";
/// The end of the names of rows there whose other samples are to be tried again.
const AGAIN: &str = ".again";

/// A sample's result of a stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row<T> {
    /// The sample's id.
    pub sample: String,
    /// The result.
    pub value: T,
}

/// A result of any stage of a pipeline: one type for all of them, so that steps can pass results on in memory.
pub trait Record: Send + Sync + Sized {
    /// Which kind of result a stage stores.
    type Form: Copy + Send + Sync;

    /// The rows of a shard.
    ///
    /// # Errors
    /// Bytes that are damaged or hold rows of another kind.
    fn decode(form: Self::Form, bytes: &Bytes) -> Result<Vec<Row<Self>>, AnyError>;

    /// A shard: ids with their results, and what was skipped.
    ///
    /// # Errors
    /// A result of another kind.
    fn encode(form: Self::Form, rows: &[(&str, &Self)], left_out: &[Entry]) -> Result<Vec<u8>, AnyError>;
}

impl Stage {
    /// The results of a finished shard with the indices of their samples, in the samples' order.
    ///
    /// # Errors
    /// A shard that is not there, or cannot be read: the message says what to do.
    pub fn read_records<R: Record>(&self, form: R::Form, samples: &Samples, shard: usize) -> Result<Vec<(usize, R)>, EngineError> {
        let rows = self.readable(shard, |bytes| R::decode(form, bytes))?;
        self.indexed(samples, shard, rows)
    }

    /// As [`Stage::read_records`], of rows whose type is known.
    ///
    /// # Errors
    /// As [`Stage::read_records`].
    pub fn read<T: DeserializeOwned>(&self, samples: &Samples, shard: usize) -> Result<Vec<(usize, T)>, EngineError> {
        let rows = self.readable(shard, shard::decode)?;
        self.indexed(samples, shard, rows)
    }

    /// What a finished shard of `size` bytes left out.
    ///
    /// # Errors
    /// As [`Stage::read_records`].
    pub fn left_out(&self, shard: usize, size: u64) -> Result<Vec<Entry>, EngineError> {
        let key = self.shard_key(shard);
        let range = |range| self.store.get_range(&key, range).map_err(FileError::of("read", &self.store.place(&key)));
        let mut end = range(size.saturating_sub(END)..size)?;
        let metadata = || {
            let length = shard::metadata_length(&end)? as u64 + shard::TAIL as u64;
            if length > size { Err(AnyError::from("its metadata are longer than it is")) } else { Ok(length) }
        };
        let length = metadata().map_err(|source| self.set_aside(shard, source))?;
        if length > end.len() as u64 {
            end = range(size - length..size)?;
        }
        let metadata = &end[end.len() - length as usize..end.len() - shard::TAIL];
        shard::left_out(metadata).map_err(|source| self.set_aside(shard, source))
    }

    /// The hash of what is stored of a shard.
    ///
    /// # Errors
    /// A shard that is there and cannot be read.
    pub fn content(&self, shard: usize) -> Result<blake3::Hash, FileError> {
        let bytes = self.bytes(&self.shard_key(shard))?;
        Ok(blake3::hash(bytes.as_deref().unwrap_or(b"-")))
    }

    /// Makes a finished shard an unfinished one, of which all rows are known: what is missing in it is computed by the next run.
    ///
    /// # Errors
    /// A shard that cannot be moved.
    pub fn open_again(&self, shard: usize) -> Result<(), FileError> {
        self.move_object(&self.shard_key(shard), &self.again_key(shard))
    }

    /// The shards of which an interrupted run kept something.
    ///
    /// # Errors
    /// A place that cannot be listed.
    pub fn parts(&self) -> Result<BTreeSet<usize>, FileError> {
        let names = self.listed(&self.object(UNFINISHED))?;
        Ok(names.into_keys().filter_map(|name| shard_of(&name.replace(AGAIN, ""))).collect())
    }

    fn part_key(&self, shard: usize) -> String {
        self.object(&format!("{UNFINISHED}/{}", shard_name(shard)))
    }

    fn again_key(&self, shard: usize) -> String {
        self.part_key(shard).replace(".parquet", &format!("{AGAIN}.parquet"))
    }

    fn bytes(&self, key: &str) -> Result<Option<Bytes>, FileError> {
        self.store.get(key).map_err(FileError::of("read", &self.store.place(key)))
    }

    fn move_object(&self, from: &str, to: &str) -> Result<(), FileError> {
        let Some(bytes) = self.bytes(from)? else { return Ok(()) };
        let moved = self.store.replace(to, &bytes).and_then(|()| self.store.delete(from));
        moved.map_err(FileError::of("move", &self.store.place(from)))
    }

    fn readable<T>(&self, shard: usize, decode: impl FnOnce(&Bytes) -> Result<T, AnyError>) -> Result<T, EngineError> {
        let bytes = self.bytes(&self.shard_key(shard))?.ok_or_else(|| EngineError::MissingShard { stage: self.name.clone(), shard })?;
        decode(&bytes).map_err(|source| self.set_aside(shard, source))
    }

    /// Puts a damaged shard out of the way.
    fn set_aside(&self, shard: usize, source: AnyError) -> EngineError {
        let (key, aside) = (self.shard_key(shard), self.shard_key(shard).replace(".parquet", ".damaged"));
        match self.move_object(&key, &aside) {
            Ok(()) => EngineError::Damaged { file: self.store.place(&key), aside: self.store.place(&aside), source },
            Err(error) => error.into(),
        }
    }

    fn indexed<T>(&self, samples: &Samples, shard: usize, rows: Vec<Row<T>>) -> Result<Vec<(usize, T)>, EngineError> {
        let index = |row: Row<T>| {
            let found = samples.find(shard, &row.sample).map(|index| (index, row.value));
            found.ok_or_else(|| EngineError::UnknownSample { folder: self.store.place(&self.prefix()), sample: row.sample })
        };
        rows.into_iter().map(index).collect()
    }
}

/// Stores a shard of a stage, if no other process was first: what that stored is the same.
pub fn write_records<R: Record>(
    stage: &Stage,
    shard: usize,
    form: R::Form,
    rows: &[(&str, &R)],
    left_out: &[Entry],
) -> Result<Creation, EngineError> {
    let stored = || Ok(stage.store.create(&stage.shard_key(shard), &R::encode(form, rows, left_out)?)?);
    stored().map_err(stored_in(stage))
}

/// Keeps what is done of a shard.
pub fn write_part<R: Record>(stage: &Stage, shard: usize, form: R::Form, rows: &[(&str, &R)], left_out: &[Entry]) -> Result<(), EngineError> {
    let stored = || Ok(stage.store.replace(&stage.part_key(shard), &R::encode(form, rows, left_out)?)?);
    stored().map_err(stored_in(stage))
}

/// What an interrupted run kept of a shard: rows with the indices of their samples, and what was skipped.
#[expect(clippy::type_complexity, reason = "rows and errors")]
pub fn read_part<R: Record>(
    stage: &Stage,
    shard: usize,
    form: R::Form,
    samples: &Samples,
) -> Result<Option<(Vec<(usize, R)>, Vec<Entry>)>, EngineError> {
    for (key, again) in [(stage.part_key(shard), false), (stage.again_key(shard), true)] {
        let Some(bytes) = stage.bytes(&key)? else { continue };
        let read = || {
            let rows = R::decode(form, &bytes)?;
            let end = bytes.len() - shard::TAIL;
            let metadata = end.saturating_sub(shard::metadata_length(&bytes)?);
            Ok((rows, if again { Vec::new() } else { shard::left_out(&bytes[metadata..end])? }))
        };
        match read().map_err(|source: AnyError| FileError::of("read", &stage.store.place(&key))(source)) {
            Ok((rows, errors)) => return Ok(Some((stage.indexed(samples, shard, rows)?, errors))),
            Err(error) if ErrorKind::of(&error).may_pass() => return Err(error.into()),
            Err(error) => tracing::warn!("{}: what it held is made again", chain(&error)),
        }
    }
    Ok(None)
}

/// Removes what interrupted runs kept of a shard: it is stored as a whole now.
pub fn remove_part(stage: &Stage, shard: usize) -> Result<(), FileError> {
    for key in [stage.part_key(shard), stage.again_key(shard)] {
        stage.store.delete(&key).map_err(FileError::of("remove", &stage.store.place(&key)))?;
    }
    Ok(())
}

fn stored_in(stage: &Stage) -> impl Fn(AnyError) -> EngineError + '_ {
    |source| EngineError::Store { stage: stage.name.clone(), folder: stage.store.place(&stage.prefix()), source }
}

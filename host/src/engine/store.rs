//! What stages store: a shard's rows in a Parquet file, its left-out samples in a small JSON file beside it. Written whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use convert_formats::files;
use convert_sdk::ErrorKind;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_arrow::schema::{SchemaLike, TracingOptions};

pub use super::entry::Entry;
use super::error::EngineError;
use super::files::replace;
use super::samples::Samples;
use super::seal;
use super::stage::{Stage, rows_file};
use crate::errors::{AnyError, FileError, chain};

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
    /// A file that cannot be read or holds rows of another kind.
    fn read(form: Self::Form, folder: &Path, shard: usize) -> Result<Vec<Row<Self>>, AnyError>;

    /// Stores a shard whole or not at all: ids with their results, and what was skipped.
    ///
    /// # Errors
    /// A file that cannot be written, a result of another kind.
    fn write(form: Self::Form, folder: &Path, shard: usize, rows: &[(&str, &Self)], errors: &[Entry]) -> Result<(), AnyError>;
}

impl Stage {
    /// The results of a finished shard with the indices of their samples, in the samples' order.
    ///
    /// # Errors
    /// A shard that is not there, or cannot be read: the message says what to do.
    pub fn read_records<R: Record>(&self, form: R::Form, samples: &Samples, shard: usize) -> Result<Vec<(usize, R)>, EngineError> {
        let rows = self.readable(shard, || R::read(form, &self.folder, shard))?;
        self.indexed(samples, shard, rows)
    }

    /// As [`Stage::read_records`], of rows whose type is known.
    ///
    /// # Errors
    /// As [`Stage::read_records`].
    pub fn read<T: DeserializeOwned>(&self, samples: &Samples, shard: usize) -> Result<Vec<(usize, T)>, EngineError> {
        let rows = self.readable(shard, || read(&self.folder, shard))?;
        self.indexed(samples, shard, rows)
    }

    fn readable<T>(&self, shard: usize, read: impl FnOnce() -> Result<T, AnyError>) -> Result<T, EngineError> {
        if !self.has(shard) {
            return Err(EngineError::MissingShard { stage: self.name.clone(), shard });
        }
        read().map_err(|source| {
            let file = rows_file(&self.folder, shard);
            if ErrorKind::of(&*source).may_pass() {
                return FileError::of("read", &file)(source).into();
            }
            let aside = file.with_extension("damaged");
            match fs::rename(&file, &aside) {
                Ok(()) => EngineError::Damaged { file, aside, source },
                Err(error) => FileError::of("set aside the damaged", &file)(error).into(),
            }
        })
    }

    fn indexed<T>(&self, samples: &Samples, shard: usize, rows: Vec<Row<T>>) -> Result<Vec<(usize, T)>, EngineError> {
        let index = |row: Row<T>| {
            let found = samples.find(shard, &row.sample).map(|index| (index, row.value));
            found.ok_or(EngineError::UnknownSample { folder: self.folder.clone(), sample: row.sample })
        };
        rows.into_iter().map(index).collect()
    }
}

impl Stage {
    /// Whether a finished shard left samples out.
    ///
    /// # Errors
    /// A stored list of them that cannot be read.
    pub fn left_out(&self, shard: usize) -> Result<bool, EngineError> {
        Ok(!read_errors(self, shard)?.is_empty())
    }

    /// The hash of what is stored of a shard.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn content(&self, shard: usize) -> Result<blake3::Hash, FileError> {
        let mut hasher = blake3::Hasher::new();
        for file in [rows_file(&self.folder, shard), errors_file(&self.folder, shard)] {
            match files::read(&file, files::MAX_ARCHIVE) {
                Ok(bytes) => hasher.update(&bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => hasher.update(b"-"),
                Err(error) => return Err(FileError::of("read", &file)(error)),
            };
        }
        Ok(hasher.finalize())
    }

    /// Makes a finished shard an unfinished one, of which all rows are known: what is missing in it is computed by the next run.
    ///
    /// # Errors
    /// Files that cannot be moved.
    pub fn open_again(&self, shard: usize) -> Result<(), FileError> {
        let (rows, errors, parts) = (rows_file(&self.folder, shard), errors_file(&self.folder, shard), parts_folder(self));
        fs::create_dir_all(&parts).map_err(FileError::of("make", &parts))?;
        fs::rename(&rows, rows_file(&parts, shard)).map_err(FileError::of("move", &rows))?;
        match fs::remove_file(&errors) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::of("remove", &errors)(error)),
            _ => Ok(()),
        }
    }
}

/// Makes a stage's folder.
pub fn make_folder(stage: &Stage) -> Result<(), FileError> {
    fs::create_dir_all(&stage.folder).map_err(FileError::of("make", &stage.folder))
}

/// What a finished shard of a stage left out. Where that is damaged the shard is opened again: the samples without a row are worked on anew.
pub fn read_errors(stage: &Stage, shard: usize) -> Result<Vec<Entry>, EngineError> {
    errors_of(&stage.folder, shard).map_err(|source| {
        let file = errors_file(&stage.folder, shard);
        if ErrorKind::of(&*source).may_pass() {
            return FileError::of("read", &file)(source).into();
        }
        let aside = file.with_extension("damaged");
        let moved = fs::copy(&file, &aside).map_err(FileError::of("set aside the damaged", &file)).and_then(|_| stage.open_again(shard));
        match moved {
            Ok(()) => EngineError::Damaged { file, aside, source },
            Err(error) => error.into(),
        }
    })
}

/// Stores a shard of a stage; what an interrupted run kept of it is no longer needed.
pub fn write_records<R: Record>(stage: &Stage, shard: usize, form: R::Form, rows: &[(&str, &R)], errors: &[Entry]) -> Result<(), EngineError> {
    R::write(form, &stage.folder, shard, rows, errors).map_err(stored_in(stage))?;
    let parts = parts_folder(stage);
    for file in [rows_file(&parts, shard), errors_file(&parts, shard)] {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileError::of("remove", &file)(error).into()),
            _ => {}
        }
    }
    // Not before the last part is gone.
    let _ = fs::remove_dir(parts);
    Ok(())
}

/// Keeps what is done of a shard.
pub fn write_part<R: Record>(stage: &Stage, shard: usize, form: R::Form, rows: &[(&str, &R)], errors: &[Entry]) -> Result<(), EngineError> {
    let parts = parts_folder(stage);
    fs::create_dir_all(&parts).map_err(FileError::of("make", &parts))?;
    R::write(form, &parts, shard, rows, errors).map_err(stored_in(stage))
}

/// What an interrupted run kept of a shard: rows with the indices of their samples, and what was skipped.
#[expect(clippy::type_complexity, reason = "rows and errors")]
pub fn read_part<R: Record>(
    stage: &Stage,
    shard: usize,
    form: R::Form,
    samples: &Samples,
) -> Result<Option<(Vec<(usize, R)>, Vec<Entry>)>, EngineError> {
    let parts = parts_folder(stage);
    let file = rows_file(&parts, shard);
    if !file.is_file() {
        return Ok(None);
    }
    let read = || Ok((R::read(form, &parts, shard)?, errors_of(&parts, shard)?));
    match read().map_err(|source: AnyError| FileError::of("read", &file)(source)) {
        Ok((rows, errors)) => Ok(Some((stage.indexed(samples, shard, rows)?, errors))),
        Err(error) if ErrorKind::of(&error).may_pass() => Err(error.into()),
        Err(error) => {
            tracing::warn!("{}: what it held is made again", chain(&error));
            Ok(None)
        }
    }
}

fn stored_in(stage: &Stage) -> impl Fn(AnyError) -> EngineError + '_ {
    |source| EngineError::Store { stage: stage.name.clone(), folder: stage.folder.clone(), source }
}

/// The folder of what interrupted runs kept of shards.
fn parts_folder(stage: &Stage) -> PathBuf {
    stage.folder.join("unfinished")
}

/// The file of a shard's left-out samples; absent when there are none.
fn errors_file(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("shard-{shard:05}.errors.json"))
}

/// Writes a shard of rows of the form of `example`, which has one of everything; it is there, whole, once this returns.
pub fn write(folder: &Path, shard: usize, example: &impl Serialize, rows: &[impl Serialize], errors: &[Entry]) -> Result<(), AnyError> {
    let errors_path = errors_file(folder, shard);
    if errors.is_empty() {
        match fs::remove_file(&errors_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    } else {
        replace(&errors_path, |file| Ok(serde_json::to_writer(file, &LeftOut::of(errors)?)?))?;
    }
    let fields = Vec::<arrow_schema::FieldRef>::from_samples([example], TracingOptions::default())?;
    let batch = serde_arrow::to_record_batch(&fields, &rows)?;
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?)).set_key_value_metadata(Some(seal::metadata()));
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, Arc::clone(batch.schema_ref()), Some(properties.build()))?;
    writer.write(&batch)?;
    writer.close()?;
    seal::close(&mut bytes)?;
    replace(&rows_file(folder, shard), |mut file| Ok(file.write_all(&bytes)?))
}

/// Reads a shard's rows.
pub fn read<T: DeserializeOwned>(folder: &Path, shard: usize) -> Result<Vec<T>, AnyError> {
    let bytes = files::read(&rows_file(folder, shard), files::MAX_ARCHIVE)?;
    seal::check(&bytes)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes))?.build()?;
    let mut rows = Vec::new();
    for batch in reader {
        rows.extend(serde_arrow::from_record_batch::<Vec<T>>(&batch?)?);
    }
    Ok(rows)
}

/// A shard's left-out samples as they are stored. Earlier versions stored the list alone.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum LeftOut {
    Sealed { blake3: String, left_out: Vec<Entry> },
    List(Vec<Entry>),
}

impl LeftOut {
    fn of(entries: &[Entry]) -> Result<Self, AnyError> {
        Ok(Self::Sealed { blake3: seal::of_json(&entries)?, left_out: entries.to_vec() })
    }

    fn checked(self) -> Result<Vec<Entry>, AnyError> {
        match self {
            Self::Sealed { blake3, left_out } if seal::of_json(&left_out)? != blake3 => Err(seal::DAMAGED.into()),
            Self::Sealed { left_out, .. } | Self::List(left_out) => Ok(left_out),
        }
    }
}

/// Reads a shard's left-out samples.
fn errors_of(folder: &Path, shard: usize) -> Result<Vec<Entry>, AnyError> {
    match files::read(&errors_file(folder, shard), files::MAX_ARCHIVE) {
        Ok(bytes) => serde_json::from_slice::<LeftOut>(&bytes)?.checked(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Example {
        sample: String,
        masks: Vec<Inner>,
        scores: Vec<Vec<f32>>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        counts: String,
        score: f32,
    }

    #[test]
    fn nested_rows_come_back_as_they_were_and_nothing_temporary_stays() {
        let folder = tempfile::tempdir().unwrap();
        let rows = vec![
            Example { sample: "a".into(), masks: vec![Inner { counts: "0d0".into(), score: 0.5 }], scores: vec![vec![0.1, 0.9], vec![]] },
            Example { sample: "b".into(), masks: vec![], scores: vec![] },
        ];
        let errors = [Entry { id: "c".into(), stage: "s".into(), kind: "numeric".into(), reason: "r".into() }];
        write(folder.path(), 3, &rows[0], &rows, &errors).unwrap();
        assert_eq!(read::<Example>(folder.path(), 3).unwrap(), rows);
        assert_eq!(errors_of(folder.path(), 3).unwrap(), errors);
        write(folder.path(), 3, &rows[0], &[] as &[Example], &[]).unwrap();
        assert_eq!(read::<Example>(folder.path(), 3).unwrap(), []);
        assert_eq!(errors_of(folder.path(), 3).unwrap(), []);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

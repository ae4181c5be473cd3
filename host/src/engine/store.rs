//! What stages store: a shard's rows in a Parquet file, its left-out samples in a small JSON file beside it. Written whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_arrow::schema::{SchemaLike, TracingOptions};

use super::entry::Entry;
use super::error::EngineError;
use super::files::replace;
use super::samples::Samples;
use super::stage::{Stage, rows_file};
use crate::errors::{AnyError, FileError};

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

    /// Stores a shard whole or not at all: ids with their results, and what was left out.
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
        read().map_err(|source| EngineError::BrokenShard { file: rows_file(&self.folder, shard), source })
    }

    fn indexed<T>(&self, samples: &Samples, shard: usize, rows: Vec<Row<T>>) -> Result<Vec<(usize, T)>, EngineError> {
        let index = |row: Row<T>| {
            let found = samples.find(shard, &row.sample).map(|index| (index, row.value));
            found.ok_or(EngineError::UnknownSample { folder: self.folder.clone(), sample: row.sample })
        };
        rows.into_iter().map(index).collect()
    }
}

/// Makes a stage's folder.
pub fn make_folder(stage: &Stage) -> Result<(), FileError> {
    fs::create_dir_all(&stage.folder).map_err(FileError::of("make", &stage.folder))
}

/// What a finished shard of a stage left out.
pub fn read_errors(stage: &Stage, shard: usize) -> Result<Vec<Entry>, FileError> {
    errors_of(&stage.folder, shard).map_err(FileError::of("read the errors of", &stage.folder))
}

/// Stores a shard of a stage.
pub fn write_records<R: Record>(stage: &Stage, shard: usize, form: R::Form, rows: &[(&str, &R)], errors: &[Entry]) -> Result<(), EngineError> {
    R::write(form, &stage.folder, shard, rows, errors).map_err(|source| EngineError::Store {
        stage: stage.name.clone(),
        folder: stage.folder.clone(),
        source,
    })
}

/// The file of a shard's left-out samples; absent when there are none.
fn errors_file(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("shard-{shard:05}.errors.json"))
}

/// Writes a shard of rows of the form `T`; it is there, whole, once this returns.
pub fn write<T: DeserializeOwned>(folder: &Path, shard: usize, rows: &[impl Serialize], errors: &[Entry]) -> Result<(), AnyError> {
    let errors_path = errors_file(folder, shard);
    if errors.is_empty() {
        match fs::remove_file(&errors_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    } else {
        replace(&errors_path, |file| Ok(serde_json::to_writer(file, errors)?))?;
    }
    replace(&rows_file(folder, shard), |file| {
        let fields = Vec::<arrow_schema::FieldRef>::from_type::<T>(TracingOptions::default().allow_null_fields(true))?;
        let batch = serde_arrow::to_record_batch(&fields, &rows)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?)).build();
        let mut writer = ArrowWriter::try_new(file, Arc::clone(batch.schema_ref()), Some(properties))?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(())
    })
}

/// Reads a shard's rows.
pub fn read<T: DeserializeOwned>(folder: &Path, shard: usize) -> Result<Vec<T>, AnyError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(rows_file(folder, shard))?)?.build()?;
    let mut rows = Vec::new();
    for batch in reader {
        rows.extend(serde_arrow::from_record_batch::<Vec<T>>(&batch?)?);
    }
    Ok(rows)
}

/// Reads a shard's left-out samples.
fn errors_of(folder: &Path, shard: usize) -> Result<Vec<Entry>, AnyError> {
    match fs::read(errors_file(folder, shard)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
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
        let errors = [Entry { id: "c".into(), stage: "s".into(), reason: "r".into() }];
        write::<Example>(folder.path(), 3, &rows, &errors).unwrap();
        assert_eq!(read::<Example>(folder.path(), 3).unwrap(), rows);
        assert_eq!(errors_of(folder.path(), 3).unwrap(), errors);
        write::<Example>(folder.path(), 3, &[] as &[Example], &[]).unwrap();
        assert_eq!(read::<Example>(folder.path(), 3).unwrap(), []);
        assert_eq!(errors_of(folder.path(), 3).unwrap(), []);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

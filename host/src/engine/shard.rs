//! One shard of a stage: rows in a Parquet file, left-out samples in a small JSON file beside it. Written whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_arrow::schema::{SchemaLike, TracingOptions};

use super::ledger::Entry;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The file of a shard's rows.
pub fn rows_file(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("shard-{shard:05}.parquet"))
}

/// The file of a shard's left-out samples; absent when there are none.
fn errors_file(folder: &Path, shard: usize) -> PathBuf {
    folder.join(format!("shard-{shard:05}.errors.json"))
}

/// Writes a shard; it is there, whole, once this returns.
pub fn write<T: Serialize + DeserializeOwned>(folder: &Path, shard: usize, rows: &[T], errors: &[Entry]) -> Result<(), AnyError> {
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
pub fn read_errors(folder: &Path, shard: usize) -> Result<Vec<Entry>, AnyError> {
    match fs::read(errors_file(folder, shard)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Writes a file under a temporary name, syncs it, and renames it.
pub fn replace(path: &Path, write: impl FnOnce(&File) -> Result<(), AnyError>) -> Result<(), AnyError> {
    let temporary = temporary_name(path);
    let file = File::create(&temporary)?;
    write(&file)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        // The rename itself must survive a power cut.
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The name under which a file is written: distinct for each process, so that several may work in one folder.
pub fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.convert-tmp", std::process::id()));
    path.with_file_name(name)
}

/// Whether a file name is one of [`temporary_name`]'s.
pub fn is_temporary_name(name: &str) -> bool {
    name.ends_with(".convert-tmp")
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
        write(folder.path(), 3, &rows, &errors).unwrap();
        assert_eq!(read::<Example>(folder.path(), 3).unwrap(), rows);
        assert_eq!(read_errors(folder.path(), 3).unwrap(), errors);
        write::<Example>(folder.path(), 3, &[], &[]).unwrap();
        assert_eq!(read::<Example>(folder.path(), 3).unwrap(), []);
        assert_eq!(read_errors(folder.path(), 3).unwrap(), []);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

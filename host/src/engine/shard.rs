//! A shard as it is stored: one Parquet file, with its rows, in its metadata what was left out, and a checksum. One object, so that it is there as a whole or not at all.

use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{FooterTail, KeyValue, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_arrow::schema::{SchemaLike, TracingOptions};

use super::entry::Entry;
use super::seal;
use crate::errors::AnyError;

/// The metadata's key of what was left out.
const LEFT_OUT: &str = "convert.left_out";
/// The end of the file says how long the metadata are.
pub const TAIL: usize = 8;

/// What was left out, with a hash of its own: it is read without the rest of the file.
#[derive(Serialize, Deserialize)]
struct LeftOut {
    blake3: String,
    left_out: Vec<Entry>,
}

/// The bytes of a shard with rows of the form of `example`, which has one of everything.
///
/// # Errors
/// Rows of another form.
pub fn encode(example: &impl Serialize, rows: &[impl Serialize], left_out: &[Entry]) -> Result<Vec<u8>, AnyError> {
    let fields = Vec::<arrow_schema::FieldRef>::from_samples([example], TracingOptions::default())?;
    let batch = serde_arrow::to_record_batch(&fields, &rows)?;
    let left_out = serde_json::to_string(&LeftOut { blake3: seal::of_json(&left_out)?, left_out: left_out.to_vec() })?;
    // The checksum comes last: what stands behind it is found from the file's end.
    let metadata = std::iter::once(KeyValue::new(LEFT_OUT.to_owned(), left_out)).chain(seal::metadata()).collect();
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?)).set_key_value_metadata(Some(metadata));
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, Arc::clone(batch.schema_ref()), Some(properties.build()))?;
    writer.write(&batch)?;
    writer.close()?;
    seal::close(&mut bytes)?;
    Ok(bytes)
}

/// The rows of a shard.
///
/// # Errors
/// Bytes that are damaged, or rows of another form.
pub fn decode<T: DeserializeOwned>(bytes: &Bytes) -> Result<Vec<T>, AnyError> {
    seal::check(bytes)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone())?.build()?;
    let mut rows = Vec::new();
    for batch in reader {
        rows.extend(serde_arrow::from_record_batch::<Vec<T>>(&batch?)?);
    }
    Ok(rows)
}

/// How many bytes the metadata take whose end is `tail`, the last [`TAIL`] bytes of a shard or more, the tail not counted.
///
/// # Errors
/// Bytes that are not the end of a Parquet file.
pub fn metadata_length(tail: &[u8]) -> Result<usize, AnyError> {
    let tail = tail.last_chunk::<TAIL>().ok_or("it is shorter than any Parquet file")?;
    Ok(FooterTail::try_new(tail)?.metadata_length())
}

/// What a shard left out, of its metadata alone.
///
/// # Errors
/// Metadata that are damaged.
pub fn left_out(metadata: &[u8]) -> Result<Vec<Entry>, AnyError> {
    let metadata = ParquetMetaDataReader::decode_metadata(metadata)?;
    let mut pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let json = pairs.find(|pair| pair.key == LEFT_OUT).and_then(|pair| pair.value.as_deref()).ok_or(seal::DAMAGED)?;
    let LeftOut { blake3, left_out } = serde_json::from_str(json)?;
    if seal::of_json(&left_out)? == blake3 { Ok(left_out) } else { Err(seal::DAMAGED.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn rows() -> Vec<Example> {
        vec![
            Example { sample: "a".into(), masks: vec![Inner { counts: "0d0".into(), score: 0.5 }], scores: vec![vec![0.1, 0.9], vec![]] },
            Example { sample: "b".into(), masks: vec![], scores: vec![] },
        ]
    }

    fn left_out_of(bytes: &[u8]) -> Result<Vec<Entry>, AnyError> {
        let length = metadata_length(bytes)?;
        let end = bytes.len() - TAIL;
        left_out(bytes.get(end.checked_sub(length).ok_or("too long")?..end).ok_or("too short")?)
    }

    #[test]
    fn nested_rows_and_what_was_left_out_come_back_as_they_were() {
        let rows = rows();
        // An entry may hold what the checksum is found by.
        let entries = [Entry { id: "c".into(), stage: "s".into(), kind: "numeric".into(), reason: "convert.blake3".into() }];
        for (rows, entries) in [(&rows[..], &entries[..]), (&[], &[])] {
            let bytes = encode(&rows.first().unwrap_or(&self::rows()[0]), rows, entries).unwrap();
            assert_eq!(decode::<Example>(&bytes.clone().into()).unwrap(), rows);
            assert_eq!(left_out_of(&bytes).unwrap(), entries);
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed_wherever_it_is() {
        let entries = [Entry { id: "c".into(), stage: "s".into(), kind: "numeric".into(), reason: "r".into() }];
        let bytes = encode(&rows()[0], &rows(), &entries).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // In the checksum's own name a bit costs the guard, and no content.
            let read = decode::<Example>(&flipped.clone().into());
            assert!(read.is_err() || read.is_ok_and(|read| read == rows()), "bit {bit}");
            let read = left_out_of(&flipped);
            assert!(read.is_err() || read.is_ok_and(|read| read == entries), "bit {bit}");
        }
    }
}

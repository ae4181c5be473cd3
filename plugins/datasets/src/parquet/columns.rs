//! Columns of an arrow batch: found by name, read as text or bytes.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Fields};
use convert_sdk::{Error, Result};
use serde_json::Value;

use super::ParquetConfig;

/// What a file's columns are read as.
pub struct Chosen {
    /// The column of the image's bytes.
    pub image: String,
    /// Whether labels are integers.
    pub integer_labels: bool,
}

/// The columns that a config names, among those of a file.
///
/// # Errors
/// A column that is missing or of another type.
pub fn choose(fields: &Fields, config: &ParquetConfig, path: &Path) -> Result<Chosen> {
    let kind = |name: &str| {
        data_type(fields, name).ok_or_else(|| {
            let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            Error::config(format!("{} has no column {name:?}: its columns are {}", path.display(), names.join(", ")))
        })
    };
    for name in [Some(&config.label_column), config.id_column.as_ref()].into_iter().flatten() {
        if !is_text(kind(name)?) {
            return Err(Error::config(format!("the column {name:?} of {} is {}: it must hold integers or text", path.display(), kind(name)?)));
        }
    }
    let image = if is_bytes(kind(&config.image_column)?) { config.image_column.clone() } else { format!("{}.bytes", config.image_column) };
    if !data_type(fields, &image).is_some_and(is_bytes) {
        return Err(Error::config(format!(
            "the column {:?} of {} is {}: it must be a struct with binary `bytes`, or binary itself",
            config.image_column,
            path.display(),
            kind(&config.image_column)?
        )));
    }
    Ok(Chosen { image, integer_labels: kind(&config.label_column)?.is_integer() })
}

/// `info.features.LABEL.names` of the metadata that Hugging Face writes under `huggingface`.
pub fn class_names(metadata: &str, label: &str) -> Option<Vec<String>> {
    let json: Value = serde_json::from_str(metadata).ok()?;
    let names = json.get("info")?.get("features")?.get(label)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// The type of a column; `image.path` is the field `path` of the column `image`.
pub fn data_type<'a>(fields: &'a Fields, name: &str) -> Option<&'a DataType> {
    if let Some((_, field)) = fields.find(name) {
        return Some(field.data_type());
    }
    let (outer, inner) = name.split_once('.')?;
    match fields.find(outer)?.1.data_type() {
        DataType::Struct(fields) => data_type(fields, inner),
        _ => None,
    }
}

/// The column of that name in a batch.
pub fn column(batch: &RecordBatch, name: &str) -> Option<ArrayRef> {
    fn inside(array: &StructArray, name: &str) -> Option<ArrayRef> {
        if let Some(column) = array.column_by_name(name) {
            return Some(column.clone());
        }
        let (outer, inner) = name.split_once('.')?;
        inside(array.column_by_name(outer)?.as_struct_opt()?, inner)
    }
    inside(&StructArray::from(batch.clone()), name)
}

/// Whether [`text`] reads columns of this type.
fn is_text(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether [`bytes`] reads columns of this type.
fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// A text, or an integer written out; nothing where it is null.
pub fn text(array: &dyn Array, at: usize) -> Option<String> {
    if array.is_null(at) {
        return None;
    }
    match array.data_type() {
        DataType::Int8 => Some(array.as_primitive::<Int8Type>().value(at).to_string()),
        DataType::Int16 => Some(array.as_primitive::<Int16Type>().value(at).to_string()),
        DataType::Int32 => Some(array.as_primitive::<Int32Type>().value(at).to_string()),
        DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(at).to_string()),
        DataType::UInt8 => Some(array.as_primitive::<UInt8Type>().value(at).to_string()),
        DataType::UInt16 => Some(array.as_primitive::<UInt16Type>().value(at).to_string()),
        DataType::UInt32 => Some(array.as_primitive::<UInt32Type>().value(at).to_string()),
        DataType::UInt64 => Some(array.as_primitive::<UInt64Type>().value(at).to_string()),
        DataType::Utf8 => Some(array.as_string::<i32>().value(at).to_owned()),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(at).to_owned()),
        DataType::Utf8View => Some(array.as_string_view().value(at).to_owned()),
        _ => None,
    }
}

/// Bytes; nothing where they are null.
pub fn bytes(array: &dyn Array, at: usize) -> Option<&[u8]> {
    if array.is_null(at) {
        return None;
    }
    match array.data_type() {
        DataType::Binary => Some(array.as_binary::<i32>().value(at)),
        DataType::LargeBinary => Some(array.as_binary::<i64>().value(at)),
        DataType::BinaryView => Some(array.as_binary_view().value(at)),
        _ => None,
    }
}

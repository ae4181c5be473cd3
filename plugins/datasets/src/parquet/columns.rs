//! Columns of an arrow batch: found by name, read as text or bytes.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Fields};

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
pub fn is_text(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether [`bytes`] reads columns of this type.
pub fn is_bytes(data_type: &DataType) -> bool {
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

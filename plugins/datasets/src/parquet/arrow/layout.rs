//! Which buffers of a batch are a column's: a batch lists those of all its columns, of each the parents' before the children's.

use std::ops::Range;

use arrow_schema::{DataType, Field, Fields};
use convert_sdk::{Error, Result};

/// A column of a batch.
#[derive(Debug)]
pub struct Column {
    pub data_type: DataType,
    /// The buffers that say what is null: of the structs around it, and its own.
    pub validities: Vec<usize>,
    /// Its own buffers, of which the first is the one that says what is null.
    pub buffers: Range<usize>,
}

/// Where the column of that name stands; `image.path` is the field `path` of the column `image`.
///
/// # Errors
/// No such column, and one behind a type whose number of buffers differs from batch to batch.
pub fn find(fields: &Fields, name: &str) -> Result<Column> {
    search(fields, name, 0, &[])
}

fn search(fields: &Fields, name: &str, mut first: usize, around: &[usize]) -> Result<Column> {
    for field in fields {
        let count = count(field)?;
        let validities = || around.iter().copied().chain([first]).collect::<Vec<_>>();
        if field.name() == name {
            return Ok(Column { data_type: field.data_type().clone(), validities: validities(), buffers: first..first + count });
        }
        if let (DataType::Struct(inner), Some(rest)) = (field.data_type(), name.strip_prefix(field.name()).and_then(|rest| rest.strip_prefix('.'))) {
            return search(inner, rest, first + 1, &validities());
        }
        first += count;
    }
    Err(Error::config(format!("there is no column {name:?}")))
}

/// How many buffers a column has.
fn count(field: &Field) -> Result<usize> {
    let of_all = |fields: &mut dyn Iterator<Item = &Field>| fields.map(count).sum::<Result<usize>>();
    Ok(match field.data_type() {
        DataType::Null => 0,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => 3,
        DataType::List(inner) | DataType::LargeList(inner) | DataType::Map(inner, _) => 2 + count(inner)?,
        DataType::FixedSizeList(inner, _) => 1 + count(inner)?,
        DataType::Struct(fields) => 1 + of_all(&mut fields.iter().map(|field| &**field))?,
        DataType::Utf8View
        | DataType::BinaryView
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..) => {
            let (name, kind) = (field.name(), field.data_type());
            return Err(Error::config(format!("the column {name:?} is {kind}, behind which nothing can be found: take it out, or write Parquet")));
        }
        // Numbers, times, truth values, bytes of a fixed number; a dictionary's column holds indices.
        _ => 2,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn buffers_are_counted_through_nested_columns() {
        let field = |name: &str, kind: DataType| Field::new(name, kind, true);
        let image = DataType::Struct(Fields::from(vec![field("bytes", DataType::Binary), field("path", DataType::Utf8)]));
        let boxes = DataType::List(Arc::new(field("item", DataType::FixedSizeList(Arc::new(field("item", DataType::Float32)), 4))));
        let fields = Fields::from(vec![
            field("nothing", DataType::Null),
            field("boxes", boxes), // 2 + 1 + 2
            field("image", image),
            field("label", DataType::Int64),
            field("text", DataType::Utf8View),
            field("behind", DataType::Int64),
        ]);
        let found = |name: &str| find(&fields, name).map(|column| (column.validities, column.buffers));
        assert_eq!(found("image.bytes").unwrap(), (vec![5, 6], 6..9));
        assert_eq!(found("image.path").unwrap(), (vec![5, 9], 9..12));
        assert_eq!(found("label").unwrap(), (vec![12], 12..14));
        assert!(found("behind").unwrap_err().to_string().contains("the column \"text\" is Utf8View"));
        assert!(found("image.size").unwrap_err().to_string().contains("no column \"size\""));
    }
}

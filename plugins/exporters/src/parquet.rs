//! Parquet, for pandas, DuckDB and Hugging Face's `datasets`.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{FieldRef, Schema};
use convert_sdk::{Context, Error, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, ResultExt, config};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_arrow::schema::{SchemaLike, TracingOptions};

use crate::rows::Row;

/// Labels and regions as one Parquet file, one row an image, with the columns of `jsonl`.
///
/// The class names stand in the schema's metadata: as a JSON list under `classes`, and under `huggingface`, so that `datasets` reads `label` as a `ClassLabel`.
#[config(default)]
#[derive(Clone, Debug)]
pub struct ParquetConfig {
    /// Images a row group: what a reader takes into memory at once. Default 1024.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub row_group: usize,
}

impl Default for ParquetConfig {
    fn default() -> Self {
        Self { row_group: 1024 }
    }
}

/// See [`ParquetConfig`].
pub struct Parquet {
    config: ParquetConfig,
    context: Context,
}

/// A file that was begun. Holds the rows of one row group.
struct Writer {
    row_group: usize,
    schema: Arc<Schema>,
    rows: Vec<Row>,
    names: Vec<String>,
    writer: Option<ArrowWriter<File>>,
}

/// The columns' types.
fn fields() -> Result<Vec<FieldRef>> {
    // The small forms of lists and texts, which every reader knows.
    let options = TracingOptions::default().sequence_as_large_list(false).strings_as_large_utf8(false);
    let fields = Vec::<FieldRef>::from_type::<Row>(options)?;
    // `datasets` takes its own features only for columns that may be null.
    Ok(fields.into_iter().map(|field| if field.name() == "label" { Arc::new(field.as_ref().clone().with_nullable(true)) } else { field }).collect())
}

fn metadata(classes: &[String]) -> Result<HashMap<String, String>> {
    let label = serde_json::json!({ "info": { "features": { "label": { "names": classes, "_type": "ClassLabel" } } } });
    Ok([("classes".into(), serde_json::to_string(classes)?), ("huggingface".into(), label.to_string())].into())
}

impl Writer {
    fn flush(&mut self) -> Result<()> {
        let fields: Vec<FieldRef> = self.schema.fields().iter().cloned().collect();
        let batch = serde_arrow::to_record_batch(&fields, &self.rows)?;
        self.rows.clear();
        let writer = self.writer.as_mut().ok_or_else(|| Error::invalid("the file is finished already"))?;
        let batch = batch.with_schema(Arc::clone(&self.schema))?;
        writer.write(&batch)?;
        writer.flush()?;
        Ok(())
    }
}

impl Plugin for Parquet {
    type Config = ParquetConfig;

    fn new(config: ParquetConfig, context: Context) -> Result<Self> {
        if config.row_group == 0 {
            return Err(Error::config("row_group must be at least 1"));
        }
        Ok(Self { config, context })
    }
}

impl Exporter for Parquet {
    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let schema = Arc::new(Schema::new_with_metadata(fields()?, metadata(self.context.classes())?));
        let file = File::create(output).context(|| format!("cannot create {}", output.display()))?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?)).build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
        Ok(Box::new(Writer {
            row_group: self.config.row_group,
            schema,
            rows: Vec::new(),
            names: self.context.classes().to_vec(),
            writer: Some(writer),
        }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        self.rows.push(Row::of(sample, &self.names));
        if self.rows.len() < self.row_group { Ok(()) } else { self.flush() }
    }

    fn finish(&mut self) -> Result<()> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        if let Some(writer) = self.writer.take() {
            writer.close()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coco::tests::{run, sample};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    #[test]
    fn rows_come_back_in_order_from_row_groups_of_the_wanted_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.parquet");
        let mut exporter = Parquet::new(ParquetConfig { row_group: 2 }, Context::for_tests(&["a", "b"])).unwrap().begin(run(), &path).unwrap();
        for number in 0..5 {
            exporter.write(&sample(&format!("{number}.jpg"), 1, &[(1, 1.0)], &[([0, 0, number + 1, 2], &[(1, 0.5), (0, 0.25)])])).unwrap();
        }
        exporter.finish().unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 3);
        assert_eq!(reader.schema().metadata()["classes"], r#"["a","b"]"#);
        let rows: Vec<Row> = reader.build().unwrap().flat_map(|batch| serde_arrow::from_record_batch::<Vec<Row>>(&batch.unwrap()).unwrap()).collect();
        assert_eq!(
            rows.iter().map(|row| (row.id.as_str(), row.regions[0].area)).collect::<Vec<_>>(),
            [("0.jpg", 2), ("1.jpg", 4), ("2.jpg", 6), ("3.jpg", 8), ("4.jpg", 10)]
        );
        assert_eq!((rows[4].regions[0].classes.as_slice(), rows[4].regions[0].probabilities.as_slice()), (&[1, 0][..], &[0.5, 0.25][..]));
    }

    #[test]
    fn no_images_make_a_file_that_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.parquet");
        Parquet::new(ParquetConfig::default(), Context::for_tests(&["a"])).unwrap().begin(run(), &path).unwrap().finish().unwrap();
        assert_eq!(ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap().metadata().file_metadata().num_rows(), 0);
    }
}

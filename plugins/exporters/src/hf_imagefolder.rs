//! Hugging Face's `imagefolder`: images and `metadata.jsonl` in a zip archive.

use std::path::Path;

use convert_sdk::{Context, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, Serialize, config, serde};

use crate::pictures::{Picture, number_name};
use crate::rows::Row;
use crate::zip_file::ZipFile;

/// Images with their labels as a zip archive that Hugging Face's `datasets` reads: `load_dataset("imagefolder", data_files="labels.zip")`.
///
/// `metadata.jsonl` has a line an image: `file_name`, `id`, `label` and `label_name` (the single label), `labels`, `label_names` and `probabilities` (the final labels).
/// Images are the dataset's own files. The lines stay in memory until the end, a few hundred bytes an image. With regions: `parquet`.
#[config(default)]
#[derive(Clone, Debug, Default)]
pub struct HfImagefolderConfig {}

/// See [`HfImagefolderConfig`].
pub struct HfImagefolder {
    context: Context,
}

/// A file that was begun.
struct Writer {
    archive: ZipFile,
    metadata: Vec<u8>,
    names: Vec<String>,
    count: u64,
}

#[derive(Serialize)]
#[serde(crate = "serde")]
struct Line<'a> {
    file_name: &'a str,
    id: &'a str,
    label: i64,
    label_name: &'a str,
    labels: &'a [i64],
    label_names: &'a [String],
    probabilities: &'a [f32],
}

impl Plugin for HfImagefolder {
    type Config = HfImagefolderConfig;

    fn new(_: HfImagefolderConfig, context: Context) -> Result<Self> {
        Ok(Self { context })
    }
}

impl Exporter for HfImagefolder {
    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        Ok(Box::new(Writer { archive: ZipFile::create(output)?, metadata: Vec::new(), names: self.context.classes().to_vec(), count: 0 }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let picture = Picture::of(sample)?;
        let file_name = format!("{}.{}", number_name(self.count), picture.extension);
        self.count += 1;
        self.archive.add(&file_name, &picture.bytes)?;
        let row = Row::of(sample, &self.names);
        let line = Line {
            file_name: &file_name,
            id: &row.id,
            label: row.label,
            label_name: &row.label_name,
            labels: &row.classes,
            label_names: &row.class_names,
            probabilities: &row.probabilities,
        };
        serde_json::to_writer(&mut self.metadata, &line)?;
        self.metadata.push(b'\n');
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.archive.add("metadata.jsonl", &self.metadata)?;
        self.archive.finish()
    }
}

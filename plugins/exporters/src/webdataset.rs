//! WebDataset: images and labels in a tar archive.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_sdk::{Context, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, ResultExt, config};

use crate::pictures::{Picture, number_name};
use crate::rows::Row;

/// Images with their labels as one WebDataset archive (tar): for each image `NUMBER.jpg` (or `.png`, `.webp`, …: the dataset's own file), `NUMBER.cls` (the single label) and
/// `NUMBER.json` (the row of `jsonl`, with the image's `id`, its labels and its regions).
///
/// One archive, however large: `webdataset.ShardWriter` cuts it into shards.
#[config(default)]
#[derive(Clone, Debug, Default)]
pub struct WebDatasetConfig {}

/// See [`WebDatasetConfig`].
pub struct WebDataset {
    context: Context,
}

/// A file that was begun.
struct Writer {
    archive: tar::Builder<BufWriter<File>>,
    names: Vec<String>,
    count: u64,
}

impl Plugin for WebDataset {
    type Config = WebDatasetConfig;

    fn new(_: WebDatasetConfig, context: Context) -> Result<Self> {
        Ok(Self { context })
    }
}

impl Exporter for WebDataset {
    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let file = File::create(output).context(|| format!("cannot create {}", output.display()))?;
        Ok(Box::new(Writer { archive: tar::Builder::new(BufWriter::new(file)), names: self.context.classes().to_vec(), count: 0 }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let (name, picture) = (number_name(self.count), Picture::of(sample)?);
        self.count += 1;
        self.add(&format!("{name}.{}", picture.extension), &picture.bytes)?;
        self.add(&format!("{name}.cls"), sample.label.to_string().as_bytes())?;
        self.add(&format!("{name}.json"), &serde_json::to_vec(&Row::of(sample, &self.names))?)
    }

    fn finish(&mut self) -> Result<()> {
        self.archive.finish()?;
        Ok(self.archive.get_mut().flush()?)
    }
}

impl Writer {
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        Ok(self.archive.append_data(&mut header, name, bytes)?)
    }
}

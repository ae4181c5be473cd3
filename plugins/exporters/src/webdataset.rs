//! WebDataset: images and labels in a tar archive.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_sdk::{Context, Deserialize, ExportRun, Exporter, JsonSchema, LabelledSample, Result, ResultExt, schemars, serde};

use crate::pictures::{Picture, number_name};
use crate::rows::Row;

/// Images with their labels as one WebDataset archive (tar): for each image `NUMBER.jpg` (or `.png`, `.webp`, …: the dataset's own file), `NUMBER.cls` (the single label) and
/// `NUMBER.json` (the row of `jsonl`, with the image's `id`, its labels and its regions).
///
/// One archive, however large: `webdataset.ShardWriter` cuts it into shards.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "serde", deny_unknown_fields, default)]
#[schemars(crate = "schemars")]
pub struct WebDatasetConfig {}

/// See [`WebDatasetConfig`].
pub struct WebDataset {
    archive: tar::Builder<BufWriter<File>>,
    names: Vec<String>,
    count: u64,
}

impl Exporter for WebDataset {
    type Config = WebDatasetConfig;

    fn new(_config: Self::Config, _run: ExportRun, output: &Path, context: Context) -> Result<Self> {
        let file = File::create(output).context(|| format!("cannot create {}", output.display()))?;
        Ok(Self { archive: tar::Builder::new(BufWriter::new(file)), names: context.classes().to_vec(), count: 0 })
    }

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

impl WebDataset {
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        Ok(self.archive.append_data(&mut header, name, bytes)?)
    }
}

//! COCO JSON with one annotation a mask (SPEC 8), written as a stream.

mod records;

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use convert_sdk::{Context, Deserialize, Error, ExportRun, Exporter, JsonSchema, LabelledSample, Result, ResultExt, schemars, serde};

use records::{Annotation, Category, ImageRecord, Info};

/// Masks, classes and scores as COCO JSON, an annotation a mask.
///
/// A category's id is its class index + 1. Besides COCO's own keys, images carry `category_id` (their single label) and `labels` (the
/// final labels: `category_id`, `probability`), annotations `score` (probability of the mask's most probable class), `top5`, `source` (the
/// proposal configuration), `proposal_score` and `selected` (whether the labeler was trained on the mask).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "serde", deny_unknown_fields, default)]
#[schemars(crate = "schemars")]
pub struct CocoConfig {
    /// Masks whose most probable class has a lower probability than this are left out; their images stay. 0 to 1, default 0.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_score: f32,
}

/// See [`CocoConfig`]. Holds nothing that grows with the dataset: images go to the output as they come, annotations to an unnamed file in
/// the same folder, which is appended at the end.
#[derive(Debug)]
pub struct Coco {
    min_score: f32,
    output: BufWriter<File>,
    annotations: BufWriter<File>,
    image_count: u64,
    annotation_count: u64,
}

impl CocoConfig {
    fn validated(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.min_score) {
            return Ok(());
        }
        Err(Error::config(format!("min_score is {}: give a probability from 0 to 1", self.min_score)))
    }
}

/// Writes a value as one line, after a comma unless it is the first.
pub(crate) fn write_item(file: &mut BufWriter<File>, count: &mut u64, item: &impl serde::Serialize) -> Result<()> {
    file.write_all(if *count == 0 { b"\n" } else { b",\n" })?;
    serde_json::to_writer(file, item)?;
    *count += 1;
    Ok(())
}

impl Exporter for Coco {
    type Config = CocoConfig;

    fn check(config: &Self::Config, _context: &Context) -> Result<()> {
        config.validated()
    }

    fn new(config: Self::Config, run: ExportRun, output: &Path, context: Context) -> Result<Self> {
        config.validated()?;
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let scratch = || tempfile::tempfile_in(folder);
        let annotations = scratch().context(|| format!("cannot create a temporary file in {}", folder.display()))?;
        let file = File::create(output).context(|| format!("cannot create {}", output.display()))?;
        let mut file = BufWriter::new(file);
        file.write_all(b"{\"info\":")?;
        serde_json::to_writer(&mut file, &Info::of(&run))?;
        file.write_all(b",\n\"licenses\":[],\n\"categories\":[")?;
        let mut categories = 0;
        for (class, name) in (0..).zip(context.classes()) {
            write_item(&mut file, &mut categories, &Category::of(class, name))?;
        }
        file.write_all(b"\n],\n\"images\":[")?;
        Ok(Self { min_score: config.min_score, output: file, annotations: BufWriter::new(annotations), image_count: 0, annotation_count: 0 })
    }

    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let image_id = self.image_count + 1;
        write_item(&mut self.output, &mut self.image_count, &ImageRecord::of(image_id, sample))?;
        for region in &sample.regions {
            let id = self.annotation_count + 1;
            let annotation = Annotation::of(id, image_id, region).context(|| format!("image {:?}", sample.id))?;
            if annotation.score >= self.min_score {
                write_item(&mut self.annotations, &mut self.annotation_count, &annotation)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.output.write_all(b"\n],\n\"annotations\":[")?;
        self.annotations.flush()?;
        let scratch = self.annotations.get_mut();
        scratch.seek(SeekFrom::Start(0))?;
        std::io::copy(scratch, &mut self.output)?;
        self.output.write_all(b"\n]}\n")?;
        self.output.flush()?;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;

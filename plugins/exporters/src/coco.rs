//! COCO JSON with one annotation a mask (method 8), written as a stream.

mod records;

use std::path::Path;

use convert_sdk::{Context, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, ResultExt, config};

use crate::coco_file::CocoFile;
use records::{Annotation, Category, CategoryIds, ImageRecord, Info};

/// Masks, classes and scores as COCO JSON, an annotation a mask.
///
/// Images and categories of a `coco` dataset keep their ids; else they count from 1 in the order of samples and classes. Besides COCO's own keys, images carry `category_id` (their single label) and `labels` (the
/// final labels: `category_id`, `probability`), annotations `score` (probability of the mask's most probable class), `top5`, `source` (the
/// proposal configuration), `proposal_score` and `selected` (whether the labeler was trained on the mask).
#[config(default)]
#[derive(Clone, Debug, Default)]
pub struct CocoConfig {
    /// Masks whose most probable class has a lower probability than this are left out; their images stay. 0 to 1, default 0.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_score: f32,
}

/// See [`CocoConfig`].
#[derive(Debug)]
pub struct Coco {
    config: CocoConfig,
    context: Context,
}

/// A file that was begun.
#[derive(Debug)]
struct Writer {
    min_score: f32,
    category_ids: CategoryIds,
    file: CocoFile,
}

impl CocoConfig {
    fn validated(&self) -> Result<()> {
        crate::check_probability("min_score", self.min_score)
    }
}

impl Plugin for Coco {
    type Config = CocoConfig;

    fn new(config: CocoConfig, context: Context) -> Result<Self> {
        config.validated()?;
        Ok(Self { config, context })
    }
}

impl Exporter for Coco {
    fn begin(&self, run: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let category_ids = CategoryIds::of(&run);
        let categories = (0..).zip(self.context.classes()).map(|(class, name)| Category::of(category_ids.get(class), name));
        let file = CocoFile::create(output, &Info::of(&run), categories)?;
        Ok(Box::new(Writer { min_score: self.config.min_score, category_ids, file }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let image_id = self.file.image_id(sample);
        self.file.add_image(&ImageRecord::of(image_id, sample, &self.category_ids))?;
        for region in &sample.regions {
            let id = self.file.next_annotation();
            let annotation = Annotation::of(id, image_id, region, &self.category_ids).context(|| format!("image {:?}", sample.id))?;
            if annotation.score >= self.min_score {
                self.file.add_annotation(&annotation)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.file.finish()
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! Masks in the form of CutLER's pseudo-mask files (method 8), written as a stream.

use std::path::Path;

use convert_sdk::tracing::info;
use convert_sdk::{Context, Error, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, Serialize, config, serde};

use crate::coco_file::{CocoFile, Segmentation};

/// Masks without classes as CutLER's pseudo-mask files have them, to train a detector on: one category `fg`, ids from 1 without gaps, compressed run lengths.
///
/// Width and height stand the right way round, which CutLER's own files swap. With `min_confidence` unsure masks are left out (paper F.4, Table 13), and the
/// share that was kept is logged.
#[config(default)]
#[derive(Clone, Debug, Default)]
pub struct CutlerCocoConfig {
    /// Masks whose most probable class has a lower probability than this are left out; their images stay. 0 to 1, default 0; the paper uses 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_confidence: f32,
    /// Whether annotations carry that probability as `score`, a key that CutLER's files do not have.
    pub scores: bool,
}

impl CutlerCocoConfig {
    fn validated(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.min_confidence) {
            return Ok(());
        }
        Err(Error::config(format!("min_confidence is {}: give a probability from 0 to 1", self.min_confidence)))
    }
}

/// See [`CutlerCocoConfig`].
#[derive(Debug)]
pub struct CutlerCoco {
    config: CutlerCocoConfig,
}

/// A file that was begun.
#[derive(Debug)]
struct Writer {
    config: CutlerCocoConfig,
    file: CocoFile,
    kept: u64,
    all: u64,
}

#[derive(Serialize)]
#[serde(crate = "serde")]
struct Category {
    id: u8,
    name: &'static str,
    supercategory: &'static str,
}

#[derive(Serialize)]
#[serde(crate = "serde")]
struct ImageRecord<'a> {
    id: u64,
    file_name: &'a str,
    width: u32,
    height: u32,
}

#[derive(Serialize)]
#[serde(crate = "serde")]
struct Annotation {
    id: u64,
    image_id: u64,
    category_id: u8,
    iscrowd: u8,
    area: u32,
    bbox: [u32; 4],
    segmentation: Segmentation,
    width: u32,
    height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f32>,
}

impl Plugin for CutlerCoco {
    type Config = CutlerCocoConfig;

    fn new(config: CutlerCocoConfig, _: Context) -> Result<Self> {
        config.validated()?;
        Ok(Self { config })
    }
}

impl Exporter for CutlerCoco {
    fn begin(&self, run: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let info = serde_json::json!({ "description": format!("masks of {}", run.name), "version": format!("convert {}", run.version) });
        let category = Category { id: 1, name: "fg", supercategory: "fg" };
        Ok(Box::new(Writer { config: self.config.clone(), file: CocoFile::create(output, &info, [category])?, kept: 0, all: 0 }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let image_id = self.file.image_id(sample);
        let (file_name, width, height) = (sample.id.as_str(), sample.width, sample.height);
        self.file.add_image(&ImageRecord { id: image_id, file_name, width, height })?;
        for region in &sample.regions {
            let (Some(top), Some(bounds)) = (region.top.first(), region.mask.bounding_box()) else {
                return Err(Error::invalid(format!("image {:?}: a region of source {:?} has an empty mask or no class", sample.id, region.source)));
            };
            self.all += 1;
            let confidence = top.probability.get();
            if confidence < self.config.min_confidence {
                continue;
            }
            let annotation = Annotation {
                id: self.file.next_annotation(),
                image_id,
                category_id: 1,
                iscrowd: 0,
                area: region.mask.area(),
                bbox: [bounds.x, bounds.y, bounds.width, bounds.height],
                segmentation: Segmentation::from(&region.mask),
                width,
                height,
                score: self.config.scores.then_some(confidence),
            };
            self.file.add_annotation(&annotation)?;
            self.kept += 1;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.file.finish()?;
        let share = if self.all == 0 { 100.0 } else { self.kept as f64 * 100.0 / self.all as f64 };
        info!("kept {} of {} masks ({share:.1} %) at a confidence of at least {}", self.kept, self.all, self.config.min_confidence);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coco::tests::{run, sample};
    use serde_json::{Value, json};

    fn export(config: CutlerCocoConfig, samples: &[LabelledSample<'_>]) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("masks.json");
        let mut exporter = CutlerCoco::new(config, Context::for_tests(&["a", "b"])).unwrap().begin(run(), &path).unwrap();
        samples.iter().for_each(|sample| exporter.write(sample).unwrap());
        exporter.finish().unwrap();
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
    }

    #[test]
    fn the_keys_are_cutlers_and_unsure_masks_are_left_out() {
        let samples = [
            sample("n01/a.JPEG", 1, &[], &[([1, 1, 3, 2], &[(0, 0.25)]), ([0, 0, 8, 6], &[(1, 0.5), (0, 0.25)])]),
            sample("n02/b.JPEG", 0, &[], &[]),
            sample("n02/c.JPEG", 0, &[], &[([0, 0, 1, 1], &[(1, 0.75)])]),
        ];
        let annotation = |id: u64, image: u64, area: u32, bbox: [u32; 4], counts: &str| {
            json!({"id": id, "image_id": image, "category_id": 1, "iscrowd": 0, "area": area, "bbox": bbox,
                   "segmentation": {"size": [6, 8], "counts": counts}, "width": 8, "height": 6})
        };
        let expected = json!({
            "info": {"description": "masks of a \"test\"", "version": "convert 0.0.0"},
            "licenses": [],
            "categories": [{"id": 1, "name": "fg", "supercategory": "fg"}],
            "images": [
                {"id": 1, "file_name": "n01/a.JPEG", "width": 8, "height": 6},
                {"id": 2, "file_name": "n02/b.JPEG", "width": 8, "height": 6},
                {"id": 3, "file_name": "n02/c.JPEG", "width": 8, "height": 6}
            ],
            "annotations": [annotation(1, 1, 48, [0, 0, 8, 6], "0`1"), annotation(2, 3, 1, [0, 0, 1, 1], "01_1")]
        });
        assert_eq!(export(CutlerCocoConfig { min_confidence: 0.5, scores: false }, &samples), expected);
        let all = export(CutlerCocoConfig { min_confidence: 0.0, scores: true }, &samples);
        let scores: Vec<&Value> = all["annotations"].as_array().unwrap().iter().map(|annotation| &annotation["score"]).collect();
        assert_eq!(scores, [0.25, 0.5, 0.75]);
    }

    #[test]
    fn a_confidence_outside_0_to_1_is_refused() {
        let config = CutlerCocoConfig { min_confidence: 1.5, scores: false };
        let error = CutlerCoco::new(config, Context::for_tests(&[])).map(drop).unwrap_err();
        assert_eq!(error.to_string(), "min_confidence is 1.5: give a probability from 0 to 1");
    }
}

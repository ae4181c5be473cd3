//! The labeler `region-results`: what an earlier run, or the authors, said of each mask.

use std::path::Path;
use std::sync::OnceLock;

use convert_sdk::tracing::info;
use convert_sdk::{
    Context, Error, ErrorKind, LabelModel, Labeler, Plugin, Prediction, PredictionInput, Region, Result, ResultExt, TrainingReport, TrainingSet,
    config,
};

use crate::proposer::ANNOTATION;
use crate::results::RegionResults;

/// Takes the classes of masks from a file instead of a network: the authors' region results, or an export of `region-results` (method 8).
///
/// The file is the `checkpoint` of `label:`, as `.pt` or as JSON, `{mask id: {"prob": [5], "label": [5]}}`; nothing is trained. The proposals must come from
/// `coco-masks`, whose annotation ids are the mask ids: `{ plugin: coco-masks, config: { file: masks.json } }` with `label: { plugin: region-results, checkpoint:
/// regions.json }`. A mask has only the classes that the file names, and of the whole image nothing is known: `aggregate: { global: pred }` adds nothing.
#[config(default)]
#[derive(Clone, Debug, Default)]
pub struct StoredResultsConfig {}

/// See [`StoredResultsConfig`].
#[derive(Debug)]
pub struct StoredResults {
    classes: usize,
}

#[derive(Debug)]
struct Model {
    results: RegionResults,
    classes: usize,
    /// The configuration whose masks the results are of: that of the first mask.
    source: OnceLock<String>,
}

impl Plugin for StoredResults {
    type Config = StoredResultsConfig;

    fn new(_config: Self::Config, context: Context) -> Result<Self> {
        Ok(Self { classes: context.classes().len() })
    }
}

impl Labeler for StoredResults {
    fn train(&self, _set: &dyn TrainingSet, _folder: &Path) -> Result<TrainingReport> {
        let message = "region-results cannot be trained: name the file of results as `checkpoint` of `label:`, and a selector without `maps: own`";
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>> {
        let results = RegionResults::read(checkpoint)?;
        if let Some((class, mask)) = results.highest_class().filter(|(class, _)| *class as usize >= self.classes) {
            let (file, classes) = (checkpoint.display(), self.classes);
            return Err(Error::invalid(format!(
                "{file}: the mask {mask} has the class {class}, but the dataset has only {classes} classes: is it the file of another class list?"
            )));
        }
        info!("{}: classes of {} masks", checkpoint.display(), results.len());
        Ok(Box::new(Model { results, classes: self.classes, source: OnceLock::new() }))
    }
}

impl LabelModel for Model {
    fn predict(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        let prediction = |input: &PredictionInput<'_>| {
            let masks = input.regions.iter().map(|region| self.region(region)).collect::<Result<_>>();
            Ok(Prediction { global: vec![0.0; self.classes], masks: masks.context(|| format!("sample {}", input.id))? })
        };
        batch.iter().map(prediction).collect()
    }
}

impl Model {
    fn region(&self, region: &Region) -> Result<Vec<f32>> {
        let measure = region.measures.iter().find(|measure| measure.name == ANNOTATION);
        let id = measure.ok_or_else(|| {
            let source = &region.source;
            Error::config(format!("the masks of {source:?} have no annotation id: region-results needs the proposals of coco-masks"))
        })?;
        let source = self.source.get_or_init(|| region.source.clone());
        if *source != region.source {
            return Err(Error::config(format!(
                "the masks of {source:?} and {:?} number their annotations alike: region-results serves one configuration of proposals",
                region.source
            )));
        }
        let mut probabilities = vec![0.0; self.classes];
        for score in self.results.of(id.value as u64)? {
            probabilities[score.class as usize] = score.probability.get(); // below the number of classes: `load` checked
        }
        Ok(probabilities)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::{Image, Mask, Measure};

    fn load(classes: &[&str], text: &str) -> Result<Box<dyn LabelModel>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        StoredResults::new(StoredResultsConfig {}, Context::for_tests(classes)).unwrap().load(file.path())
    }

    fn predict(model: &dyn LabelModel, ids: &[Option<f64>]) -> Result<Prediction> {
        let region = |id: &Option<f64>| Region {
            mask: Mask::full(4, 4).unwrap(),
            source: "cut".into(),
            score: 1.0,
            measures: id.iter().map(|value| Measure { name: ANNOTATION.into(), value: *value }).collect(),
        };
        let regions: Vec<Region> = ids.iter().map(region).collect();
        let image = Image::new(4, 4, vec![0; 48]).unwrap();
        Ok(model.predict(&[PredictionInput { id: "x.jpg", image, regions: &regions }])?.remove(0))
    }

    const RESULTS: &str = r#" {"4": {"prob": [0.75, 0.125], "label": [2, 0]}, "7": {"prob": [1.0], "label": [1]}}"#;

    #[test]
    fn a_mask_has_the_classes_of_its_id() {
        let model = load(&["a", "b", "c"], RESULTS).unwrap();
        let prediction = predict(model.as_ref(), &[Some(7.0), Some(4.0)]).unwrap();
        assert_eq!(prediction, Prediction { global: vec![0.0; 3], masks: vec![vec![0.0, 1.0, 0.0], vec![0.125, 0.0, 0.75]] });
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = load(&["a", "b"], RESULTS).err().unwrap().to_string();
        assert!(error.contains("the mask 4 has the class 2, but the dataset has only 2 classes"), "{error}");
        let model = load(&["a", "b", "c"], RESULTS).unwrap();
        let error = predict(model.as_ref(), &[Some(5.0)]).unwrap_err().to_string();
        assert_eq!(error, "sample x.jpg: the region results have no mask 5: are they those of these masks?");
        let error = predict(model.as_ref(), &[None]).unwrap_err().to_string();
        assert!(error.contains("needs the proposals of coco-masks"), "{error}");
        let regions = ["cut", "other"].map(|source| Region {
            mask: Mask::full(4, 4).unwrap(),
            source: source.into(),
            score: 1.0,
            measures: vec![Measure { name: ANNOTATION.into(), value: 4.0 }],
        });
        let image = Image::new(4, 4, vec![0; 48]).unwrap();
        let error = model.predict(&[PredictionInput { id: "x.jpg", image, regions: &regions }]).unwrap_err().to_string();
        assert!(error.contains("serves one configuration of proposals"), "{error}");
    }

    /// `tests/data/make_region_results.py` wrote the file with PyTorch.
    #[test]
    fn the_authors_form_is_read() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/region_results.pt");
        let model = StoredResults::new(StoredResultsConfig {}, Context::for_tests(&["x"; 9])).unwrap().load(&file).unwrap();
        let prediction = predict(model.as_ref(), &[Some(1.0), Some(12.0)]).unwrap();
        assert_eq!(prediction.masks[0], [0.0, 0.0625, 0.0, 0.5, 0.0, 0.25, 0.125, 0.03125, 0.0]);
        assert_eq!(prediction.masks[1], [0.75, 0.125, 0.0625, 0.0, 0.0, 0.0, 0.0, 0.03125, 0.015625]);
    }
}

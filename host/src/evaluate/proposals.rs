//! Proposals against true objects: recall, CorLoc, mean best IoU (method 7).
//!
//! The truth is held in memory, about 100 bytes an object and its mask's run lengths; the predictions are read as a stream.

mod coco;
mod imagenet_s;
mod samples;

use std::collections::HashMap;
use std::path::Path;

use convert_formats::coco::MaskMemory;
use convert_formats::label_sets::NameIndex;
use convert_sdk::{BoundingBox, Error, Mask, Result, ResultExt};
use serde::Serialize;

use coco::Annotation;

pub use samples::TrueObjects;

/// The IoU from which on an object counts as found.
const FOUND: f64 = 0.5;

/// All figures of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProposalScores {
    /// Images with true objects.
    pub images: u64,
    /// Those of them without any prediction.
    pub images_without_predictions: u64,
    /// True objects, without crowds.
    pub objects: u64,
    /// True objects that are crowds (`iscrowd`) and left out.
    pub crowds: u64,
    /// Predictions on images with true objects.
    pub predictions: u64,
    /// Predictions on other images, left out.
    pub predictions_elsewhere: u64,
    /// Predictions whose mask had another size than the image and was fitted to it.
    pub fitted: u64,
    /// By the IoU of boxes.
    pub boxes: Scores,
    /// By the IoU of masks, where both files have masks.
    pub masks: Option<Scores>,
}

/// The figures by one kind of IoU.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Share of true objects that some prediction covers with IoU ≥ 0.5.
    pub recall: f64,
    /// The mean of that share over the IoUs 0.5, 0.55, …, 0.95.
    pub average_recall: f64,
    /// The mean over true objects of the best IoU of any prediction.
    pub mean_best_iou: f64,
    /// CorLoc: share of images whose first prediction has an IoU > 0.5 with some true object.
    pub corloc_first: f64,
    /// The same for the prediction of the highest score; the first of equals, or of those without scores.
    pub corloc_best: f64,
}

/// Compares a COCO file, or a list of results in COCO's form, with a COCO file or a folder of ImageNet-S's annotations. Images are matched by `file_name`, or by its last part where that is
/// unique; those of a list of results by id.
///
/// # Errors
/// A file that cannot be read, and what in it makes no sense.
pub fn score_proposals(predictions: &Path, truth: &Path) -> Result<ProposalScores> {
    let mut truth = Truth::open(truth)?;
    let mut images: HashMap<u64, Option<usize>> = HashMap::new();
    coco::images(predictions, |image| {
        images.insert(image.id, truth.find(&image.file_name));
        Ok(())
    })?;
    let mut counts = Counts::default();
    coco::annotations(predictions, |annotation| {
        let place =
            if images.is_empty() { truth.ids.get(&annotation.image_id).copied() } else { images.get(&annotation.image_id).copied().flatten() };
        match place.filter(|place| !truth.images[*place].objects.is_empty()) {
            Some(place) => counts.add(&mut truth.images[place], &annotation).context(|| format!("a prediction on image {}", annotation.image_id)),
            None => {
                counts.elsewhere += 1;
                Ok(())
            }
        }
    })?;
    Ok(truth.scores(&counts))
}

/// The true objects, by image.
#[derive(Default)]
struct Truth {
    images: Vec<TrueImage>,
    ids: HashMap<u64, usize>,
    names: HashMap<String, usize>,
    /// By the last part of the name; `None` where several images share it.
    last_parts: HashMap<String, Option<usize>>,
    /// By the name without folder and extension, where annotations are files of their own.
    stems: NameIndex,
}

struct TrueImage {
    size: (u32, u32),
    objects: Vec<TrueObject>,
    /// Objects that are left out, since they are crowds.
    crowds: u64,
    /// The best IoUs of the first prediction.
    first: Option<Overlap>,
    /// The highest score and the best IoUs of its prediction.
    best: Option<(f64, Overlap)>,
}

impl TrueImage {
    fn of(size: (u32, u32), objects: Vec<TrueObject>) -> Self {
        Self { size, objects, crowds: 0, first: None, best: None }
    }

    /// Forgets what predictions met.
    fn forget(&mut self) {
        (self.first, self.best) = (None, None);
        self.objects.iter_mut().for_each(|object| object.best = Overlap::default());
    }
}

struct TrueObject {
    /// x, y, width, height.
    bounds: [f64; 4],
    mask: Option<Mask>,
    best: Overlap,
}

impl TrueObject {
    /// With the box of its pixels.
    fn of_mask(mask: Mask) -> Self {
        Self { bounds: mask.bounding_box().map_or([0.0; 4], around), mask: Some(mask), best: Overlap::default() }
    }
}

/// IoUs by box and by mask.
#[derive(Clone, Copy, Default)]
struct Overlap {
    boxes: f64,
    masks: f64,
}

impl Overlap {
    fn raise(&mut self, other: Self) {
        *self = Self { boxes: self.boxes.max(other.boxes), masks: self.masks.max(other.masks) };
    }
}

#[derive(Default)]
struct Counts {
    predictions: u64,
    elsewhere: u64,
    fitted: u64,
    masks: u64,
}

impl Truth {
    /// Reads a COCO file or a folder of ImageNet-S's annotations.
    fn open(path: &Path) -> Result<Self> {
        if path.is_dir() { imagenet_s::truth(path) } else { Self::read(path) }
    }

    fn read(path: &Path) -> Result<Self> {
        let mut truth = Self::default();
        coco::images(path, |image| {
            let place = truth.images.len();
            truth.images.push(TrueImage::of((image.width, image.height), Vec::new()));
            truth.ids.insert(image.id, place);
            truth.last_parts.entry(last_part(&image.file_name).to_owned()).and_modify(|known| *known = None).or_insert(Some(place));
            truth.names.insert(image.file_name, place);
            Ok(())
        })?;
        let mut memory = MaskMemory::of_file(path)?;
        coco::annotations(path, |annotation| {
            let place = truth.ids.get(&annotation.image_id).copied();
            let place = place.ok_or_else(|| Error::invalid(format!("an object lies on image {}, which is not listed", annotation.image_id)))?;
            let image = &mut truth.images[place];
            if annotation.iscrowd != 0 {
                image.crowds += 1;
                return Ok(());
            }
            let (bounds, mask) = shape(&annotation, image.size).context(|| format!("an object on image {}", annotation.image_id))?;
            memory.take(mask.as_ref().map_or(0, |mask| size_of_val(mask.runs())))?;
            image.objects.push(TrueObject { bounds, mask, best: Overlap::default() });
            Ok(())
        })?;
        if truth.images.iter().all(|image| image.objects.is_empty()) {
            return Err(Error::invalid(format!("{} has no objects to compare with", path.display())));
        }
        Ok(truth)
    }

    fn find(&self, name: &str) -> Option<usize> {
        let last = || self.last_parts.get(last_part(name)).copied().flatten();
        self.names.get(name).copied().or_else(last).or_else(|| self.stems.find(name))
    }

    fn scores(&self, counts: &Counts) -> ProposalScores {
        let images: Vec<&TrueImage> = self.images.iter().filter(|image| !image.objects.is_empty()).collect();
        let objects: Vec<&TrueObject> = images.iter().flat_map(|image| &image.objects).collect();
        let has_masks = counts.masks > 0 && objects.iter().any(|object| object.mask.is_some());
        ProposalScores {
            images: images.len() as u64,
            images_without_predictions: images.iter().filter(|image| image.first.is_none()).count() as u64,
            objects: objects.len() as u64,
            crowds: self.images.iter().map(|image| image.crowds).sum(),
            predictions: counts.predictions,
            predictions_elsewhere: counts.elsewhere,
            fitted: counts.fitted,
            boxes: scores(&images, &objects, |overlap| overlap.boxes),
            masks: has_masks.then(|| scores(&images, &objects, |overlap| overlap.masks)),
        }
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn scores(images: &[&TrueImage], objects: &[&TrueObject], iou: impl Fn(Overlap) -> f64) -> Scores {
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let recall = |threshold: f64| share(objects.iter().filter(|object| iou(object.best) >= threshold).count(), objects.len());
    let corloc = |overlap: &dyn Fn(&TrueImage) -> Option<Overlap>| {
        share(images.iter().filter(|image| overlap(image).is_some_and(|overlap| iou(overlap) > FOUND)).count(), images.len())
    };
    Scores {
        recall: recall(FOUND),
        average_recall: (50..100).step_by(5).map(|percent| recall(f64::from(percent) / 100.0)).sum::<f64>() / 10.0,
        mean_best_iou: objects.iter().map(|object| iou(object.best)).sum::<f64>() / objects.len() as f64,
        corloc_first: corloc(&|image| image.first),
        corloc_best: corloc(&|image| image.best.map(|(_, overlap)| overlap)),
    }
}

impl Counts {
    /// Enters a prediction of a file.
    fn add(&mut self, image: &mut TrueImage, annotation: &Annotation) -> Result<()> {
        let (bounds, mut mask) = shape(annotation, image.size)?;
        if let Some(other) = mask.take_if(|mask| (mask.width(), mask.height()) != image.size) {
            self.fitted += 1;
            mask = Some(other.fit_to(image.size.0, image.size.1)?);
        }
        let score = annotation.proposal_score.or(annotation.score).unwrap_or(f64::NEG_INFINITY);
        self.enter(image, bounds, mask.as_ref(), score)
    }

    /// Enters a prediction whose mask has the image's size.
    fn enter(&mut self, image: &mut TrueImage, bounds: [f64; 4], mask: Option<&Mask>, score: f64) -> Result<()> {
        self.predictions += 1;
        self.masks += u64::from(mask.is_some());
        let mut overlap = Overlap::default();
        for object in &mut image.objects {
            let boxes = box_iou(bounds, object.bounds);
            let masks = match (mask, &object.mask) {
                (Some(mask), Some(truth)) => mask.iou(truth)?,
                _ => 0.0,
            };
            object.best.raise(Overlap { boxes, masks });
            overlap.raise(Overlap { boxes, masks });
        }
        image.first.get_or_insert(overlap);
        if image.best.is_none_or(|(best, _)| score > best) {
            image.best = Some((score, overlap));
        }
        Ok(())
    }
}

/// x, y, width and height.
fn around(bounds: BoundingBox) -> [f64; 4] {
    [bounds.x, bounds.y, bounds.width, bounds.height].map(f64::from)
}

/// An annotation's box, x, y, width and height, and its mask. Without a box it is the mask's.
fn shape(annotation: &Annotation, size: (u32, u32)) -> Result<([f64; 4], Option<Mask>)> {
    let mask = annotation.segmentation.as_ref().map(|segmentation| segmentation.mask(size)).transpose()?;
    let bounds = match (annotation.bbox, &mask) {
        (Some(bounds), _) => bounds,
        (None, Some(mask)) => mask.bounding_box().map_or([0.0; 4], around),
        (None, None) => return Err(Error::invalid("neither `bbox` nor `segmentation` is given")),
    };
    if !bounds.iter().all(|number| number.is_finite()) || bounds[2] < 0.0 || bounds[3] < 0.0 {
        return Err(Error::invalid(format!("the box {bounds:?} is none: x, y, width and height are needed")));
    }
    Ok((bounds, mask))
}

/// Intersection over union of boxes as areas, as pycocotools has it; 0 of two empty ones.
fn box_iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let overlap = |axis: usize| ((a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]) - a[axis].max(b[axis])).max(0.0);
    let intersection = overlap(0) * overlap(1);
    let union = a[2] * a[3] + b[2] * b[3] - intersection;
    if union > 0.0 { intersection / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use tempfile::TempDir;

    const TRUTH: &str = r#"{"images": [{"id": 1, "file_name": "a/x.jpg", "width": 10, "height": 10}, {"id": 2, "file_name": "y.jpg", "width": 4, "height": 4}],
        "annotations": [{"image_id": 1, "bbox": [0, 0, 4, 4]}, {"image_id": 1, "bbox": [5, 5, 5, 5], "segmentation": [[5, 5, 10, 5, 10, 10, 5, 10]]},
        {"image_id": 2, "bbox": [0, 0, 1, 1], "iscrowd": 1}]}"#;

    fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn compare(predictions: &str, truth: &str) -> Result<ProposalScores> {
        let folder = tempfile::tempdir().unwrap();
        score_proposals(&write(&folder, "predictions.json", predictions), &write(&folder, "truth.json", truth))
    }

    #[test]
    fn the_first_the_best_scored_and_any_prediction_are_told_apart() {
        let predictions = r#"{"annotations": [{"image_id": 7, "bbox": [8, 0, 2, 2], "score": 0.1}, {"image_id": 7, "bbox": [0, 0, 4, 3], "score": 0.9},
            {"image_id": 7, "segmentation": {"size": [20, 20], "counts": [400]}, "bbox": [5, 5, 5, 2.5], "score": 0.2}],
            "images": [{"id": 7, "file_name": "b/x.jpg", "width": 10, "height": 10}]}"#;
        let scores = compare(predictions, TRUTH).unwrap();
        assert_eq!((scores.images, scores.objects, scores.crowds, scores.predictions, scores.fitted), (1, 2, 1, 3, 1));
        assert_eq!((scores.boxes.recall, scores.boxes.mean_best_iou), (1.0, 0.625));
        assert_eq!((scores.boxes.corloc_first, scores.boxes.corloc_best), (0.0, 1.0));
        assert!((scores.boxes.average_recall - 0.35).abs() < 1e-12, "0.5 is found at one threshold, 0.75 at six");
        assert_eq!(scores.masks.unwrap().recall, 0.0);
    }

    #[test]
    fn a_list_of_results_is_matched_by_id_and_other_images_are_left_out() {
        let scores = compare(r#"[{"image_id": 2, "bbox": [0, 0, 4, 4]}, {"image_id": 9, "bbox": [0, 0, 4, 4]}]"#, TRUTH).unwrap();
        assert_eq!((scores.predictions, scores.predictions_elsewhere, scores.images_without_predictions), (0, 2, 1));
        assert_eq!((scores.boxes.recall, scores.masks), (0.0, None));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (predictions, truth, expected) in [
            ("[]", "{}", "has no objects to compare with"),
            ("[{}]", TRUTH, "missing field `image_id`"),
            (r#"[{"image_id": 1}]"#, TRUTH, "a prediction on image 1: neither `bbox` nor `segmentation` is given"),
            (r#"[{"image_id": 1, "bbox": [0, 0, -1, 2]}]"#, TRUTH, "[0.0, 0.0, -1.0, 2.0] is none"),
            (r#"[{"image_id": 1, "segmentation": [[1, 2, 3]]}]"#, TRUTH, "a polygon of 3 numbers"),
            ("[]", r#"{"annotations": [{"image_id": 3, "bbox": [0, 0, 1, 1]}]}"#, "image 3, which is not listed"),
            ("nonsense", TRUTH, "is not a COCO file"),
        ] {
            let error = compare(predictions, truth).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

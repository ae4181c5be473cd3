//! The true objects of a run's samples, with which several sets of regions are compared one after the other.

use std::collections::HashMap;
use std::path::Path;

use convert_sdk::{Error, Mask, Region, Result};

use super::{Counts, ProposalScores, TrueImage, TrueObject, Truth, around};

/// The true objects of a run's samples, and what the regions met of them that were entered last.
pub struct TrueObjects {
    /// Of these samples only, each image at most once.
    truth: Truth,
    /// By sample, the image of `truth`; `None` where no true object is known.
    places: Vec<Option<usize>>,
    counts: Counts,
}

impl TrueObjects {
    /// Those of a COCO file or of a folder of ImageNet-S's annotations, for samples with these ids. Objects on other images are left out.
    ///
    /// # Errors
    /// A file that cannot be read; one that knows none of the samples, or takes two of them for one.
    pub fn read(path: &Path, ids: &[&str]) -> Result<Self> {
        let mut whole = Truth::open(path)?;
        let mut owners: HashMap<usize, &str> = HashMap::new();
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let image = whole.find(id);
            if let Some(other) = image.and_then(|image| owners.insert(image, id)) {
                let file = path.display();
                return Err(Error::invalid(format!("{file} has one image for both {other} and {id}: name images by the samples' ids in it")));
            }
            found.push(image);
        }
        let mut images: Vec<Option<TrueImage>> = whole.images.drain(..).map(Some).collect();
        let of_samples = found.into_iter().map(|image| images.get_mut(image?)?.take());
        Self::of_images(of_samples).ok_or_else(|| {
            let (file, id) = (path.display(), ids.first().copied().unwrap_or_default());
            Error::invalid(format!(
                "{file} has no object on the samples that are compared, such as {id}: it is searched for their ids, or the last parts of them"
            ))
        })
    }

    /// Those whose visible parts are known, by sample. Of an image the masks have one size, that of the first. `None` where no mask is known.
    ///
    /// # Errors
    /// A mask that cannot be brought to that size.
    pub fn of_masks(samples: impl Iterator<Item = Vec<Mask>>) -> Result<Option<Self>> {
        let image = |masks: Vec<Mask>| {
            let Some((width, height)) = masks.first().map(|mask| (mask.width(), mask.height())) else { return Ok(None) };
            let objects = masks.into_iter().map(|mask| Ok(TrueObject::of_mask(mask.fit_to(width, height)?))).collect::<Result<Vec<_>>>()?;
            Ok(Some(TrueImage::of((width, height), objects)))
        };
        let images = samples.map(image).collect::<Result<Vec<_>>>()?;
        Ok(Self::of_images(images.into_iter()))
    }

    fn of_images(samples: impl Iterator<Item = Option<TrueImage>>) -> Option<Self> {
        let (mut truth, mut places) = (Truth::default(), Vec::new());
        for image in samples {
            let image = image.filter(|image| !image.objects.is_empty());
            places.push(image.is_some().then_some(truth.images.len()));
            truth.images.extend(image);
        }
        (!truth.images.is_empty()).then(|| Self { truth, places, counts: Counts::default() })
    }

    /// Forgets the regions that were entered.
    pub fn begin(&mut self) {
        self.counts = Counts::default();
        self.truth.images.iter_mut().for_each(TrueImage::forget);
    }

    /// Enters the regions of a sample, in their order. A mask of another size than the truth's image is fitted to it.
    ///
    /// # Errors
    /// A mask that cannot be fitted.
    pub fn enter(&mut self, sample: usize, regions: &[Region]) -> Result<()> {
        let Some(image) = self.places.get(sample).copied().flatten().map(|place| &mut self.truth.images[place]) else {
            self.counts.elsewhere += regions.len() as u64;
            return Ok(());
        };
        for region in regions {
            let fitted = ((region.mask.width(), region.mask.height()) != image.size).then(|| region.mask.fit_to(image.size.0, image.size.1));
            let fitted = fitted.transpose()?;
            self.counts.fitted += u64::from(fitted.is_some());
            let mask = fitted.as_ref().unwrap_or(&region.mask);
            let bounds = mask.bounding_box().map_or([0.0; 4], around);
            self.counts.enter(image, bounds, Some(mask), f64::from(region.score))?;
        }
        Ok(())
    }

    /// The figures of the regions that were entered.
    pub fn scores(&self) -> ProposalScores {
        self.truth.scores(&self.counts)
    }

    /// The boxes of a sample's true objects, in shares of the image: left, top, width, height.
    pub fn boxes(&self, sample: usize) -> Vec<[f64; 4]> {
        let Some(image) = self.places.get(sample).copied().flatten().map(|place| &self.truth.images[place]) else { return Vec::new() };
        let (width, height) = (f64::from(image.size.0), f64::from(image.size.1));
        image.objects.iter().map(|object| object.bounds).map(|[x, y, w, h]| [x / width, y / height, w / width, h / height]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::BoundingBox;

    fn boxed(x: u32, y: u32, width: u32, height: u32) -> Mask {
        Mask::from_box(10, 10, BoundingBox { x, y, width, height }).unwrap()
    }

    fn region(mask: Mask, score: f32) -> Region {
        Region { mask, source: "x".into(), score, measures: Vec::new() }
    }

    #[test]
    fn each_set_of_regions_is_compared_by_itself() {
        let samples = [vec![boxed(0, 0, 4, 4)], Vec::new(), vec![boxed(5, 5, 5, 5), boxed(0, 0, 2, 2)]];
        let mut truth = TrueObjects::of_masks(samples.into_iter()).unwrap().unwrap();
        truth.enter(0, &[region(boxed(8, 8, 2, 2), 0.1), region(boxed(0, 0, 4, 3), 0.9)]).unwrap();
        truth.enter(1, &[region(boxed(8, 8, 2, 2), 0.1)]).unwrap();
        // Of twice the size.
        truth.enter(2, &[region(Mask::from_box(20, 20, BoundingBox { x: 10, y: 10, width: 10, height: 10 }).unwrap(), 0.5)]).unwrap();
        let scores = truth.scores();
        assert_eq!((scores.images, scores.objects, scores.predictions, scores.predictions_elsewhere, scores.fitted), (2, 3, 3, 1, 1));
        assert_eq!((scores.boxes.corloc_first, scores.boxes.corloc_best), (0.5, 1.0));
        assert!((scores.boxes.recall - 2.0 / 3.0).abs() < 1e-12);
        truth.begin();
        truth.enter(2, &[region(boxed(0, 0, 2, 2), 0.5)]).unwrap();
        let scores = truth.scores();
        assert_eq!((scores.predictions, scores.images_without_predictions, scores.boxes.corloc_first), (1, 1, 0.5));
        assert_eq!(truth.boxes(2)[0], [0.5, 0.5, 0.5, 0.5]);
        assert!(truth.boxes(1).is_empty() && TrueObjects::of_masks([Vec::new()].into_iter()).unwrap().is_none());
    }

    #[test]
    fn of_a_file_the_objects_on_other_images_do_not_count_and_images_are_not_shared() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("truth.json");
        let text = r#"{"images": [{"id": 1, "file_name": "x.jpg", "width": 10, "height": 10}, {"id": 2, "file_name": "y.jpg", "width": 10, "height": 10}],
            "annotations": [{"image_id": 1, "bbox": [0, 0, 4, 4]}, {"image_id": 2, "bbox": [0, 0, 1, 1]}, {"image_id": 2, "bbox": [0, 0, 9, 9], "iscrowd": 1}]}"#;
        std::fs::write(&file, text).unwrap();
        let mut truth = TrueObjects::read(&file, &["a/w.jpg", "a/x.jpg"]).unwrap();
        truth.enter(1, &[region(boxed(0, 0, 4, 4), 0.5)]).unwrap();
        let scores = truth.scores();
        assert_eq!((scores.objects, scores.crowds, scores.boxes.recall), (1, 0, 1.0));
        let error = |ids: &[&str]| TrueObjects::read(&file, ids).err().unwrap().to_string();
        assert!(error(&["a/w.jpg"]).contains("such as a/w.jpg"));
        assert!(error(&["a/x.jpg", "b/x.jpg"]).contains("both a/x.jpg and b/x.jpg"));
    }
}

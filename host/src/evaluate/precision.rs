//! Precision, recall and mean average precision of image-level labels.

use std::collections::BTreeSet;

use convert_sdk::{Error, Evaluation, LabelVector, Mask, Probability, ScoreRow};

use super::added::Added;
use super::average_precision::average_precision;

/// An object is found when a region covers it with at least this intersection over union (method 7).
const FOUND_IOU: f64 = 0.5;

/// Compares labels with a truth, image by image.
pub struct Scorer {
    classes: usize,
    threshold: f32,
    images: u64,
    objects: u64,
    objects_found: u64,
    single: Sums,
    ours: Sums,
    added: Added,
}

#[derive(Default)]
struct Sums {
    true_positives: u64,
    predicted: u64,
    actual: u64,
    /// The same without the original label.
    added: [u64; 3],
    precision: Vec<f64>,
    precision_multi: Vec<f64>,
}

impl Scorer {
    /// A scorer for labels of so many classes; precision and recall are taken above `threshold`.
    pub fn new(classes: usize, threshold: f32) -> Self {
        Self { classes, threshold, images: 0, objects: 0, objects_found: 0, single: Sums::default(), ours: Sums::default(), added: Added::default() }
    }

    /// Adds an image: its single label, its labels, and the classes that it really shows.
    pub fn add(&mut self, label: u32, labels: &LabelVector, truth: impl Iterator<Item = u32>) {
        let truth: BTreeSet<u32> = truth.collect();
        let mut single = LabelVector::default();
        single.raise(label, Probability::ONE);
        self.images += 1;
        self.single.add(self.classes, self.threshold, label, &single, &truth);
        self.ours.add(self.classes, self.threshold, label, labels, &truth);
        let others = labels.entries().iter().filter(|entry| entry.class != label);
        let positives = truth.iter().filter(|class| **class != label).count();
        self.added.add(others.map(|entry| (entry.probability.get(), truth.contains(&entry.class))), positives);
    }

    /// Adds an image's true masks and its regions.
    ///
    /// # Errors
    /// Masks of different sizes.
    pub fn add_masks(&mut self, truth: &[Mask], regions: &[Mask]) -> Result<(), Error> {
        for object in truth {
            let mut found = false;
            for region in regions {
                found |= object.iou(region)? >= FOUND_IOU;
            }
            self.objects += 1;
            self.objects_found += u64::from(found);
        }
        Ok(())
    }

    /// The comparison; `None` when no image had a truth.
    pub fn evaluation(&self) -> Option<Evaluation> {
        let rows = vec![self.single.row("single label"), self.ours.row("convert")];
        let region_recall = (self.objects > 0).then(|| self.objects_found as f64 / self.objects as f64);
        (self.images > 0).then_some(Evaluation { images: self.images, threshold: self.threshold, rows, region_recall, added: self.added.scores() })
    }
}

impl Sums {
    fn add(&mut self, classes: usize, threshold: f32, label: u32, labels: &LabelVector, truth: &BTreeSet<u32>) {
        let predicted: BTreeSet<u32> = labels.above(threshold).collect();
        let others = |set: &mut dyn Iterator<Item = &u32>| set.filter(|class| **class != label).count() as u64;
        self.added[0] += others(&mut predicted.intersection(truth));
        self.added[1] += others(&mut predicted.iter());
        self.added[2] += others(&mut truth.iter());
        self.true_positives += predicted.intersection(truth).count() as u64;
        self.predicted += predicted.len() as u64;
        self.actual += truth.len() as u64;
        let (mut scores, mut positive) = (vec![0.0; classes], vec![false; classes]);
        for entry in labels.entries().iter().filter(|entry| (entry.class as usize) < classes) {
            scores[entry.class as usize] = entry.probability.get();
        }
        for class in truth.iter().filter(|class| (**class as usize) < classes) {
            positive[*class as usize] = true;
        }
        if let Some(precision) = average_precision(&scores, &positive) {
            self.precision.push(precision);
            if truth.len() >= 2 {
                self.precision_multi.push(precision);
            }
        }
    }

    fn row(&self, name: &str) -> ScoreRow {
        let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let mean = |list: &[f64]| if list.is_empty() { 0.0 } else { list.iter().sum::<f64>() / list.len() as f64 };
        let (precision, recall) = (ratio(self.true_positives, self.predicted), ratio(self.true_positives, self.actual));
        ScoreRow {
            name: name.to_owned(),
            precision,
            recall,
            f1: if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 },
            per_image_ap: mean(&self.precision),
            added_precision: (self.added[1] > 0).then(|| ratio(self.added[0], self.added[1])),
            added_recall: (self.added[2] > 0).then(|| ratio(self.added[0], self.added[2])),
            per_image_ap_multi: (!self.precision_multi.is_empty()).then(|| mean(&self.precision_multi)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_object_found_raises_recall_and_precision_of_the_ranking() {
        let mut scorer = Scorer::new(4, 0.5);
        let mut labels = LabelVector::default();
        labels.raise(0, Probability::ONE);
        labels.raise(2, Probability::new(0.8).unwrap());
        scorer.add(0, &labels, [0, 2].into_iter());
        let evaluation = scorer.evaluation().unwrap();
        let [single, ours] = evaluation.rows.as_slice() else { panic!("two rows") };
        assert_eq!((single.precision, single.recall, single.per_image_ap), (1.0, 0.5, 0.75));
        assert_eq!((ours.precision, ours.recall, ours.per_image_ap), (1.0, 1.0, 1.0));
        assert_eq!((single.added_precision, single.added_recall), (None, Some(0.0)));
        assert_eq!((ours.added_precision, ours.added_recall), (Some(1.0), Some(1.0)));
        assert_eq!(evaluation.region_recall, None);
    }

    #[test]
    fn an_object_is_found_when_half_of_the_union_is_common() {
        let columns = |x, width| Mask::from_box(8, 2, convert_sdk::BoundingBox { x, y: 0, width, height: 2 }).unwrap();
        let mut scorer = Scorer::new(2, 0.5);
        scorer.add(0, &LabelVector::default(), [0].into_iter());
        scorer.add_masks(&[columns(0, 4), columns(5, 3)], &[columns(0, 2), columns(6, 1)]).unwrap();
        assert_eq!(scorer.evaluation().unwrap().region_recall, Some(0.5));
    }
}

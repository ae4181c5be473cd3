//! Mean average precision in both meanings: over images, each a ranking of the classes, and over classes, each a ranking of the images.

use convert_sdk::ClassScore;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{BY_COUNT, group};
use crate::evaluate::average_precision::average_precision_of_listed;

/// A mean and how many things it is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// In [0, 1]; `None` of nothing.
    pub value: Option<f64>,
    /// Images, or classes that have true images.
    pub count: u64,
}

/// A mean over all images and over those with so many true labels, named as in [`BY_COUNT`].
#[derive(Clone, Debug, PartialEq)]
pub struct Means {
    /// Over all images with a true label.
    pub all: Mean,
    /// By the number of true labels.
    pub by_count: ByCount,
}

/// A mean for each group of [`BY_COUNT`].
#[derive(Clone, Debug, PartialEq)]
pub struct ByCount([Mean; 4]);

impl ByCount {
    /// In the order of [`BY_COUNT`].
    pub fn values(&self) -> impl Iterator<Item = &Mean> {
        self.0.iter()
    }
}

impl Serialize for Means {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = |name: &str, mean: &Mean| (name.to_owned(), serde_json::json!(mean));
        let groups = BY_COUNT.iter().zip(&self.by_count.0).map(|(name, mean)| entry(&name.replace(' ', "").replace('≥', ">="), mean));
        Value::Object(std::iter::once(entry("all", &self.all)).chain(groups).collect::<Map<_, _>>()).serialize(serializer)
    }
}

/// Both meanings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeanAveragePrecision {
    /// Average precision of each image's ranking of the classes, averaged over images with a true label: what the paper's tables report.
    pub per_image: Means,
    /// Average precision of each class's ranking of the images with a true label, averaged over classes with true images.
    pub class: Means,
}

/// An image in a class's ranking.
#[derive(Clone, Copy)]
struct Ranked {
    score: f32,
    positive: bool,
    group: u8,
}

/// Gathers rankings, image by image.
pub struct Rankings {
    per_image: [Vec<f64>; 4],
    by_class: Vec<Vec<Ranked>>,
    /// Images by group.
    images: [usize; 4],
    /// True images of each class, by group.
    positives: Vec<[usize; 4]>,
}

impl Rankings {
    /// For so many classes.
    pub fn new(classes: usize) -> Self {
        Self { per_image: Default::default(), by_class: vec![Vec::new(); classes], images: [0; 4], positives: vec![[0; 4]; classes] }
    }

    /// Adds an image; scores and truth are sorted by class, each once. An image without true labels is not ranked.
    pub fn add(&mut self, scores: &[ClassScore], truth: &[u32]) {
        let Some(group) = group(truth.len()) else { return };
        self.images[group] += 1;
        let mut listed = Vec::with_capacity(scores.len());
        for entry in scores {
            let (score, positive) = (entry.probability.get(), truth.binary_search(&entry.class).is_ok());
            if score > 0.0 {
                listed.push((score, positive));
                self.by_class[entry.class as usize].push(Ranked { score, positive, group: group as u8 });
            }
        }
        truth.iter().for_each(|class| self.positives[*class as usize][group] += 1);
        self.per_image[group].extend(average_precision_of_listed(&mut listed, self.by_class.len(), truth.len()));
    }

    /// Both means.
    pub fn finish(&self) -> MeanAveragePrecision {
        let all: Vec<f64> = self.per_image.iter().flatten().copied().collect();
        MeanAveragePrecision {
            per_image: Means { all: mean(&all), by_count: ByCount(std::array::from_fn(|group| mean(&self.per_image[group]))) },
            class: Means { all: self.class_mean(None), by_count: ByCount(std::array::from_fn(|group| self.class_mean(Some(group)))) },
        }
    }

    /// The mean over classes, of the images of one group or of all.
    fn class_mean(&self, group: Option<usize>) -> Mean {
        let within = |index: usize| group.is_none_or(|group| group == index);
        let sum = |counts: &[usize; 4]| counts.iter().enumerate().filter(|(index, _)| within(*index)).map(|(_, count)| count).sum();
        let images = sum(&self.images);
        let precisions: Vec<f64> = self
            .by_class
            .iter()
            .zip(&self.positives)
            .filter_map(|(ranked, positives)| {
                let mut listed: Vec<(f32, bool)> =
                    ranked.iter().filter(|entry| within(usize::from(entry.group))).map(|entry| (entry.score, entry.positive)).collect();
                average_precision_of_listed(&mut listed, images, sum(positives))
            })
            .collect();
        mean(&precisions)
    }
}

fn mean(values: &[f64]) -> Mean {
    let value = (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    Mean { value, count: values.len() as u64 }
}

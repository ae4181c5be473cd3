//! All figures of a comparison.

use convert_formats::label_sets::{Predictions, Truth};
use convert_sdk::ClassScore;
use serde::Serialize;

use super::agreement::Agreement;
use super::decisions::{AtThreshold, Decisions};
use super::ranking::{MeanAveragePrecision, Rankings};

/// Predicted labels compared with a truth. Top-1 to any true label, mAP and the figures at the threshold are taken over the images with a true label:
/// where ReaL has none, what the image shows is unknown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelReport {
    /// The form of the truth's file.
    pub truth_format: String,
    /// Classes that are ranked.
    pub classes: u32,
    /// A class counts when its probability is above this.
    pub threshold: f32,
    /// Images.
    pub images: ImageCounts,
    /// The relation of the label sets.
    pub agreement: Agreement,
    /// Shares of images whose most probable class is right.
    pub top1: Top1,
    /// In both meanings.
    pub mean_average_precision: MeanAveragePrecision,
    /// Precision, recall, F1.
    pub at_threshold: AtThreshold,
}

/// Which images were compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageCounts {
    /// Predicted and in the truth.
    pub compared: u64,
    /// Those of them that have a true label.
    pub with_true_labels: u64,
    /// Images of the truth's file.
    pub in_truth: u64,
    /// Predicted, but not in the truth.
    pub not_in_truth: u64,
    /// In the truth, but not predicted.
    pub not_predicted: u64,
}

/// Top-1 accuracy under both criteria. Of equally probable classes the one with the lowest index is the top one; an image without any is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Top1 {
    /// The top class is the original single label; over all compared images whose single label is known.
    pub single_label: Option<f64>,
    /// The top class is one of the true ones; over the images with a true label.
    pub any_true_label: Option<f64>,
}

/// Why labels cannot be compared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// A class that was said not to be.
    #[error("there are classes up to index {last}, but --classes says {classes}")]
    Classes {
        /// The largest class of both files.
        last: u32,
        /// How many there should be.
        classes: u32,
    },
    /// The files are of different images.
    #[error("no predicted image is in the truth ({format}); the first predicted one is `{first}`")]
    NothingInCommon {
        /// The form of the truth's file.
        format: &'static str,
        /// The id of the first predicted image.
        first: String,
    },
}

/// Compares predictions with a truth; `classes` says how many there are where the files do not know.
///
/// # Errors
/// No image that is in both; a class beyond `classes`.
pub fn evaluate(predictions: &Predictions, truth: &Truth, threshold: f32, classes: Option<u32>) -> Result<LabelReport, ReportError> {
    let known = predictions.classes.max(truth.classes());
    let classes = classes.unwrap_or(known);
    if known > classes {
        return Err(ReportError::Classes { last: known - 1, classes });
    }
    let (mut agreement, mut decisions, mut rankings) = (Agreement::default(), Decisions::new(classes as usize), Rankings::new(classes as usize));
    let (mut compared, mut with_true_labels, mut single, mut any) = (0, 0, Share::default(), Share::default());
    for image in &predictions.images {
        let Some(true_classes) = truth.get(&image.id) else { continue };
        compared += 1;
        let ours: Vec<u32> = image.scores.iter().filter(|score| score.probability.get() > threshold).map(|score| score.class).collect();
        agreement.add(&ours, true_classes);
        let top = top_class(&image.scores);
        if let Some(label) = image.label {
            single.add(top == Some(label));
        }
        if !true_classes.is_empty() {
            with_true_labels += 1;
            any.add(top.is_some_and(|class| true_classes.binary_search(&class).is_ok()));
            decisions.add(&ours, true_classes);
            rankings.add(&image.scores, true_classes);
        }
    }
    if compared == 0 {
        let first = predictions.images.first().map_or_else(String::new, |image| image.id.clone());
        return Err(ReportError::NothingInCommon { format: truth.format().name(), first });
    }
    let in_truth = truth.sets().len() as u64;
    Ok(LabelReport {
        truth_format: truth.format().name().to_owned(),
        classes,
        threshold,
        images: ImageCounts {
            compared,
            with_true_labels,
            in_truth,
            not_in_truth: predictions.images.len() as u64 - compared,
            not_predicted: in_truth.saturating_sub(compared),
        },
        agreement,
        top1: Top1 { single_label: single.value(), any_true_label: any.value() },
        mean_average_precision: rankings.finish(),
        at_threshold: decisions.finish(),
    })
}

/// The most probable class, of equal ones that with the lowest index; the scores are sorted by class.
fn top_class(scores: &[ClassScore]) -> Option<u32> {
    scores.iter().rev().max_by(|a, b| a.probability.get().total_cmp(&b.probability.get())).map(|score| score.class)
}

#[derive(Default)]
struct Share {
    right: u64,
    all: u64,
}

impl Share {
    fn add(&mut self, right: bool) {
        self.right += u64::from(right);
        self.all += 1;
    }

    fn value(&self) -> Option<f64> {
        (self.all > 0).then(|| self.right as f64 / self.all as f64)
    }
}

//! The labeler's class probabilities of every image and region.

use convert_sdk::{ClassScore, Error, LabelModel, PredictionInput, Probability};

use super::{At, row};
use crate::engine::{Input, SampleWork};
use crate::pipeline::action::Action;
use crate::pipeline::rows::{ImagePrediction, Record};

/// Below this a probability is zero at four decimals, and is not stored.
const SMALLEST: f32 = 5e-5;
/// So many classes of a mask are stored in any case.
const TOP: usize = 5;

/// The labeler at work on images and regions.
pub(super) struct Predicting<'a> {
    pub at: At<'a>,
    pub model: Box<dyn LabelModel>,
}

impl SampleWork<Record> for Predicting<'_> {
    fn batch_size(&self) -> usize {
        self.model.batch_size()
    }
    fn compute(&self, batch: &[Input<'_, Record>]) -> Result<Vec<Record>, Error> {
        let classes = self.at.session.samples.classes.len();
        let asked = |input| Ok(PredictionInput { id: self.at.id(input), image: input.image.get()?, regions: &row(input, 0)?.regions()?.regions });
        let inputs = batch.iter().map(asked).collect::<Result<Vec<_>, Error>>()?;
        let stored = |prediction: convert_sdk::Prediction| {
            Ok(Record::Prediction(ImagePrediction {
                global: sparse(&prediction.global, classes)?,
                masks: prediction.masks.iter().map(|mask| sparse(mask, classes)).collect::<Result<_, Error>>()?,
            }))
        };
        let predictions = match self.at.step.action {
            Action::HeldOut => self.model.predict_held_out(&inputs)?,
            _ => self.model.predict(&inputs)?,
        };
        predictions.into_iter().map(stored).collect()
    }
}

/// The entries that matter, best first.
pub(in crate::pipeline) fn sparse(probabilities: &[f32], classes: usize) -> Result<Vec<ClassScore>, Error> {
    if probabilities.len() != classes {
        return Err(Error::invalid(format!("the labeler gave {} probabilities for {classes} classes", probabilities.len())));
    }
    let score = |(class, value): (usize, &f32)| Ok(ClassScore { class: class as u32, probability: probability(*value)? });
    let mut scores = probabilities.iter().enumerate().map(score).collect::<Result<Vec<_>, Error>>()?;
    scores.sort_by(|a, b| b.probability.get().total_cmp(&a.probability.get()).then(a.class.cmp(&b.class)));
    let small = scores.iter().position(|score| score.probability.get() < SMALLEST).unwrap_or(scores.len());
    scores.truncate(small.max(TOP));
    Ok(scores)
}

/// A finite probability from a labeler's number; rounding may put it a hair outside.
fn probability(value: f32) -> Result<Probability, Error> {
    if (-1e-5..=1.0 + 1e-5).contains(&value) {
        Probability::new(value.clamp(0.0, 1.0))
    } else {
        Err(Error::numeric(format!("the labeler gave {value} as a probability")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_probabilities_are_the_best_first_and_no_number_is_not_one() {
        let stored = sparse(&[1e-6, 0.3, 0.7, 1e-6, 1e-6, 1e-6, 1e-6], 7).unwrap();
        assert_eq!(stored.iter().map(|score| score.class).collect::<Vec<_>>(), [2, 1, 0, 3, 4]);
        assert!(sparse(&[f32::NAN, 1.0], 2).is_err());
        assert!(sparse(&[1.0], 2).unwrap_err().to_string().contains("1 probabilities for 2 classes"));
    }
}

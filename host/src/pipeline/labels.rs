//! From the labeler's opinions to the image's labels: predict, aggregate (paper 3.3, 5.2), postprocess.

use convert_sdk::{ClassScore, Error, LabelModel, LabelVector, LabelledRegion, Postprocessor, PredictionInput, Probability};

use super::masks::probability;
use super::rows::{ImageLabels, ImagePrediction, ImageRegions, ImageSelections};
use super::session::Session;
use crate::engine::Stage;
use crate::failure::Failure;
use crate::recipe::{AggregateMode, AggregateSection, GlobalSignal};

/// Below this a probability is zero at four decimals, and is not stored.
const SMALLEST: f32 = 5e-5;
/// So many classes of a mask are stored in any case.
const TOP: usize = 5;

impl Session {
    /// The labeler's probabilities for all images and regions.
    ///
    /// # Errors
    /// As [`crate::engine::Runner::run`].
    pub(super) fn run_predict(&self, stage: &Stage, model: Option<&dyn LabelModel>) -> Result<(), Failure> {
        let batch_size = model.map_or(1, |model| model.batch_size());
        let inputs = |shard| self.plan.regions.read_indexed::<ImageRegions>(&self.samples, shard);
        let classes = self.samples.classes.len();
        self.runner.run(stage, &self.samples, batch_size, inputs, |batch: &[(usize, ImageRegions)]| {
            let model = model.ok_or_else(|| Error::invalid("a finished stage has no work"))?;
            let regions = batch.iter().map(|(_, row)| row.clone().into_regions()).collect::<Result<Vec<_>, Error>>()?;
            let input = |((index, _), regions): (&(usize, ImageRegions), _)| {
                let id = self.samples.list[*index].id.as_str();
                Ok(PredictionInput { id, image: self.load_image(id)?, regions })
            };
            let inputs = batch.iter().zip(regions.iter().map(Vec::as_slice)).map(input).collect::<Result<Vec<_>, Error>>()?;
            let predictions = model.predict(&inputs)?;
            let row = |prediction: convert_sdk::Prediction| {
                Ok(ImagePrediction {
                    global: sparse(&prediction.global, classes)?,
                    masks: prediction.masks.iter().map(|mask| sparse(mask, classes)).collect::<Result<_, Error>>()?,
                })
            };
            predictions.into_iter().map(row).collect()
        })
    }

    /// The labels of all images.
    ///
    /// # Errors
    /// As [`crate::engine::Runner::run`].
    pub fn run_labels(&self) -> Result<(), Failure> {
        let stage = &self.plan.labels;
        let mut postprocessors: Vec<Box<dyn Postprocessor>> = Vec::new();
        if !self.is_finished(stage) {
            for configured in &self.recipe.postprocess {
                postprocessors.push(self.build(configured, |config, context| configured.plugin.builder.postprocessor(config, context))?);
            }
        }
        let inputs = |shard| self.labelled_inputs(shard);
        let aggregate = &self.recipe.sections.aggregate;
        let classes = self.samples.classes.len();
        self.runner.run(stage, &self.samples, 1, inputs, |batch: &[(usize, LabelInputs)]| {
            batch
                .iter()
                .map(|(index, inputs)| {
                    let label = self.samples.list[*index].label;
                    let mut labels = aggregated(aggregate, label, &inputs.prediction);
                    if !postprocessors.is_empty() {
                        let regions = inputs.labelled_regions()?;
                        for postprocessor in &postprocessors {
                            labels = postprocessor.adjust(label, &labels, &regions)?;
                            if let Some(entry) = labels.entries().iter().find(|entry| entry.class as usize >= classes) {
                                return Err(Error::invalid(format!("a postprocessor gave the class {}, but there are {classes}", entry.class)));
                            }
                        }
                    }
                    Ok(ImageLabels { labels })
                })
                .collect()
        })
    }

    /// What is known of a shard's images before their labels: regions, selections, predictions.
    pub(super) fn labelled_inputs(&self, shard: usize) -> Result<Vec<(usize, LabelInputs)>, Failure> {
        let mut regions = std::collections::HashMap::<usize, ImageRegions>::from_iter(self.plan.regions.read_indexed(&self.samples, shard)?);
        let mut selections = std::collections::HashMap::<usize, ImageSelections>::from_iter(match self.plan.train {
            Some(_) => self.plan.select.read_indexed(&self.samples, shard)?,
            None => Vec::new(),
        });
        let inputs = self.plan.predict.read_indexed::<ImagePrediction>(&self.samples, shard)?.into_iter().filter_map(|(index, prediction)| {
            let regions = regions.remove(&index)?;
            Some((index, LabelInputs { regions, selections: selections.remove(&index), prediction }))
        });
        Ok(inputs.collect())
    }
}

/// An image's regions with what selector and labeler said of them.
pub(super) struct LabelInputs {
    pub regions: ImageRegions,
    pub selections: Option<ImageSelections>,
    pub prediction: ImagePrediction,
}

impl LabelInputs {
    /// The regions for postprocessors and exporters.
    pub fn labelled_regions(&self) -> Result<Vec<LabelledRegion>, Error> {
        let selected = |at: usize| self.selections.as_ref().and_then(|row| row.selections.get(at)).is_some_and(|selection| selection.keep);
        let masks = self.regions.masks()?;
        let regions = masks.into_iter().zip(&self.regions.regions).zip(&self.prediction.masks).enumerate();
        let labelled = regions.map(|(at, ((mask, row), scores))| LabelledRegion {
            mask,
            source: row.source.clone(),
            score: row.score,
            selected: selected(at),
            top: scores.iter().take(TOP).copied().collect(),
        });
        Ok(labelled.collect())
    }
}

/// The entries that matter, best first.
fn sparse(probabilities: &[f32], classes: usize) -> Result<Vec<ClassScore>, Error> {
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

/// The image's labels from its masks' probabilities and the global signal (paper 5.2).
fn aggregated(section: &AggregateSection, label: u32, prediction: &ImagePrediction) -> LabelVector {
    let mut labels = LabelVector::default();
    for score in prediction.masks.iter().flatten() {
        match section.mode {
            AggregateMode::Soft => labels.raise(score.class, score.probability),
            AggregateMode::Hard if score.probability.get() > section.threshold.0 => labels.raise(score.class, Probability::ONE),
            AggregateMode::Hard => {}
        }
    }
    match section.global {
        GlobalSignal::None => {}
        GlobalSignal::Original => labels.raise(label, Probability::ONE),
        GlobalSignal::Pred => prediction.global.iter().for_each(|score| labels.raise(score.class, score.probability)),
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction() -> ImagePrediction {
        ImagePrediction {
            global: sparse(&[0.2, 0.2, 0.6], 3).unwrap(),
            masks: vec![sparse(&[0.9, 0.1, 0.0], 3).unwrap(), sparse(&[0.3, 0.7, 0.0], 3).unwrap()],
        }
    }

    fn check(mode: AggregateMode, global: GlobalSignal, expected: [f32; 3]) {
        let section = AggregateSection { mode, global, ..Default::default() };
        let labels = aggregated(&section, 2, &prediction());
        assert_eq!([0, 1, 2].map(|class| labels.get(class)), expected, "{mode:?} {global:?}");
    }

    #[test]
    fn aggregation_follows_the_paper() {
        check(AggregateMode::Soft, GlobalSignal::None, [0.9, 0.7, 0.0]);
        check(AggregateMode::Soft, GlobalSignal::Original, [0.9, 0.7, 1.0]);
        check(AggregateMode::Soft, GlobalSignal::Pred, [0.9, 0.7, 0.6]);
        check(AggregateMode::Hard, GlobalSignal::None, [1.0, 1.0, 0.0]);
        check(AggregateMode::Hard, GlobalSignal::Original, [1.0, 1.0, 1.0]);
    }

    #[test]
    fn stored_probabilities_are_the_best_first_and_no_number_is_not_one() {
        let stored = sparse(&[1e-6, 0.3, 0.7, 1e-6, 1e-6, 1e-6, 1e-6], 7).unwrap();
        assert_eq!(stored.iter().map(|score| score.class).collect::<Vec<_>>(), [2, 1, 0, 3, 4]);
        assert!(sparse(&[f32::NAN, 1.0], 2).is_err());
        assert!(sparse(&[1.0], 2).unwrap_err().to_string().contains("1 probabilities for 2 classes"));
    }
}

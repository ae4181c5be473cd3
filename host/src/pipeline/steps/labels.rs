//! From predictions to the image's labels: aggregate (paper 3.3, 5.2), postprocess.

use convert_sdk::{Error, LabelVector, LabelledRegion, Postprocessor, Probability};

use super::{At, each, row};
use crate::engine::{Input, SampleWork};
use crate::pipeline::error::PipelineError;
use crate::pipeline::rows::{ImageLabels, ImagePrediction, ImageRegions, ImageSelections, Record};
use crate::recipe::{AggregateMode, AggregateSection, GlobalSignal};

/// So many classes of a region go to postprocessors and exporters.
const TOP: usize = 5;

/// Aggregation and the postprocessors at work.
pub(super) struct Labelling<'a> {
    at: At<'a>,
    postprocessors: Vec<Box<dyn Postprocessor>>,
}

impl SampleWork<Record> for Labelling<'_> {
    fn compute(&self, batch: &[Input<'_, Record>]) -> Result<Vec<Record>, Error> {
        each(batch, |input| self.labelled(input), Record::Labels)
    }
}

impl<'a> Labelling<'a> {
    pub fn new(at: At<'a>) -> Result<Self, PipelineError> {
        let build = |configured| at.session.build(configured, |config, context| configured.plugin.builder.postprocessor(config, context));
        let postprocessors = at.session.recipe.postprocess.iter().map(build).collect::<Result<_, _>>()?;
        Ok(Self { at, postprocessors })
    }

    fn labelled(&self, input: &Input<'_, Record>) -> Result<ImageLabels, Error> {
        let session = self.at.session;
        let classes = session.samples.classes.len();
        let selections = input.rows.get(2).copied().flatten().map(Record::selections).transpose()?;
        let inputs = LabelInputs { prediction: row(input, 0)?.prediction()?, regions: row(input, 1)?.regions()?, selections };
        let label = self.at.label(input);
        let mut labels = aggregated(&session.recipe.sections.aggregation(), label, inputs.prediction);
        if self.postprocessors.is_empty() {
            return Ok(ImageLabels { labels });
        }
        let regions = inputs.labelled_regions();
        for postprocessor in &self.postprocessors {
            labels = postprocessor.adjust(label, &labels, &regions)?;
            if let Some(entry) = labels.entries().iter().find(|entry| entry.class as usize >= classes) {
                return Err(Error::invalid(format!("a postprocessor gave the class {}, but there are {classes}", entry.class)));
            }
        }
        Ok(ImageLabels { labels })
    }
}

/// An image's regions with what selector and labeler said of them.
pub(in crate::pipeline) struct LabelInputs<'a> {
    pub regions: &'a ImageRegions,
    pub selections: Option<&'a ImageSelections>,
    pub prediction: &'a ImagePrediction,
}

impl LabelInputs<'_> {
    /// The regions for postprocessors and exporters.
    pub fn labelled_regions(&self) -> Vec<LabelledRegion> {
        let selected = |at: usize| self.selections.and_then(|row| row.selections.get(at)).is_some_and(|selection| selection.keep);
        let regions = self.regions.regions.iter().zip(&self.prediction.masks).enumerate();
        let labelled = regions.map(|(at, (region, scores))| LabelledRegion {
            mask: region.mask.clone(),
            source: region.source.clone(),
            score: region.score,
            selected: selected(at),
            top: scores.iter().take(TOP).copied().collect(),
        });
        labelled.collect()
    }
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
    use super::super::predict::sparse;
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
}

//! Choosing the regions to train on, from what is known of them in a round.

use convert_sdk::{Error, Selector, Subject};

use super::{At, each, row};
use crate::engine::{Input, SampleWork};
use crate::pipeline::error::PipelineError;
use crate::pipeline::plan::Step;
use crate::pipeline::rows::{ImageSelections, Record};
use crate::pipeline::session::Session;

/// The selector at work. Besides the regions it reads label maps in the first round, where it wants them, and in the others the predictions of the round before.
pub(super) struct Selecting<'a> {
    at: At<'a>,
    selector: Box<dyn Selector>,
}

impl SampleWork<Record> for Selecting<'_> {
    fn compute(&self, batch: &[Input<'_, Record>]) -> Result<Vec<Record>, Error> {
        each(batch, |input| self.selected(input), Record::Selections)
    }
}

impl<'a> Selecting<'a> {
    pub fn new(at: At<'a>) -> Result<Self, PipelineError> {
        let configured = &at.session.recipe.select;
        let selector = at.session.build(configured, |config, context| configured.plugin.builder.selector(config, context))?;
        Ok(Self { at, selector })
    }

    fn selected(&self, input: &Input<'_, Record>) -> Result<ImageSelections, Error> {
        let session = self.at.session;
        let regions = row(input, 0)?.regions()?.regions.as_slice();
        if regions.is_empty() {
            return Ok(ImageSelections { selections: Vec::new() });
        }
        let (map, predictions) = match input.rows.get(1).copied().flatten() {
            Some(Record::Map(map)) => (Some(map), None),
            Some(known) => (None, Some(known.prediction()?.masks.as_slice())),
            None => (None, None),
        };
        let (id, label) = (self.at.id(input), self.at.label(input));
        let subject = Subject { id, label, image: input.image, regions, map, predictions };
        let answers = self.selector.select(&subject)?;
        if let Some(answer) = answers.iter().find(|answer| answer.label as usize >= session.samples.classes.len()) {
            let (name, count) = (&session.recipe.select.plugin.name, session.samples.classes.len());
            return Err(Error::invalid(format!("selector {name} gave the label {}, but there are {count} classes", answer.label)));
        }
        Ok(ImageSelections { selections: answers })
    }
}

/// Outside these shares of kept regions a selection hardly selects, and says so.
const USUAL_SHARES: std::ops::RangeInclusive<f64> = 0.05..=0.95;

impl Session {
    /// Says how many regions a selection kept, and warns when that is hardly any or nearly all.
    ///
    /// # Errors
    /// Stored selections that cannot be read.
    pub(in crate::pipeline) fn tell_kept_share(&self, step: &Step) -> Result<(), PipelineError> {
        let (mut kept, mut all) = (0u64, 0u64);
        self.for_each_stored(&step.stage, |_, row: ImageSelections| {
            all += row.selections.len() as u64;
            kept += row.selections.iter().filter(|selection| selection.keep).count() as u64;
            Ok(())
        })?;
        let share = if all == 0 { 0.0 } else { kept as f64 / all as f64 };
        let said = format!("{}: kept {kept} of {all} regions, {:.1} %", step.stage.name, share * 100.0);
        if all == 0 {
            let images = self.samples.list.len();
            tracing::warn!("{}: the proposals found no region in {images} images, or the refiners dropped them all", step.stage.name);
        } else if !USUAL_SHARES.contains(&share) {
            let way = if share < 0.5 {
                "hardly any: is the threshold too high, or are the label maps of another dataset?"
            } else {
                "nearly all, so it hardly selects"
            };
            tracing::warn!("{said}: {way}");
        } else {
            tracing::info!("{said}");
        }
        Ok(())
    }
}

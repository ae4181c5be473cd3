//! Choosing the regions to train on, from what is known of them in a round.

use std::collections::HashMap;

use convert_sdk::{ClassScore, Error, LabelMap, Selector, Subject};

use super::rows::{ImageMap, ImagePrediction, ImageRegions, ImageSelections, SelectionRow};
use super::session::Session;
use crate::engine::Stage;
use crate::failure::Failure;

/// What a round knows besides images and regions.
#[derive(Clone, Copy)]
pub(super) enum Evidence<'a> {
    /// Nothing.
    None,
    /// A stage of label maps.
    Maps(&'a Stage),
    /// The predictions of the round before.
    Opinions(&'a Stage),
}

/// An image's regions with what is known of them.
struct Inputs {
    regions: ImageRegions,
    map: Option<LabelMap>,
    opinions: Option<Vec<Vec<ClassScore>>>,
}

/// Outside these shares of kept regions a selection hardly selects, and says so.
const USUAL_SHARES: std::ops::RangeInclusive<f64> = 0.05..=0.95;

impl Session {
    /// Chooses the regions of a round.
    ///
    /// # Errors
    /// As [`crate::engine::Runner::run`].
    pub(super) fn run_select(&self, stage: &Stage, evidence: Evidence<'_>) -> Result<(), Failure> {
        let configured = &self.recipe.select;
        let finished = self.is_finished(stage);
        let selector = match finished {
            true => None,
            false => Some(self.build(configured, |config, context| configured.plugin.builder.selector(config, context))?),
        };
        let inputs = |shard| self.select_inputs(shard, evidence);
        self.runner.run(stage, &self.samples, 1, inputs, |batch: &[(usize, Inputs)]| {
            let selector = selector.as_ref().ok_or_else(|| Error::invalid("a finished stage has no work"))?;
            batch.iter().map(|(index, inputs)| self.select(selector.as_ref(), *index, inputs)).collect()
        })?;
        if finished || self.runner.part.is_some() { Ok(()) } else { self.tell_kept_share(stage) }
    }

    fn select_inputs(&self, shard: usize, evidence: Evidence<'_>) -> Result<Vec<(usize, Inputs)>, Failure> {
        let regions = self.plan.regions.read_indexed::<ImageRegions>(&self.samples, shard)?;
        let (mut maps, mut opinions) = (HashMap::new(), HashMap::new());
        match evidence {
            Evidence::None => {}
            Evidence::Maps(stage) => maps.extend(stage.read_indexed::<ImageMap>(&self.samples, shard)?),
            Evidence::Opinions(stage) => opinions.extend(stage.read_indexed::<ImagePrediction>(&self.samples, shard)?),
        }
        let mut inputs = Vec::with_capacity(regions.len());
        for (index, regions) in regions {
            let input = match evidence {
                Evidence::None => Inputs { regions, map: None, opinions: None },
                // A sample that failed there is in the ledger already.
                Evidence::Maps(_) => match maps.remove(&index) {
                    Some(map) => Inputs { regions, map: Some(LabelMap::try_from(map)?), opinions: None },
                    None => continue,
                },
                Evidence::Opinions(_) => match opinions.remove(&index) {
                    Some(row) => Inputs { regions, map: None, opinions: Some(row.masks) },
                    None => continue,
                },
            };
            inputs.push((index, input));
        }
        Ok(inputs)
    }

    fn select(&self, selector: &dyn Selector, index: usize, inputs: &Inputs) -> Result<ImageSelections, Error> {
        let sample = &self.samples.list[index];
        let regions = inputs.regions.clone().into_regions()?;
        if regions.is_empty() {
            return Ok(ImageSelections { selections: Vec::new() });
        }
        let image = self.lazy_image(index);
        let (map, opinions) = (inputs.map.as_ref(), inputs.opinions.as_deref());
        let answers = selector.select(&Subject { id: &sample.id, label: sample.label, image: &image, regions: &regions, map, opinions })?;
        if let Some(answer) = answers.iter().find(|answer| answer.label as usize >= self.samples.classes.len()) {
            let (name, count) = (&self.recipe.select.plugin.name, self.samples.classes.len());
            return Err(Error::invalid(format!("selector {name} gave the label {}, but there are {count} classes", answer.label)));
        }
        let row = |answer: convert_sdk::Selection| SelectionRow { confidence: answer.confidence.get(), keep: answer.keep, label: answer.label };
        Ok(ImageSelections { selections: answers.into_iter().map(row).collect() })
    }

    /// Says how many regions were kept, and warns when that is hardly any or nearly all.
    fn tell_kept_share(&self, stage: &Stage) -> Result<(), Failure> {
        let (mut kept, mut all) = (0u64, 0u64);
        for shard in 0..self.samples.shards() {
            for (_, row) in self.selections(stage, shard)? {
                all += row.selections.len() as u64;
                kept += row.selections.iter().filter(|selection| selection.keep).count() as u64;
            }
        }
        let share = if all == 0 { 0.0 } else { kept as f64 / all as f64 };
        let said = format!("{}: kept {kept} of {all} regions, {:.1} %", stage.name, share * 100.0);
        if all > 0 && !USUAL_SHARES.contains(&share) {
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

    /// A shard's selections.
    ///
    /// # Errors
    /// As [`Stage::read_indexed`].
    pub(super) fn selections(&self, stage: &Stage, shard: usize) -> Result<Vec<(usize, ImageSelections)>, Failure> {
        stage.read_indexed(&self.samples, shard)
    }
}

//! The selector itself.

use convert_sdk::{Context, Error, LabelMap, Plugin, Probability, Result, Selection, Selector, SelectorNeeds, Subject};

use super::confidence::Support;
use super::config::{Keep, Maps, RelabelFilterConfig};
use super::{files, weights};

/// See [`RelabelFilterConfig`].
#[derive(Debug)]
pub struct RelabelFilter {
    config: RelabelFilterConfig,
    context: Context,
}

impl RelabelFilter {
    /// What is known of each region; `None` for a mask that covers nothing of the map.
    fn predictions(&self, subject: &Subject<'_>) -> Result<Vec<Option<Support>>> {
        if let Some(scores) = subject.predictions {
            return Ok(scores.iter().map(|scores| Some(Support::of_scores(scores, subject.label))).collect());
        }
        let read;
        let map = match (subject.map, &self.config.maps) {
            (Some(map), Maps::Own) => map,
            (_, Maps::Folder(folder)) => {
                read = files::read(&files::map_file(folder, subject.id), &self.context)?;
                &read
            }
            (None, Maps::Own) => return Err(Error::invalid("there is no label map of this image")),
        };
        Ok(subject.regions.iter().map(|region| self.by_map(map, &region.mask, subject.label)).collect())
    }

    fn by_map(&self, map: &LabelMap, mask: &convert_sdk::Mask, label: u32) -> Option<Support> {
        let rule = if self.context.authors_code() { weights::shrunk } else { weights::upsampled };
        rule(mask, map.rows(), map.columns()).map(|weights| Support::of_map(map, &weights, label, self.classes()))
    }

    fn classes(&self) -> usize {
        self.context.classes().len()
    }

    /// The label that a region would train with, and how sure that is.
    fn candidate(&self, support: &Support, label: u32) -> (u32, f64) {
        // Only the threshold rule takes the best class: the best region of an image is the one that shows the image's label.
        match (self.config.keep(), self.context.authors_code()) {
            (Keep::Threshold, true) => (support.best, support.of_best),
            _ => (label, support.of_label),
        }
    }
}

impl Plugin for RelabelFilter {
    type Config = RelabelFilterConfig;

    fn new(config: Self::Config, context: Context) -> Result<Self> {
        config.check()?;
        Ok(Self { config, context })
    }
}

impl Selector for RelabelFilter {
    fn needs(&self) -> SelectorNeeds {
        SelectorNeeds { maps: self.config.maps == Maps::Own, rounds: self.config.rounds(), merge_by_label: self.config.merge_by_label(&self.context) }
    }

    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>> {
        let candidates: Vec<Option<(u32, f64)>> =
            self.predictions(subject)?.iter().map(|support| support.as_ref().map(|support| self.candidate(support, subject.label))).collect();
        let best = candidates.iter().enumerate().filter_map(|(at, candidate)| Some((at, candidate.as_ref()?.1)));
        // of equal ones the first: `max_by` gives the last, hence the reversal
        let best = best.rev().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at);
        let kept = |at: usize, confidence: f64| match (self.config.keep(), self.context.authors_code()) {
            (Keep::Best, _) => best == Some(at),
            (Keep::Threshold, true) => confidence >= self.config.threshold,
            (Keep::Threshold, false) => confidence > self.config.threshold,
        };
        let selection = |(at, candidate): (usize, &Option<(u32, f64)>)| {
            let (label, confidence) = candidate.unwrap_or((subject.label, 0.0));
            let keep = candidate.is_some() && kept(at, confidence);
            Ok(Selection { confidence: Probability::new(confidence.clamp(0.0, 1.0) as f32)?, keep, label })
        };
        candidates.iter().enumerate().map(selection).collect()
    }
}

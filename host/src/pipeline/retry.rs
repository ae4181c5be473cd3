//! `--retry-errors`: the samples that earlier runs left out, tried once more.
//!
//! A shard in which a step left samples out is opened again, in that step and the per-sample steps behind it: its rows are kept and only what is missing is computed.
//! What was trained since is set aside meanwhile. Where the samples fail as before it comes back; otherwise the labels are made anew from there on.

use std::collections::BTreeSet;

use super::action::Action;
use super::error::PipelineError;
use super::plan::{Kind, Step};
use super::session::Session;

/// What the place of a stage that was set aside is called besides its name.
const ASIDE: &str = "before-retry";

impl Session {
    /// Tries again what was skipped of the steps before the first training, and opens the shards for what was skipped of later ones.
    ///
    /// # Errors
    /// As [`Session::run_steps`]; files that cannot be moved.
    pub fn retry_errors(&self) -> Result<(), PipelineError> {
        let steps: Vec<&Step> = self.stored_steps().filter(|step| !step.on_demand).collect();
        let first_training = steps.iter().position(|step| step.trains()).unwrap_or(steps.len());
        let (before, after) = steps.split_at(first_training);
        let (early, late) = (self.failed_shards(before)?, self.failed_shards(after)?);
        if early.is_empty() && late.is_empty() {
            tracing::info!("no sample was skipped: there is nothing to try again");
            return Ok(());
        }
        self.forget_exports()?;
        self.runner.in_flight.forget()?;
        open_again(after, &late)?;
        if early.is_empty() {
            return Ok(());
        }
        let stored = self.contents(before, &early)?;
        let trained = steps.get(first_training).map_or(&[][..], |_| after);
        for step in trained {
            step.stage.set_all_aside(ASIDE)?;
        }
        open_again(before, &early)?;
        self.run_steps(|step| before.iter().any(|known| known.action == step.action))?;
        let as_before = self.contents(before, &early)? == stored;
        tracing::info!(
            "the samples that were skipped {}",
            if as_before { "failed as before" } else { "did not all fail again: what depends on them is made anew" }
        );
        for step in trained {
            if as_before {
                step.stage.take_back(ASIDE)?;
            } else {
                step.stage.forget_aside(ASIDE)?;
            }
        }
        Ok(())
    }

    /// Removes what a retry that was interrupted had set aside: what is made anew is right in any case.
    ///
    /// # Errors
    /// What cannot be removed.
    pub fn end_interrupted_retry(&self) -> Result<(), PipelineError> {
        Ok(self.stored_steps().try_for_each(|step| step.stage.forget_aside(ASIDE))?)
    }

    /// The steps whose results lie in folders of their own: an export's folder is the user's.
    fn stored_steps(&self) -> impl Iterator<Item = &Step> {
        self.plan.steps().iter().filter(|step| !matches!(step.action, Action::Export { .. }))
    }

    /// The shards in which one of the per-sample steps left samples out, with the first such step's place.
    fn failed_shards(&self, steps: &[&Step]) -> Result<Vec<(usize, usize)>, PipelineError> {
        let mut seen = BTreeSet::new();
        let mut failed = Vec::new();
        for (place, step) in steps.iter().enumerate().filter(|(_, step)| step.kind() == Kind::PerSample) {
            for (shard, size) in step.stage.shards()? {
                if !step.stage.left_out(shard, size)?.is_empty() && seen.insert(shard) {
                    failed.push((place, shard));
                }
            }
        }
        Ok(failed)
    }

    /// What is stored of these shards.
    fn contents(&self, steps: &[&Step], shards: &[(usize, usize)]) -> Result<Vec<blake3::Hash>, PipelineError> {
        let mut hashes = Vec::new();
        for step in steps.iter().filter(|step| step.kind() == Kind::PerSample) {
            for (_, shard) in shards {
                hashes.push(step.stage.content(*shard)?);
            }
        }
        Ok(hashes)
    }
}

fn open_again(steps: &[&Step], shards: &[(usize, usize)]) -> Result<(), PipelineError> {
    for (place, shard) in shards {
        for step in steps[*place..].iter().filter(|step| step.kind() == Kind::PerSample) {
            step.stage.open_again(*shard)?;
        }
    }
    Ok(())
}

//! `--retry-errors`: the samples that earlier runs left out, tried once more.
//!
//! A shard in which a step left samples out is opened again, in that step and the per-sample steps behind it: its rows are kept and only what is missing is computed.
//! What was trained since is set aside meanwhile. Where the samples fail as before it comes back; otherwise the labels are made anew from there on.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::action::Action;
use super::error::PipelineError;
use super::plan::{Kind, Step};
use super::session::Session;
use crate::errors::FileError;

/// What a set-aside stage's folder is called besides its name.
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
            rename(&step.stage.folder, &aside(step))?;
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
                rename(&aside(step), &step.stage.folder)?;
            } else {
                remove(&aside(step))?;
            }
        }
        Ok(())
    }

    /// Removes what a retry that was interrupted had set aside: what is made anew is right in any case.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub fn end_interrupted_retry(&self) -> Result<(), PipelineError> {
        self.stored_steps().filter(|step| aside(step).is_dir()).try_for_each(|step| remove(&aside(step)))
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
            for shard in (0..self.samples.shards()).filter(|shard| step.stage.has(*shard)) {
                if step.stage.left_out(shard)? && seen.insert(shard) {
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
        for step in steps[*place..].iter().filter(|step| step.kind() == Kind::PerSample && step.stage.has(*shard)) {
            step.stage.open_again(*shard)?;
        }
    }
    Ok(())
}

fn aside(step: &Step) -> PathBuf {
    let mut name = step.stage.folder.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ASIDE);
    step.stage.folder.with_file_name(name)
}

/// Renames a folder, where it is there.
fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::of("move", from)(error)),
        _ => Ok(()),
    }
}

fn remove(folder: &Path) -> Result<(), PipelineError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::of("remove", folder)(error).into()),
        _ => Ok(()),
    }
}

//! Storing done shards, in order, in the background; after an interruption, what is done of the others.

use super::flow::Flow;
use super::open::{StepResults, Unfinished};
use super::{Segment, Todo, entry};
use crate::engine::entry::Entry;
use crate::engine::error::EngineError;
use crate::engine::runner::Stored;
use crate::engine::store::{self, Record};
use std::sync::PoisonError;

/// So many samples in a row that failed in a step stop the run, whatever the shards' size: a plugin's config is wrong, or the files are not what they were.
const SUSPICIOUS: usize = 64;
/// As many at the very beginning, before any succeeded, or as the first shard has.
const SUSPICIOUS_AT_FIRST: usize = 16;

/// Counts, step by step, the samples in a row that failed.
pub(super) struct Streaks {
    /// By step: how many failed since the last success, and whether there was one. A run that does not begin with the first shard takes it that there was.
    steps: Vec<(usize, bool)>,
    /// Samples of the first shard.
    first: usize,
}

impl Streaks {
    pub fn new<R: Record>(segment: &Segment<'_, R>) -> Self {
        let resumed = segment.todo.first().is_none_or(|todo| todo.shard != 0);
        Self { steps: vec![(0, resumed); segment.steps.len()], first: segment.samples.shard(0).len() }
    }

    /// Takes in how a sample ended in a step; how many failed in a row, where that is suspicious.
    fn add(&mut self, step: usize, failed: bool) -> Option<usize> {
        let (streak, succeeded) = &mut self.steps[step];
        if !failed {
            (*streak, *succeeded) = (0, true);
            return None;
        }
        *streak += 1;
        let most = if *succeeded { SUSPICIOUS } else { SUSPICIOUS_AT_FIRST.min(self.first) };
        (*streak >= most).then_some(*streak)
    }
}

impl<R: Record> Flow<'_, '_, R> {
    /// Stores shards as they are done, until there will be no more.
    pub(super) fn write_shards(&self) {
        let mut streaks = Streaks::new(self.segment);
        while let Some((todo, results)) = self.next_done() {
            // After a failure nothing more is stored: shards that are done are kept only in order.
            if self.failed() {
                return;
            }
            let todo = &self.segment.todo[todo];
            let samples = self.segment.samples.shard(todo.shard).len();
            self.written(samples, self.segment.store(todo, results, &mut streaks));
        }
    }
}

/// The results of a step in a shard, in the samples' order, with what was skipped.
struct Sorted<R> {
    step: usize,
    results: StepResults<R>,
    errors: Vec<Entry>,
}

impl<R: Record> Segment<'_, R> {
    fn store(&self, todo: &Todo, results: Vec<StepResults<R>>, streaks: &mut Streaks) -> Result<(), EngineError> {
        let sorted = self.sorted(todo, results);
        // Nothing of the shard is stored when there is something wrong with the plugin or the files.
        if self.runner.ledger.stops_at_streaks() {
            sorted.iter().try_for_each(|sorted| self.check_streak(sorted, streaks))?;
        }
        for step in sorted {
            let node = &self.nodes[step.step];
            let made = store::write_records(&node.stage, todo.shard, node.form, &self.rows(&step), &step.errors)?;
            if self.steps[step.step].parts.contains(&todo.shard) {
                store::remove_part(&node.stage, todo.shard)?;
            }
            self.runner.stored.lock().unwrap_or_else(PoisonError::into_inner).push(Stored {
                stage: node.stage.name.clone(),
                shard: todo.shard,
                made,
            });
            self.runner.ledger.enter(&step.errors)?;
        }
        Ok(())
    }

    /// Keeps what is done of shards that an interruption left unfinished, for the next run to take up.
    pub(super) fn store_parts(&self, unfinished: Vec<Unfinished<R>>) -> Result<(), EngineError> {
        for Unfinished { todo, results } in unfinished {
            let todo = &self.todo[todo];
            for step in self.sorted(todo, results) {
                let node = &self.nodes[step.step];
                store::write_part(&node.stage, todo.shard, node.form, &self.rows(&step), &step.errors)?;
            }
        }
        Ok(())
    }

    fn sorted(&self, todo: &Todo, results: Vec<StepResults<R>>) -> Vec<Sorted<R>> {
        let sort = |(step, mut results): (&usize, StepResults<R>)| {
            results.sort_unstable_by_key(|(sample, _)| *sample);
            let error =
                |(sample, result): &(usize, Result<_, _>)| Some(entry(self.samples, *sample, &self.nodes[*step].stage, result.as_ref().err()?));
            let errors = results.iter().filter_map(error).collect();
            Sorted { step: *step, results, errors }
        };
        todo.steps.iter().zip(results).map(sort).collect()
    }

    fn rows<'r>(&'r self, sorted: &'r Sorted<R>) -> Vec<(&'r str, &'r R)> {
        let row =
            |(sample, result): &'r (usize, Result<std::sync::Arc<R>, _>)| Some((self.samples.list[*sample].id.as_str(), &**result.as_ref().ok()?));
        sorted.results.iter().filter_map(row).collect()
    }

    fn check_streak(&self, sorted: &Sorted<R>, streaks: &mut Streaks) -> Result<(), EngineError> {
        let mut failed = 0;
        for (_, result) in &sorted.results {
            failed += usize::from(result.is_err());
            if let Some(count) = streaks.add(sorted.step, result.is_err()) {
                let last = Box::new(sorted.errors[failed - 1].clone());
                return Err(EngineError::AllFailed { stage: self.nodes[sorted.step].stage.name.clone(), count, last });
            }
        }
        Ok(())
    }
}

//! Storing done shards, in order, in the background.

use super::flow::Flow;
use super::state::StepResults;
use super::{Segment, entry};
use crate::engine::entry::Entry;
use crate::engine::error::EngineError;
use crate::engine::store::{self, Record};

/// A shard of at least so many samples that all failed stops the run.
const SUSPICIOUS: usize = 16;

impl<R: Record> Flow<'_, '_, R> {
    /// Stores shards as they are done, until there will be no more.
    pub(super) fn write_shards(&self) {
        while let Some((todo, results)) = self.next_done() {
            // After a failure nothing more is stored: shards that are done are kept only in order.
            if self.failed() {
                return;
            }
            let samples = self.segment.samples.shard(self.segment.todo[todo].shard).len();
            self.written(samples, self.segment.store(todo, results));
        }
    }
}

impl<R: Record> Segment<'_, R> {
    fn store(&self, todo: usize, results: Vec<StepResults<R>>) -> Result<(), EngineError> {
        let todo = &self.todo[todo];
        let mut sorted = Vec::with_capacity(results.len());
        for (step, mut results) in todo.steps.iter().zip(results) {
            results.sort_unstable_by_key(|(sample, _)| *sample);
            let errors: Vec<Entry> = (results.iter())
                .filter_map(|(sample, result)| Some(entry(self.samples, *sample, &self.nodes[*step].stage, result.as_ref().err()?)))
                .collect();
            // That many bad samples in a row are no bad samples: a disk is gone, or the plugin's config is wrong. Nothing of the shard is stored.
            let all_failed = errors.len() == results.len() && !errors.is_empty();
            if all_failed && (errors.len() >= SUSPICIOUS || todo.shard == 0) {
                return Err(EngineError::AllFailed { stage: self.nodes[*step].stage.name.clone(), count: errors.len(), first: errors[0].clone() });
            }
            sorted.push((*step, results, errors));
        }
        for (step, results, errors) in sorted {
            let node = &self.nodes[step];
            let rows: Vec<(&str, &R)> =
                (results.iter()).filter_map(|(sample, result)| Some((self.samples.list[*sample].id.as_str(), &**result.as_ref().ok()?))).collect();
            store::write_records(&node.stage, todo.shard, node.form, &rows, &errors)?;
            self.runner.ledger.enter(&errors)?;
        }
        Ok(())
    }
}

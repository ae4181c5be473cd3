//! Taking up what an interrupted run was done with of a shard.

use std::collections::HashMap;
use std::sync::Arc;

use convert_sdk::{Error, ErrorKind};

use super::open::{StepResults, StoredRows};
use super::{Segment, Todo};
use crate::engine::error::EngineError;
use crate::engine::store::{self, Record};

/// How a sample ended in a step.
enum Ended<R> {
    With(Result<Arc<R>, Error>),
    /// Left out, since something that the step reads is not there.
    LeftOut,
}

impl<R: Record> Segment<'_, R> {
    /// The results of the samples of a shard that an interrupted run was done with in all steps; these samples are taken out of `coming`.
    pub(super) fn take_up(&self, todo: &Todo, stored: &StoredRows<R>, coming: &mut Vec<usize>) -> Result<Vec<StepResults<R>>, EngineError> {
        let mut parts = Vec::with_capacity(todo.steps.len());
        for step in &todo.steps {
            parts.push(self.part(*step, todo.shard)?);
        }
        let mut results: Vec<StepResults<R>> = todo.steps.iter().map(|_| Vec::with_capacity(coming.len())).collect();
        if parts.iter().all(HashMap::is_empty) {
            return Ok(results);
        }
        coming.retain(|sample| {
            let Some(ended) = self.ended(*sample, todo, stored, &mut parts) else { return true };
            for (results, ended) in results.iter_mut().zip(ended) {
                if let Ended::With(result) = ended {
                    results.push((*sample, result));
                }
            }
            false
        });
        Ok(results)
    }

    /// How a sample ended in each step, in their order; `None` where that is not known of all.
    fn ended(
        &self,
        sample: usize,
        todo: &Todo,
        stored: &StoredRows<R>,
        parts: &mut [HashMap<usize, Result<Arc<R>, Error>>],
    ) -> Option<Vec<Ended<R>>> {
        let mut ended: Vec<Ended<R>> = Vec::with_capacity(todo.steps.len());
        for (step, part) in todo.steps.iter().zip(parts) {
            let has_row = |node: &usize| match todo.steps.iter().position(|step| step == node) {
                Some(place) => matches!(ended.get(place), Some(Ended::With(Ok(_)))),
                None => stored.get(&sample).is_some_and(|rows| rows.iter().any(|(stored, _)| stored == node)),
            };
            let complete = self.steps[*step].reads.iter().filter(|(_, required)| *required).all(|(node, _)| has_row(node));
            let end = if complete { Ended::With(part.remove(&sample)?) } else { Ended::LeftOut };
            ended.push(end);
        }
        Some(ended)
    }

    /// What an interrupted run kept of a step in a shard, by sample.
    fn part(&self, step: usize, shard: usize) -> Result<HashMap<usize, Result<Arc<R>, Error>>, EngineError> {
        if !self.steps[step].parts.contains(&shard) {
            return Ok(HashMap::new());
        }
        let node = &self.nodes[step];
        let Some((rows, errors)) = store::read_part::<R>(&node.stage, shard, node.form, self.samples)? else { return Ok(HashMap::new()) };
        let error = |entry: store::Entry| {
            let found = self.samples.find(shard, &entry.id);
            found.map(|sample| (sample, Err(Error::new(ErrorKind::from_name(&entry.kind), entry.reason))))
        };
        Ok(rows.into_iter().map(|(sample, row)| (sample, Ok(Arc::new(row)))).chain(errors.into_iter().filter_map(error)).collect())
    }
}

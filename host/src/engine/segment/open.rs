//! A shard that is worked on: what is done to its samples, and what is known of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use convert_sdk::Error;

use super::{Segment, Todo};
use crate::engine::error::EngineError;
use crate::engine::store::Record;

/// What is done to the samples of a group next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Decoding the image, sample by sample, before a step that takes many samples a call.
    Decode {
        /// That step.
        step: usize,
    },
    /// A step.
    Step(usize),
}

impl Phase {
    pub fn step(self) -> usize {
        match self {
            Self::Decode { step } | Self::Step(step) => step,
        }
    }
}

/// Results of a step in a shard: sample and result, in the order in which groups end.
pub(super) type StepResults<R> = Vec<(usize, Result<Arc<R>, Error>)>;

/// Results of earlier stages: by sample, node and row.
pub(super) type StoredRows<R> = HashMap<usize, Vec<(usize, Arc<R>)>>;

/// A shard of which not all samples are done.
pub(super) struct Open<R> {
    pub phases: Vec<Phase>,
    /// Of earlier stages.
    pub stored: StoredRows<R>,
    /// The samples that are in no group yet: all, but for those that an interrupted run was done with.
    pub coming: std::vec::IntoIter<usize>,
    /// Samples that are not done.
    pub left: usize,
    /// By place in [`Todo::steps`].
    pub results: Vec<StepResults<R>>,
}

/// What an interruption left of a shard.
pub(super) struct Unfinished<R> {
    /// Index among the shards to do.
    pub todo: usize,
    /// By place in [`Todo::steps`].
    pub results: Vec<StepResults<R>>,
}

impl<R: Record> Open<R> {
    /// Reads what earlier stages stored of a shard's samples.
    pub fn read(segment: &Segment<'_, R>, todo: &Todo) -> Result<Self, EngineError> {
        let mut wanted: BTreeSet<usize> = todo.steps.iter().flat_map(|step| segment.steps[*step].reads.iter().map(|(node, _)| *node)).collect();
        wanted.retain(|node| !todo.steps.contains(node));
        let mut stored: StoredRows<R> = HashMap::new();
        for node in wanted {
            let from = &segment.nodes[node];
            for (sample, row) in from.stage.read_records::<R>(from.form, segment.samples, todo.shard)? {
                stored.entry(sample).or_default().push((node, Arc::new(row)));
            }
        }
        let mut phases = Vec::new();
        for step in &todo.steps {
            if segment.steps[*step].batches() {
                phases.push(Phase::Decode { step: *step });
            }
            phases.push(Phase::Step(*step));
        }
        let mut coming: Vec<usize> = segment.samples.shard(todo.shard).collect();
        let results = segment.take_up(todo, &stored, &mut coming)?;
        Ok(Self { phases, stored, left: coming.len(), coming: coming.into_iter(), results })
    }
}

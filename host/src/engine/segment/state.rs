//! What is in flight of a segment, and which piece of work comes next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use convert_sdk::{Error, LazyImage};

use super::open::{Open, Phase, StepResults, Unfinished};
use super::{Segment, cancelled};
use crate::engine::error::EngineError;
use crate::engine::progress::StageProgress;
use crate::engine::store::Record;

/// Calls that may be at a device at once: while one computes, the results of the other are taken off.
const DEVICE_CALLS: usize = 2;

/// How a piece of work ended.
pub(super) enum Outcome {
    /// Every sample has a result, an error, or was skipped before.
    Done,
    /// The memory does not do for a single sample.
    OutOfMemory(EngineError),
    /// Something that says nothing about the samples: the run cannot go on.
    Stop(EngineError),
}

/// What is known of a sample at a node.
pub(super) enum Slot<R> {
    /// Nothing, or that it was skipped before.
    Absent,
    /// A result, computed or read.
    Row(Arc<R>),
    /// It failed here.
    Failed(Error),
}

/// A sample on its way through the steps.
pub(super) struct Flowing<'a, R> {
    pub sample: usize,
    pub image: LazyImage<'a>,
    /// By node.
    pub slots: Vec<Slot<R>>,
}

/// Consecutive samples of a shard.
struct Group<'a, R> {
    /// Index among the shards to do.
    todo: usize,
    /// `None` while a worker has them.
    samples: Vec<Option<Flowing<'a, R>>>,
    phase: usize,
    /// Pieces of the present phase that are not done.
    waiting: usize,
}

/// A piece of work: samples of a group in its present phase.
pub(super) struct Piece<'a, R> {
    group: u64,
    start: usize,
    pub phase: Phase,
    pub samples: Vec<Flowing<'a, R>>,
}

/// Samples, groups and shards of a segment between the first decoding and the last result; its methods are the transitions. One thread at a time has it.
pub(super) struct State<'s, 'a, R: Record> {
    segment: &'s Segment<'a, R>,
    progress: &'s StageProgress,
    /// Groups in flight at most.
    window: usize,
    /// Samples in open and unwritten shards, above which no further shard is opened.
    most_unwritten: usize,
    /// The shard that groups are taken from is this one of those to do.
    shard: usize,
    opening: bool,
    open: BTreeMap<usize, Open<R>>,
    groups: BTreeMap<u64, Group<'a, R>>,
    next_group: u64,
    /// Group, phase, first sample.
    ready: BTreeSet<(u64, usize, usize)>,
    device_calls: usize,
    device_limit: usize,
    /// Done shards that are not written, by their place among those to do.
    done: BTreeMap<usize, Vec<StepResults<R>>>,
    /// How many samples are in open shards and in those that are not written.
    unwritten: usize,
    next_to_write: usize,
    /// No more shards will be done.
    pub closed: bool,
    failure: Option<EngineError>,
}

/// What a worker does next.
pub(super) enum Next<'a, R> {
    Work(Piece<'a, R>),
    Open(usize),
    Wait,
    End,
}

impl<'s, 'a, R: Record> State<'s, 'a, R> {
    pub fn new(segment: &'s Segment<'a, R>, progress: &'s StageProgress) -> Self {
        let threads = segment.runner.pool.current_num_threads();
        let window = (2 * threads).div_ceil(segment.group) + 2;
        let largest = segment.todo.iter().map(|todo| segment.samples.shard(todo.shard).len()).max().unwrap_or(0);
        Self {
            segment,
            progress,
            window,
            most_unwritten: 2 * largest + 2 * window * segment.group,
            shard: 0,
            opening: false,
            open: BTreeMap::new(),
            groups: BTreeMap::new(),
            next_group: 0,
            ready: BTreeSet::new(),
            device_calls: 0,
            device_limit: DEVICE_CALLS,
            done: BTreeMap::new(),
            unwritten: 0,
            next_to_write: 0,
            closed: false,
            failure: None,
        }
    }

    /// What a worker does next.
    pub fn next(&mut self) -> Next<'a, R> {
        // After an interruption no further call is begun, so that the end of the longest one is all that is waited for.
        if self.failure.is_some() || cancelled(&self.segment.runner.cancel) {
            return Next::End;
        }
        loop {
            if let Some(piece) = self.take() {
                return Next::Work(piece);
            }
            if self.groups.len() < self.window && self.admit() {
                continue;
            }
            break;
        }
        let more = self.shard < self.segment.todo.len();
        let opened = self.open.contains_key(&self.shard);
        if more && !opened && !self.opening && self.groups.len() < self.window && self.unwritten < self.most_unwritten {
            self.opening = true;
            return Next::Open(self.shard);
        }
        if self.groups.is_empty() && !self.opening && !opened && !more { Next::End } else { Next::Wait }
    }

    /// The next piece of work that is ready: the oldest group first, so that little is in flight.
    fn take(&mut self) -> Option<Piece<'a, R>> {
        let device_free = self.device_calls < self.device_limit;
        let phase_of = |group: u64| self.phase_of(&self.groups[&group]);
        let key = *self.ready.iter().find(|(group, ..)| device_free || !self.takes_device(phase_of(*group)))?;
        let phase = phase_of(key.0);
        self.ready.remove(&key);
        self.device_calls += usize::from(self.takes_device(phase));
        let size = self.piece_size(phase);
        let group = self.groups.get_mut(&key.0)?;
        let samples = group.samples.iter_mut().skip(key.2).take(size).filter_map(Option::take).collect();
        Some(Piece { group: key.0, start: key.2, phase, samples })
    }

    fn takes_device(&self, phase: Phase) -> bool {
        matches!(phase, Phase::Step(step) if self.segment.steps[step].batches())
    }

    fn phase_of(&self, group: &Group<'a, R>) -> Phase {
        self.open[&group.todo].phases[group.phase]
    }

    fn piece_size(&self, phase: Phase) -> usize {
        match phase {
            Phase::Decode { .. } => 1,
            Phase::Step(step) => self.segment.steps[step].batch_size(),
        }
    }

    /// Takes the next group of the shard at hand in; whether there was one.
    fn admit(&mut self) -> bool {
        let (todo, segment) = (self.shard, self.segment);
        let Some(open) = self.open.get_mut(&todo) else { return false };
        let next: Vec<usize> = open.coming.by_ref().take(segment.group).collect();
        let nodes = segment.nodes.len();
        let flowing = |sample: usize| {
            let mut slots: Vec<Slot<R>> = (0..nodes).map(|_| Slot::Absent).collect();
            for (node, row) in open.stored.remove(&sample).into_iter().flatten() {
                slots[node] = Slot::Row(row);
            }
            Some(Flowing { sample, image: (segment.image)(sample), slots })
        };
        let samples: Vec<_> = next.into_iter().map(flowing).collect();
        if open.coming.as_slice().is_empty() {
            self.shard += 1;
        }
        let number = self.next_group;
        self.next_group += 1;
        let mut group = Group { todo, samples, phase: 0, waiting: 0 };
        self.begin_phase(number, &mut group);
        self.groups.insert(number, group);
        true
    }

    fn begin_phase(&mut self, number: u64, group: &mut Group<'a, R>) {
        let starts = (0..group.samples.len()).step_by(self.piece_size(self.phase_of(group)));
        group.waiting = starts.len();
        self.ready.extend(starts.map(|start| (number, group.phase, start)));
    }

    /// Puts the samples of a piece back, and goes on with their group when it was the last.
    ///
    /// Returns the images that nobody needs any more: freeing them is not done under the lock.
    pub fn settle(&mut self, piece: Piece<'a, R>, outcome: Outcome) -> Vec<LazyImage<'a>> {
        let device = self.takes_device(piece.phase);
        let together = self.device_calls > 1;
        self.device_calls -= usize::from(device);
        let Some(mut group) = self.groups.remove(&piece.group) else { return Vec::new() };
        for (place, sample) in group.samples[piece.start..].iter_mut().zip(piece.samples) {
            *place = Some(sample);
        }
        match outcome {
            Outcome::Done => group.waiting -= 1,
            // The memory may do for one call at a time.
            Outcome::OutOfMemory(_) if device && together && self.device_limit > 1 => {
                self.device_limit = 1;
                self.ready.insert((piece.group, group.phase, piece.start));
            }
            Outcome::OutOfMemory(failure) | Outcome::Stop(failure) => self.fail(failure),
        }
        if group.waiting == 0 {
            group.phase += 1;
            if group.phase == self.open[&group.todo].phases.len() {
                return self.finish(group);
            }
            self.begin_phase(piece.group, &mut group);
        }
        self.groups.insert(piece.group, group);
        Vec::new()
    }

    /// A group is through; its images.
    fn finish(&mut self, group: Group<'a, R>) -> Vec<LazyImage<'a>> {
        let Some(open) = self.open.get_mut(&group.todo) else { return Vec::new() };
        let mut images = Vec::with_capacity(group.samples.len());
        self.progress.add(group.samples.len() as u64);
        open.left -= group.samples.len();
        let steps = &self.segment.todo[group.todo].steps;
        for mut sample in group.samples.into_iter().flatten() {
            for (step, results) in steps.iter().zip(&mut open.results) {
                match std::mem::replace(&mut sample.slots[*step], Slot::Absent) {
                    Slot::Row(row) => results.push((sample.sample, Ok(row))),
                    Slot::Failed(error) => results.push((sample.sample, Err(error))),
                    Slot::Absent => {}
                }
            }
            images.push(sample.image);
        }
        if open.left == 0
            && let Some(open) = self.open.remove(&group.todo)
        {
            self.done.insert(group.todo, open.results);
        }
        images
    }

    /// Whether a shard waits to be written.
    pub fn has_done(&self) -> bool {
        self.done.contains_key(&self.next_to_write)
    }

    /// Takes a shard in that was opened for work.
    pub fn opened(&mut self, todo: usize, opened: Result<Open<R>, EngineError>) {
        self.opening = false;
        match opened {
            Ok(open) => {
                let samples = self.segment.samples.shard(self.segment.todo[todo].shard).len();
                self.unwritten += samples;
                self.progress.add((samples - open.left) as u64);
                if open.left > 0 {
                    self.open.insert(todo, open);
                } else {
                    self.shard += 1;
                    self.done.insert(todo, open.results);
                }
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// The next done shard in order, if it is there.
    pub fn next_done(&mut self) -> Option<(usize, Vec<StepResults<R>>)> {
        let next = self.next_to_write;
        let results = self.done.remove(&next)?;
        self.next_to_write += 1;
        Some((next, results))
    }

    /// So many samples' shard is stored, or could not be.
    pub fn written(&mut self, samples: usize, result: Result<(), EngineError>) {
        self.unwritten -= samples;
        if let Err(failure) = result {
            self.fail(failure);
        }
    }

    /// Ends the work; of several failures the first counts.
    pub fn fail(&mut self, failure: EngineError) {
        self.failure.get_or_insert(failure);
    }

    pub fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// What is done of shards that are not stored, once nobody works any more.
    pub fn take_unfinished(&mut self) -> Vec<Unfinished<R>> {
        let open = std::mem::take(&mut self.open).into_iter().map(|(todo, open)| (todo, open.results));
        let done = std::mem::take(&mut self.done);
        open.chain(done)
            .map(|(todo, results)| Unfinished { todo, results })
            .filter(|unfinished| !unfinished.results.iter().all(Vec::is_empty))
            .collect()
    }

    /// How it ended.
    pub fn result(self) -> Result<(), EngineError> {
        match self.failure {
            Some(failure) => Err(failure),
            None if self.next_to_write < self.segment.todo.len() => Err(EngineError::Interrupted),
            None => Ok(()),
        }
    }
}

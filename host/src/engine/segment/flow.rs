//! What is in flight of a segment, and which piece of work comes next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use convert_sdk::{Error, LazyImage};

use super::work::Outcome;
use super::{Segment, Todo, cancelled, lock};
use crate::engine::progress::StageProgress;
use crate::engine::store::Record;
use crate::failure::Failure;

/// Calls that may be at a device at once: while one computes, the results of the other are taken off.
const DEVICE_CALLS: usize = 2;

/// What is known of a sample at a node.
pub(super) enum Slot<R> {
    /// Nothing, or that it was left out before.
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

/// Results of a step in a shard: sample and result, in the order in which groups end.
pub(super) type StepResults<R> = Vec<(usize, Result<Arc<R>, Error>)>;

/// A shard of which not all samples are done.
struct Open<R> {
    phases: Vec<Phase>,
    /// Stored results of earlier stages: by sample, node and row.
    stored: HashMap<usize, Vec<(usize, Arc<R>)>>,
    /// The sample that the next group begins with.
    next: usize,
    /// Samples that are not done.
    left: usize,
    /// By place in [`Todo::steps`].
    results: Vec<StepResults<R>>,
}

/// A piece of work: samples of a group in its present phase.
pub(super) struct Piece<'a, R> {
    group: u64,
    start: usize,
    pub phase: Phase,
    pub samples: Vec<Flowing<'a, R>>,
}

struct State<'a, R> {
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
    closed: bool,
    failure: Option<Failure>,
}

/// A segment at work.
pub(super) struct Flow<'s, 'a, R: Record> {
    pub segment: &'s Segment<'a, R>,
    progress: &'s StageProgress,
    state: Mutex<State<'a, R>>,
    changed: Condvar,
    /// Groups in flight at most.
    window: usize,
    /// Samples in open and unwritten shards, above which no further shard is opened.
    most_unwritten: usize,
}

/// What a worker does next.
enum Next<'a, R> {
    Work(Piece<'a, R>),
    Open(usize),
    Wait,
    End,
}

impl<'s, 'a, R: Record> Flow<'s, 'a, R> {
    pub fn new(segment: &'s Segment<'a, R>, progress: &'s StageProgress) -> Self {
        let threads = segment.runner.pool.current_num_threads();
        let window = (2 * threads).div_ceil(segment.group) + 2;
        let largest = segment.todo.iter().map(|todo| segment.samples.shard(todo.shard).len()).max().unwrap_or(0);
        let state = State {
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
        };
        let most_unwritten = 2 * largest + 2 * window * segment.group;
        Self { segment, progress, state: Mutex::new(state), changed: Condvar::new(), window, most_unwritten }
    }

    /// Works until nothing is left, or something failed. Called by every thread of the pool.
    pub fn work(&self) {
        let _awake = WakeOthers(self);
        let mut state = lock(&self.state);
        loop {
            match self.next(&mut state) {
                Next::End => return,
                Next::Wait => state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner),
                Next::Open(todo) => {
                    drop(state);
                    let opened = self.open(&self.segment.todo[todo]);
                    state = lock(&self.state);
                    state.opening = false;
                    match opened {
                        Ok(open) => {
                            state.unwritten += open.left;
                            state.open.insert(todo, open);
                        }
                        Err(failure) => self.fail(&mut state, failure),
                    }
                    self.changed.notify_all();
                }
                Next::Work(mut piece) => {
                    drop(state);
                    let begun = Instant::now();
                    let outcome = self.segment.perform(piece.phase, &mut piece.samples);
                    let spent = begun.elapsed().as_nanos() as u64;
                    self.segment.steps[piece.phase.step()].busy.fetch_add(spent, Ordering::Relaxed);
                    state = lock(&self.state);
                    self.settle(&mut state, piece, outcome);
                    self.changed.notify_all();
                }
            }
        }
    }

    fn next(&self, state: &mut State<'a, R>) -> Next<'a, R> {
        if state.failure.is_some() {
            return Next::End;
        }
        loop {
            if let Some(piece) = self.take(state) {
                return Next::Work(piece);
            }
            if state.groups.len() < self.window && self.admit(state) {
                continue;
            }
            break;
        }
        let more = state.shard < self.segment.todo.len() && !cancelled(&self.segment.runner.cancel);
        let opened = state.open.contains_key(&state.shard);
        if more && !opened && !state.opening && state.groups.len() < self.window && state.unwritten < self.most_unwritten {
            state.opening = true;
            return Next::Open(state.shard);
        }
        if state.groups.is_empty() && !state.opening && !opened && !more { Next::End } else { Next::Wait }
    }

    /// The next piece of work that is ready: the oldest group first, so that little is in flight.
    fn take(&self, state: &mut State<'a, R>) -> Option<Piece<'a, R>> {
        let device_free = state.device_calls < state.device_limit;
        let phase_of = |state: &State<'a, R>, group: u64| {
            let group = &state.groups[&group];
            state.open[&group.todo].phases[group.phase]
        };
        let takes_device = |phase: Phase| matches!(phase, Phase::Step(step) if self.segment.steps[step].batches());
        let key = *state.ready.iter().find(|(group, ..)| device_free || !takes_device(phase_of(state, *group)))?;
        state.ready.remove(&key);
        let phase = phase_of(state, key.0);
        state.device_calls += usize::from(takes_device(phase));
        let size = self.piece_size(phase);
        let group = state.groups.get_mut(&key.0)?;
        let samples = group.samples.iter_mut().skip(key.2).take(size).filter_map(Option::take).collect();
        Some(Piece { group: key.0, start: key.2, phase, samples })
    }

    fn piece_size(&self, phase: Phase) -> usize {
        match phase {
            Phase::Decode { .. } => 1,
            Phase::Step(step) => self.segment.steps[step].batch_size(),
        }
    }

    /// Takes the next group of the shard at hand in; whether there was one.
    fn admit(&self, state: &mut State<'a, R>) -> bool {
        let todo = state.shard;
        let Some(open) = state.open.get_mut(&todo) else { return false };
        let range = self.segment.samples.shard(self.segment.todo[todo].shard);
        let end = (open.next + self.segment.group).min(range.end);
        let nodes = self.segment.nodes.len();
        let flowing = |sample: usize| {
            let mut slots: Vec<Slot<R>> = (0..nodes).map(|_| Slot::Absent).collect();
            for (node, row) in open.stored.remove(&sample).into_iter().flatten() {
                slots[node] = Slot::Row(row);
            }
            Some(Flowing { sample, image: (self.segment.image)(sample), slots })
        };
        let samples: Vec<_> = (open.next..end).map(flowing).collect();
        open.next = end;
        if end == range.end {
            state.shard += 1;
        }
        let number = state.next_group;
        state.next_group += 1;
        let mut group = Group { todo, samples, phase: 0, waiting: 0 };
        self.begin_phase(&mut state.ready, open_phase(&state.open, &group), number, &mut group);
        state.groups.insert(number, group);
        true
    }

    fn begin_phase(&self, ready: &mut BTreeSet<(u64, usize, usize)>, phase: Phase, number: u64, group: &mut Group<'a, R>) {
        let starts = (0..group.samples.len()).step_by(self.piece_size(phase));
        group.waiting = starts.len();
        ready.extend(starts.map(|start| (number, group.phase, start)));
    }

    /// Puts the samples of a piece back, and goes on with their group when it was the last.
    fn settle(&self, state: &mut State<'a, R>, piece: Piece<'a, R>, outcome: Outcome) {
        let device = matches!(piece.phase, Phase::Step(step) if self.segment.steps[step].batches());
        let together = state.device_calls > 1;
        state.device_calls -= usize::from(device);
        let Some(mut group) = state.groups.remove(&piece.group) else { return };
        for (place, sample) in group.samples[piece.start..].iter_mut().zip(piece.samples) {
            *place = Some(sample);
        }
        match outcome {
            Outcome::Done => group.waiting -= 1,
            // The memory may do for one call at a time.
            Outcome::OutOfMemory(_) if device && together && state.device_limit > 1 => {
                state.device_limit = 1;
                state.ready.insert((piece.group, group.phase, piece.start));
            }
            Outcome::OutOfMemory(failure) | Outcome::Stop(failure) => self.fail(state, failure),
        }
        if group.waiting == 0 {
            group.phase += 1;
            if group.phase == state.open[&group.todo].phases.len() {
                return self.finish(state, group);
            }
            let phase = open_phase(&state.open, &group);
            self.begin_phase(&mut state.ready, phase, piece.group, &mut group);
        }
        state.groups.insert(piece.group, group);
    }

    /// A group is through.
    fn finish(&self, state: &mut State<'a, R>, group: Group<'a, R>) {
        let Some(open) = state.open.get_mut(&group.todo) else { return };
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
        }
        if open.left == 0
            && let Some(open) = state.open.remove(&group.todo)
        {
            state.done.insert(group.todo, open.results);
        }
    }

    /// Reads what earlier stages stored of a shard's samples.
    fn open(&self, todo: &Todo) -> Result<Open<R>, Failure> {
        let segment = self.segment;
        let mut wanted: BTreeSet<usize> = todo.steps.iter().flat_map(|step| segment.steps[*step].reads.iter().map(|(node, _)| *node)).collect();
        wanted.retain(|node| !todo.steps.contains(node));
        let mut stored: HashMap<usize, Vec<(usize, Arc<R>)>> = HashMap::new();
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
        let range = segment.samples.shard(todo.shard);
        let results = todo.steps.iter().map(|_| Vec::with_capacity(range.len())).collect();
        Ok(Open { phases, stored, next: range.start, left: range.len(), results })
    }

    fn fail(&self, state: &mut State<'a, R>, failure: Failure) {
        state.failure.get_or_insert(failure);
        self.changed.notify_all();
    }

    /// No more shards will be done.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.changed.notify_all();
    }

    /// Waits for the next shard in order; `None` when there will be none.
    pub fn next_done(&self) -> Option<(usize, Vec<StepResults<R>>)> {
        let mut state = lock(&self.state);
        loop {
            let next = state.next_to_write;
            if let Some(results) = state.done.remove(&next) {
                state.next_to_write += 1;
                return Some((next, results));
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// A shard is stored, or could not be.
    pub fn written(&self, samples: usize, result: Result<(), Failure>) {
        let mut state = lock(&self.state);
        state.unwritten -= samples;
        if let Err(failure) = result {
            self.fail(&mut state, failure);
        }
        self.changed.notify_all();
    }

    /// How it ended.
    pub fn result(self) -> Result<(), Failure> {
        let state = self.state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match state.failure {
            Some(failure) => Err(failure),
            None if state.next_to_write < self.segment.todo.len() => Err(super::super::stage::interrupted()),
            None => Ok(()),
        }
    }

    /// Whether something failed, so that nothing more is to be stored.
    pub fn failed(&self) -> bool {
        lock(&self.state).failure.is_some()
    }
}

fn open_phase<R>(open: &BTreeMap<usize, Open<R>>, group: &Group<'_, R>) -> Phase {
    open[&group.todo].phases[group.phase]
}

/// Ends the other workers when this one panics: they would wait for its samples for ever.
struct WakeOthers<'f, 's, 'a, R: Record>(&'f Flow<'s, 'a, R>);

impl<R: Record> Drop for WakeOthers<'_, '_, '_, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = lock(&self.0.state);
            self.0.fail(&mut state, Failure::run("a worker panicked"));
        }
    }
}

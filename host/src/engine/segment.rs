//! Several per-sample steps in one pass over the samples: an image is decoded at most once and shared by all steps, and no step waits for a shard's end.
//!
//! Samples flow through the steps in groups of consecutive samples of a shard, as many as the largest batch that a step wants (one on a CPU). A bounded number of
//! groups is in flight at a time, across shard ends. Every step keeps its own key and shard files: what an earlier run finished is read, the rest is computed;
//! shards are written in order by a thread of their own.

mod flow;
mod open;
mod parts;
mod state;
mod work;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use convert_sdk::{LazyImage, StageInfo};
use rayon::prelude::*;

use super::entry::Entry;
use super::error::EngineError;
use super::runner::Runner;
use super::samples::Samples;
use super::stage::Stage;
use super::store::Record;
use crate::errors::FileError;
use flow::Flow;

/// A step that gives one result a sample, as the engine sees it.
pub trait SampleStep<R: Record>: Sync {
    /// Why it cannot be built, besides what the engine itself says.
    type Error: From<EngineError>;

    /// Where its results lie.
    fn stage(&self) -> &Stage;

    /// What kind of result it is.
    fn form(&self) -> R::Form;

    /// The stages whose results of a sample it reads.
    fn reads(&self) -> Vec<Reads<R>>;

    /// Builds what computes the results. Called only when there are some to compute.
    ///
    /// # Errors
    /// What the plugin says of its config, its weights or the device.
    fn start(&self) -> Result<Box<dyn SampleWork<R> + '_>, Self::Error>;
}

/// A stage that a step reads.
pub struct Reads<R: Record> {
    /// The stage.
    pub stage: Stage,
    /// What it stores.
    pub form: R::Form,
    /// Whether a sample without a result there is left out of the step. It is in the ledger already.
    pub required: bool,
}

/// Computes the results of a step.
pub trait SampleWork<R>: Send + Sync {
    /// How many samples a call should get: more than one where a device works on several at once.
    fn batch_size(&self) -> usize {
        1
    }

    /// The results of some samples, in their order. Called from several threads at once. After an error of a batch of several, each of its samples is
    /// tried alone.
    ///
    /// # Errors
    /// Those of kind I/O (after some tries), device, out of memory, unsupported or interrupted say nothing about the samples: they stop the run. Any other says that a
    /// sample is bad.
    fn compute(&self, batch: &[Input<'_, R>]) -> Result<Vec<R>, convert_sdk::Error>;
}

/// A sample with what a step reads of it.
pub struct Input<'a, R> {
    /// Its index among the run's samples.
    pub sample: usize,
    /// Its image, decoded when first asked for by any step of the segment.
    pub image: &'a LazyImage<'a>,
    /// The results that the step [reads](SampleStep::reads), in that order; `None` only where it is not required.
    pub rows: Vec<Option<&'a R>>,
}

/// The lazily decoded image of a sample.
pub type ImageOf<'a> = dyn Fn(usize) -> LazyImage<'a> + Sync + 'a;

/// A stage of the segment, or one that is read from outside it.
struct Node<R: Record> {
    stage: Stage,
    form: R::Form,
}

/// A step with its place among the nodes; the node of step `i` is node `i`.
struct StepState<'a, R: Record> {
    /// Node and whether it is required.
    reads: Vec<(usize, bool)>,
    work: Option<Box<dyn SampleWork<R> + 'a>>,
    /// The shards of which an interrupted run kept something.
    parts: BTreeSet<usize>,
    /// How many samples a call gets: less than the plugin wished once memory ran out.
    batch_limit: AtomicUsize,
    /// Nanoseconds that threads spent in it.
    busy: AtomicU64,
}

impl<R: Record> StepState<'_, R> {
    fn batch_size(&self) -> usize {
        self.work.as_ref().map_or(1, |work| work.batch_size().max(1))
    }

    /// Whether its calls go to a device that works on several samples at once.
    fn batches(&self) -> bool {
        self.batch_size() > 1
    }
}

/// The steps of a segment, built when they first have work to do, and kept from one pass to the next.
pub struct Steps<'a, R: Record, E> {
    steps: &'a [&'a dyn SampleStep<R, Error = E>],
    nodes: Vec<Node<R>>,
    states: Vec<StepState<'a, R>>,
}

impl<'a, R: Record, E: From<EngineError>> Steps<'a, R, E> {
    /// None of them built.
    pub fn new(steps: &'a [&'a dyn SampleStep<R, Error = E>]) -> Self {
        let mut nodes: Vec<Node<R>> = steps.iter().map(|step| Node { stage: step.stage().clone(), form: step.form() }).collect();
        let mut states = Vec::with_capacity(steps.len());
        for step in steps {
            let mut reads = Vec::new();
            for read in step.reads() {
                let known = nodes.iter().position(|node| node.stage.id() == read.stage.id());
                reads.push((known.unwrap_or(nodes.len()), read.required));
                if known.is_none() {
                    nodes.push(Node { stage: read.stage, form: read.form });
                }
            }
            states.push(StepState { reads, work: None, parts: BTreeSet::new(), batch_limit: AtomicUsize::new(1), busy: AtomicU64::new(0) });
        }
        Self { steps, nodes, states }
    }

    /// Builds those that have work to do and are not built.
    fn build(&mut self, todo: &[Todo]) -> Result<(), E> {
        for (index, state) in self.states.iter_mut().enumerate() {
            state.busy = AtomicU64::new(0);
            if !todo.iter().any(|shard| shard.steps.contains(&index)) {
                continue;
            }
            state.parts = self.nodes[index].stage.parts().map_err(EngineError::from)?;
            if state.work.is_none() {
                state.work = Some(self.steps[index].start()?);
                state.batch_limit = AtomicUsize::new(state.batch_size());
            }
        }
        Ok(())
    }
}

/// A shard that has work to do, with the steps that are to compute it, in order.
struct Todo {
    shard: usize,
    steps: Vec<usize>,
}

/// A pass over the samples.
struct Segment<'a, R: Record> {
    runner: &'a Runner,
    samples: &'a Samples,
    nodes: &'a [Node<R>],
    steps: &'a [StepState<'a, R>],
    todo: Vec<Todo>,
    /// Samples that go together.
    group: usize,
    image: &'a ImageOf<'a>,
}

impl Runner {
    /// Runs the steps on these shards, in one pass over those that no earlier run finished.
    ///
    /// # Errors
    /// An interruption, a device's failure, results that cannot be stored or read, too many bad samples, or a shard in which every sample failed.
    pub fn run_segment<'a, R: Record, E: From<EngineError>>(
        &'a self,
        samples: &'a Samples,
        steps: &'a mut Steps<'_, R, E>,
        shards: &[usize],
        image: &'a ImageOf<'a>,
    ) -> Result<(), E> {
        let begun = Instant::now();
        let finished: Vec<BTreeMap<usize, u64>> =
            steps.nodes[..steps.states.len()].iter().map(|node| node.stage.shards()).collect::<Result<_, FileError>>().map_err(EngineError::from)?;
        let mut todo = Vec::new();
        for shard in shards {
            let steps: Vec<usize> = (0..finished.len()).filter(|step| !finished[*step].contains_key(shard)).collect();
            if !steps.is_empty() {
                todo.push(Todo { shard: *shard, steps });
            }
        }
        if !todo.is_empty() {
            self.stop_if_cancelled()?;
        }
        steps.build(&todo)?;
        // Not before: a segment whose models do not fit is begun again in parts, and enters them then.
        self.enter_left_out(&steps.nodes, &finished, shards)?;
        let group = steps.states.iter().map(StepState::batch_size).max().unwrap_or(1);
        let segment = Segment { runner: self, samples, nodes: &steps.nodes, steps: &steps.states, todo, group, image };
        let result = if segment.todo.is_empty() { Ok(()) } else { segment.run(shards) };
        segment.note(shards, begun.elapsed());
        Ok(result?)
    }

    /// Enters what finished shards left out.
    fn enter_left_out<R: Record>(&self, nodes: &[Node<R>], finished: &[BTreeMap<usize, u64>], shards: &[usize]) -> Result<(), EngineError> {
        for (node, finished) in nodes.iter().zip(finished) {
            let stage = &node.stage;
            let known: Vec<(usize, u64)> = shards.iter().filter_map(|shard| Some((*shard, *finished.get(shard)?))).collect();
            let read = || known.par_iter().map(|(shard, size)| stage.left_out(*shard, *size)).collect::<Result<Vec<_>, _>>();
            let left_out = self.pool.install(read)?;
            left_out.iter().try_for_each(|entries| self.ledger.enter(entries))?;
        }
        Ok(())
    }
}

impl<'a, R: Record> Segment<'a, R> {
    fn run(&self, shards: &[usize]) -> Result<(), EngineError> {
        let size = |list: &mut dyn Iterator<Item = usize>| list.map(|shard| self.samples.shard(shard).len() as u64).sum::<u64>();
        let all = size(&mut shards.iter().copied());
        let left = size(&mut self.todo.iter().map(|todo| todo.shard));
        let progress = self.runner.progress.stage(&self.name(), all, all - left);
        let flow = Flow::new(self, &progress);
        self.runner.in_flight.watched(|| {
            std::thread::scope(|scope| {
                let writer = scope.spawn(|| flow.write_shards());
                // Workers wake each other when one of them panics; the panic goes on from here.
                let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.runner.pool.broadcast(|_| flow.work())));
                flow.close();
                if let Some(panic) = worked.err().or(writer.join().err()) {
                    std::panic::resume_unwind(panic);
                }
            });
        });
        let unfinished = if cancelled(&self.runner.cancel) && !flow.failed() { flow.take_unfinished() } else { Vec::new() };
        let result = flow.result();
        progress.finish();
        self.store_parts(unfinished)?;
        result
    }

    /// What the bar of the segment is called.
    fn name(&self) -> String {
        let active: Vec<&str> = (0..self.steps.len())
            .filter(|step| self.todo.iter().any(|todo| todo.steps.contains(step)))
            .map(|step| self.nodes[step].stage.name.as_str())
            .collect();
        match active.as_slice() {
            [first, .., last] => format!("{first} … {last}"),
            [only] => (*only).to_owned(),
            [] => String::new(),
        }
    }

    /// Notes what each step took: its share of the wall time, by the time that threads spent in it.
    fn note(&self, shards: &[usize], wall: Duration) {
        let busy: Vec<f64> = self.steps.iter().map(|step| step.busy.load(Ordering::Relaxed) as f64).collect();
        let sum: f64 = busy.iter().sum();
        let images: u64 = shards.iter().map(|shard| self.samples.shard(*shard).len() as u64).sum();
        let mut finished = self.runner.finished.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, busy) in busy.into_iter().enumerate() {
            let left: u64 = self.todo.iter().filter(|todo| todo.steps.contains(&index)).map(|todo| self.samples.shard(todo.shard).len() as u64).sum();
            finished.push(StageInfo {
                name: self.nodes[index].stage.name.clone(),
                seconds: if sum > 0.0 { wall.as_secs_f64() * busy / sum } else { 0.0 },
                images,
                cached: images - left,
            });
        }
    }
}

/// Locks what a panic of another thread may have left; the panic itself is reported elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sample that a step leaves out.
fn entry(samples: &Samples, sample: usize, stage: &Stage, error: &convert_sdk::Error) -> Entry {
    Entry { id: samples.list[sample].id.clone(), stage: stage.name.clone(), kind: error.kind.name().into(), reason: error.to_string() }
}

/// Set once the user has asked to stop.
fn cancelled(flag: &AtomicBool) -> bool {
    flag.load(Ordering::SeqCst)
}

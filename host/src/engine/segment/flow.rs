//! The threads of a segment: workers that take what comes next, and the writer that waits for done shards.

use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::open::{Open, StepResults, Unfinished};
use super::state::{Next, State};
use super::{Segment, lock};
use crate::engine::error::EngineError;
use crate::engine::progress::StageProgress;
use crate::engine::store::Record;

/// A segment at work.
pub(super) struct Flow<'s, 'a, R: Record> {
    pub segment: &'s Segment<'a, R>,
    state: Mutex<State<'s, 'a, R>>,
    /// There may be something for a worker to do.
    changed: Condvar,
    /// There may be something for the writer to do: far more seldom.
    done: Condvar,
}

impl<'s, 'a, R: Record> Flow<'s, 'a, R> {
    pub fn new(segment: &'s Segment<'a, R>, progress: &'s StageProgress) -> Self {
        Self { segment, state: Mutex::new(State::new(segment, progress)), changed: Condvar::new(), done: Condvar::new() }
    }

    /// Works until nothing is left, or something failed. Called by every thread of the pool.
    pub fn work(&self) {
        let _awake = WakeOthers(self);
        let mut state = lock(&self.state);
        loop {
            match state.next() {
                Next::End => return,
                Next::Wait => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Next::Open(todo) => {
                    drop(state);
                    let opened = Open::read(self.segment, &self.segment.todo[todo]);
                    state = lock(&self.state);
                    state.opened(todo, opened);
                    self.changed.notify_all();
                    self.done.notify_one();
                }
                Next::Work(mut piece) => {
                    drop(state);
                    let begun = Instant::now();
                    let outcome = self.segment.perform(piece.phase, &mut piece.samples);
                    let spent = begun.elapsed().as_nanos() as u64;
                    self.segment.steps[piece.phase.step()].busy.fetch_add(spent, Ordering::Relaxed);
                    state = lock(&self.state);
                    let images = state.settle(piece, outcome);
                    let done = state.has_done();
                    drop(state);
                    self.changed.notify_all();
                    if done {
                        self.done.notify_one();
                    }
                    drop(images);
                    state = lock(&self.state);
                }
            }
        }
    }

    /// No more shards will be done.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.done.notify_all();
    }

    /// Waits for the next shard in order; `None` when there will be none.
    pub fn next_done(&self) -> Option<(usize, Vec<StepResults<R>>)> {
        let mut state = lock(&self.state);
        loop {
            let next = state.next_done();
            if next.is_some() || state.closed {
                return next;
            }
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A shard is stored, or could not be.
    pub fn written(&self, samples: usize, result: Result<(), EngineError>) {
        lock(&self.state).written(samples, result);
        self.changed.notify_all();
    }

    /// What is done of shards that are not stored, once nobody works any more.
    pub fn take_unfinished(&self) -> Vec<Unfinished<R>> {
        lock(&self.state).take_unfinished()
    }

    /// How it ended.
    pub fn result(self) -> Result<(), EngineError> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).result()
    }

    /// Whether something failed, so that nothing more is to be stored.
    pub fn failed(&self) -> bool {
        lock(&self.state).failed()
    }
}

/// Ends the other workers when this one panics: they would wait for its samples for ever.
struct WakeOthers<'f, 's, 'a, R: Record>(&'f Flow<'s, 'a, R>);

impl<R: Record> Drop for WakeOthers<'_, '_, '_, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0.state).fail(EngineError::WorkerPanicked);
            self.0.changed.notify_all();
        }
    }
}

//! A step's calls: batches that shrink when memory runs out, and errors sorted by what they say about the samples.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use convert_sdk::{Error, ErrorKind};

use super::open::Phase;
use super::state::{Flowing, Outcome, Slot};
use super::{Input, SampleWork, Segment, StepState, cancelled};
use crate::engine::error::EngineError;
use crate::engine::in_flight::Verdict;
use crate::engine::patience::patiently;
use crate::engine::store::Record;
use crate::recipe::OnCrash;

/// The results of a batch, each with the place of its sample among those of the piece.
type Results<R> = Vec<(usize, Result<R, Error>)>;

impl<'a, R: Record> Segment<'a, R> {
    /// Takes samples through a phase.
    pub(super) fn perform(&self, phase: Phase, samples: &mut [Flowing<'a, R>]) -> Outcome {
        let index = match phase {
            Phase::Step(index) => index,
            Phase::Decode { step } => {
                samples.iter().for_each(|sample| self.decode(step, sample));
                return Outcome::Done;
            }
        };
        let step = &self.steps[index];
        let inputs: Vec<(usize, Input<'_, R>)> =
            samples.iter().enumerate().filter_map(|(place, sample)| Some((place, input(step, sample)?))).collect();
        let results = match self.call(index, inputs) {
            Ok(results) => results,
            Err(outcome) => return outcome,
        };
        for (place, result) in results {
            samples[place].slots[index] = match result {
                Ok(row) => Slot::Row(Arc::new(row)),
                Err(error) => Slot::Failed(error),
            };
        }
        Outcome::Done
    }

    /// Decodes an image for a step that takes many at once, noted as that step's call. One that cannot be decoded is reported by the step; one that was in work
    /// during a crash is left to it.
    fn decode(&self, index: usize, sample: &Flowing<'a, R>) {
        let (stage, in_flight, id) = (&self.nodes[index].stage, &self.runner.in_flight, self.samples.list[sample.sample].id.as_str());
        if in_flight.verdict(stage, id) == Verdict::Usual {
            let _ = in_flight.call(stage, std::iter::once(id), false, || sample.image.get().map(drop));
        }
    }

    fn call(&self, index: usize, inputs: Vec<(usize, Input<'_, R>)>) -> Result<Results<R>, Outcome> {
        let step = &self.steps[index];
        let mut results = Vec::with_capacity(inputs.len());
        let mut inputs = self.without_suspects(index, inputs, &mut results)?;
        while !inputs.is_empty() {
            let size = step.batch_limit.load(Ordering::Relaxed).clamp(1, inputs.len());
            let rest = inputs.split_off(size);
            let (places, batch): (Vec<usize>, Vec<Input<'_, R>>) = std::mem::replace(&mut inputs, rest).into_iter().unzip();
            self.batch(index, &places, &batch, &mut results)?;
        }
        Ok(results)
    }

    /// Deals with the samples that were in work during a crash; the others.
    fn without_suspects<'i>(
        &self,
        index: usize,
        inputs: Vec<(usize, Input<'i, R>)>,
        results: &mut Results<R>,
    ) -> Result<Vec<(usize, Input<'i, R>)>, Outcome> {
        let (stage, runner) = (&self.nodes[index].stage, self.runner);
        let mut usual = Vec::with_capacity(inputs.len());
        for (place, input) in inputs {
            match runner.in_flight.verdict(stage, self.id(&input)) {
                Verdict::Usual => usual.push((place, input)),
                Verdict::Alone => {
                    let sample = self.id(&input);
                    self.batch(index, &[place], std::slice::from_ref(&input), results)?;
                    runner.in_flight.clear(stage, sample).map_err(|error| Outcome::Stop(error.into()))?;
                }
                Verdict::Aside(how) if runner.on_crash == OnCrash::Stop => {
                    let (stage, sample) = (stage.name.clone(), self.id(&input).to_owned());
                    return Err(Outcome::Stop(EngineError::Crashed { stage, sample, how }));
                }
                Verdict::Aside(how) => {
                    let message = format!("it crashed the program twice ({how}); --retry-errors tries it again");
                    results.push((place, Err(Error::new(ErrorKind::Panic, message))));
                }
            }
        }
        Ok(usual)
    }

    /// A call of the step's work, noted in case it does not return.
    fn compute(&self, index: usize, work: &dyn SampleWork<R>, batch: &[Input<'_, R>]) -> Result<Vec<R>, Error> {
        let (stage, in_flight) = (&self.nodes[index].stage, &self.runner.in_flight);
        let alone = batch.iter().any(|input| in_flight.verdict(stage, self.id(input)) == Verdict::Alone);
        in_flight.call(stage, batch.iter().map(|input| self.id(input)), alone, || work.compute(batch))
    }

    fn batch(&self, index: usize, places: &[usize], batch: &[Input<'_, R>], results: &mut Results<R>) -> Result<(), Outcome> {
        let step = &self.steps[index];
        let stage = &self.nodes[index].stage.name;
        let Some(work) = &step.work else { return Err(Outcome::Stop(EngineError::NotStarted { stage: stage.clone() })) };
        let alone = batch.first().filter(|_| batch.len() == 1);
        let computed = match alone {
            Some(input) => {
                let what = || format!("{stage}, {}", self.id(input));
                patiently(&self.runner.cancel, what, || self.compute(index, &**work, batch))
            }
            None => self.compute(index, &**work, batch),
        };
        let error = match computed {
            Ok(rows) => {
                results.extend(places.iter().copied().zip(rows.into_iter().map(Ok)));
                return Ok(());
            }
            Err(error) => error,
        };
        match error.kind {
            ErrorKind::OutOfMemory if batch.len() > 1 => {
                let half = batch.len().div_ceil(2);
                if step.batch_limit.fetch_min(half, Ordering::Relaxed) > half {
                    tracing::warn!("{stage}: the memory is too small for {} images at once, going on with {half}: {error}", batch.len());
                }
                self.halves(index, places, batch, half, results)
            }
            ErrorKind::OutOfMemory => Err(Outcome::OutOfMemory(self.stop(index, batch, error))),
            ErrorKind::Device | ErrorKind::Unsupported => Err(Outcome::Stop(self.stop(index, batch, error))),
            ErrorKind::Interrupted => Err(Outcome::Stop(EngineError::Interrupted)),
            _ if batch.len() > 1 => self.halves(index, places, batch, 1, results),
            ErrorKind::Io if cancelled(&self.runner.cancel) => Err(Outcome::Stop(EngineError::Interrupted)),
            ErrorKind::Io => {
                let sample = batch.first().map_or_else(String::new, |input| self.id(input).to_owned());
                Err(Outcome::Stop(EngineError::Away { stage: stage.clone(), sample, source: error.into() }))
            }
            _ => {
                results.extend(places.first().map(|place| (*place, Err(error))));
                Ok(())
            }
        }
    }

    fn halves(&self, index: usize, places: &[usize], batch: &[Input<'_, R>], size: usize, results: &mut Results<R>) -> Result<(), Outcome> {
        places.chunks(size).zip(batch.chunks(size)).try_for_each(|(places, batch)| self.batch(index, places, batch, results))
    }

    fn id(&self, input: &Input<'_, R>) -> &str {
        &self.samples.list[input.sample].id
    }

    fn stop(&self, index: usize, batch: &[Input<'_, R>], error: Error) -> EngineError {
        let sample = batch.first().map_or_else(String::new, |input| self.id(input).to_owned());
        EngineError::Plugin { stage: self.nodes[index].stage.name.clone(), sample, source: error.into() }
    }
}

/// What a step reads of a sample; `None` when something that it needs is not there.
fn input<'f, R: Record>(step: &StepState<'_, R>, sample: &'f Flowing<'_, R>) -> Option<Input<'f, R>> {
    let row = |(node, required): &(usize, bool)| match &sample.slots[*node] {
        Slot::Row(row) => Some(Some(&**row)),
        _ if *required => None,
        _ => Some(None),
    };
    let rows = step.reads.iter().map(row).collect::<Option<Vec<_>>>()?;
    Some(Input { sample: sample.sample, image: &sample.image, rows })
}

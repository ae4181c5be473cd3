//! Parts of a run that a scheduler names one after the other, with the models kept from one to the next.

use std::iter::Peekable;

use super::action::Action;
use super::error::PipelineError;
use super::labeler::LabelerOnDemand;
use super::plan::{Kind, Step};
use super::session::Session;
use super::steps::PlanStep;
use crate::engine::{SampleStep, Steps};

/// Steps that run in one pass over some shards, or one step on the whole set.
pub struct Task<'a> {
    /// The scheduler's name for it.
    pub id: serde_json::Value,
    /// The steps, in the plan's order.
    pub steps: Vec<&'a Step>,
    /// The shards; none for a step on the whole set.
    pub shards: Vec<usize>,
}

impl Task<'_> {
    fn same_steps(&self, other: &Task<'_>) -> bool {
        self.steps.len() == other.steps.len() && self.steps.iter().zip(&other.steps).all(|(a, b)| std::ptr::eq(*a, *b))
    }
}

impl Session {
    /// Works on tasks until there are no more, or `answer` says so, which is given how each ended. A task on the steps of the one before uses the models that are loaded.
    pub fn run_tasks<'a>(
        &'a self,
        tasks: &mut Peekable<impl Iterator<Item = Task<'a>>>,
        mut answer: impl FnMut(&Task<'a>, Result<(), PipelineError>) -> bool,
    ) {
        let labeler = LabelerOnDemand::new(self);
        while let Some(first) = tasks.next() {
            let goes_on = match first.steps.as_slice() {
                [step] if step.kind() == Kind::WholeSet => answer(&first, self.run_whole(step, &labeler)),
                steps if self.fit_together(steps) => self.run_alike(first, tasks, &labeler, &mut answer),
                steps => answer(&first, self.run_segment(steps, &first.shards, &labeler)),
            };
            if !goes_on {
                return;
            }
        }
    }

    fn run_whole(&self, step: &Step, labeler: &LabelerOnDemand<'_>) -> Result<(), PipelineError> {
        match step.action {
            Action::Export { .. } => Err(PipelineError::NoPart { stage: step.stage.name.clone() }),
            _ => self.train(step, labeler).map(drop),
        }
    }

    /// Works on a task and those behind it with the same steps, until one fails: a device may need its models loaded anew.
    fn run_alike<'a>(
        &'a self,
        first: Task<'a>,
        tasks: &mut Peekable<impl Iterator<Item = Task<'a>>>,
        labeler: &LabelerOnDemand<'a>,
        answer: &mut impl FnMut(&Task<'a>, Result<(), PipelineError>) -> bool,
    ) -> bool {
        let values = match first.steps.iter().map(|step| PlanStep::new(self, step, labeler)).collect::<Result<Vec<_>, _>>() {
            Ok(values) => values,
            Err(error) => return answer(&first, Err(error)),
        };
        let values: Vec<&dyn SampleStep<_, Error = PipelineError>> = values.iter().map(|step| step as _).collect();
        let mut steps = Steps::new(&values);
        let mut task = first;
        loop {
            let result = self.runner.run_segment(&self.samples, &mut steps, &task.shards, &|index| self.lazy_image(index));
            let result = match result {
                Err(error) if error.is_out_of_memory() => {
                    steps = Steps::new(&values);
                    self.run_segment(&task.steps, &task.shards, labeler)
                }
                other => other,
            };
            let failed = result.is_err();
            if !answer(&task, result) {
                return false;
            }
            if failed {
                return true;
            }
            match tasks.next_if(|next| next.same_steps(&task)) {
                Some(next) => task = next,
                None => return true,
            }
        }
    }
}

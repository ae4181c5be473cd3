//! What an image costs each step of a plan, for the estimates of `convert check`.

use convert_sdk::Work;

use super::action::Action;
use super::error::PipelineError;
use super::plan::Plan;
use crate::recipe::{Configured, Recipe};

/// What an image costs, step by step.
#[derive(Clone, Debug, Default)]
pub struct CostEstimates(Vec<Work>);

impl CostEstimates {
    /// Asks every plugin of a plan through `ask`, which is given the work that a refiner comes after. A plugin of several steps is asked once, a refiner once for
    /// each of its steps.
    ///
    /// # Errors
    /// What `ask` says.
    pub fn of(recipe: &Recipe, plan: &Plan, ask: impl Fn(&Configured, &Work) -> Result<Work, PipelineError>) -> Result<Self, PipelineError> {
        let mut works: Vec<Work> = Vec::new();
        let mut known: Vec<(*const Configured, Work)> = Vec::new();
        for step in plan.steps() {
            let mut work = Work::default();
            for configured in step.plugins(recipe) {
                work = match (step.action, known.iter().find(|(plugin, _)| std::ptr::eq(*plugin, configured))) {
                    (Action::Refine { .. }, _) => ask(configured, &step.reads.first().map_or_else(Work::default, |before| works[*before]))?,
                    (_, Some((_, work))) => *work,
                    _ => ask(configured, &Work::default())?,
                };
                known.push((configured, work));
            }
            works.push(work);
        }
        Ok(Self(works))
    }

    /// That of a step, by its place in the plan.
    pub fn of_step(&self, step: usize) -> Work {
        self.0.get(step).copied().unwrap_or_default()
    }
}

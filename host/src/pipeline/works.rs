//! What an image costs each plugin of a recipe, for the estimates of `convert check`.

use convert_sdk::Work;
use convert_sdk::abi::Role;

use crate::failure::Failure;
use crate::recipe::{Configured, Recipe};

/// What an image costs.
#[derive(Clone, Debug, Default)]
pub struct Works {
    /// In the order of [`Recipe::plugins`]; refiners have none here.
    plugins: Vec<Work>,
    /// Of each refiner after each proposal configuration: `[refiner][configuration]`.
    refinements: Vec<Vec<Work>>,
}

impl Works {
    /// Asks every plugin through `ask`, which is given the works that a refiner comes after and answers with one for each; of other plugins with one.
    ///
    /// # Errors
    /// What `ask` says.
    pub fn of(recipe: &Recipe, ask: impl Fn(&Configured, &[Work]) -> Result<Vec<Work>, Failure>) -> Result<Self, Failure> {
        let mut works = Self::default();
        let mut sources = Vec::new();
        for configured in recipe.plugins() {
            let answers = ask(configured, &sources)?;
            if configured.plugin.role == Role::Refiner {
                works.plugins.push(Work::default());
                works.refinements.push(works.refined(recipe, &mut sources, answers));
                continue;
            }
            let work = answers.first().copied().unwrap_or_default();
            works.plugins.push(work);
            if configured.plugin.role == Role::Proposer {
                sources.push(work);
            }
        }
        Ok(works)
    }

    /// The next refiner's work on each configuration that it is for; what is left of the proposals stays in `sources`.
    fn refined(&self, recipe: &Recipe, sources: &mut [Work], answers: Vec<Work>) -> Vec<Work> {
        let only = recipe.refine.get(self.refinements.len()).and_then(|(_, only)| only.as_ref());
        let limited = |name: &String| only.is_some_and(|only| !only.contains(name));
        let steps = sources.iter_mut().zip(answers).zip(&recipe.proposals);
        steps
            .map(|((source, work), (name, _))| {
                if limited(name) {
                    Work::default()
                } else {
                    *source = work;
                    work
                }
            })
            .collect()
    }

    /// That of a plugin that is no refiner.
    pub fn of_plugin(&self, recipe: &Recipe, plugin: &Configured) -> Work {
        let found = recipe.plugins().zip(&self.plugins).find(|(configured, _)| std::ptr::eq(*configured, plugin));
        found.map_or_else(Work::default, |(_, work)| *work)
    }

    /// That of a refiner on a proposal configuration, by their indices.
    pub fn of_refinement(&self, refiner: usize, configuration: usize) -> Work {
        self.refinements.get(refiner).and_then(|works| works.get(configuration)).copied().unwrap_or_default()
    }
}

//! The recipe's labeler, built when it first has work to do and kept for the rest of the run.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use convert_sdk::{LabelModel, Labeler};

use super::error::PipelineError;
use super::plan::{Plan, Step};
use super::session::Session;
use super::train::checkpoint_of;
use crate::engine::Stage;
use crate::recipe::Recipe;

/// The labeler on demand.
pub(super) struct LabelerOnDemand<'a> {
    session: &'a Session,
    built: OnceLock<Box<dyn Labeler>>,
}

impl<'a> LabelerOnDemand<'a> {
    /// Not built yet.
    pub fn new(session: &'a Session) -> Self {
        Self { session, built: OnceLock::new() }
    }

    /// The labeler.
    ///
    /// # Errors
    /// What it says of its config, weights or device.
    pub fn get(&self) -> Result<&dyn Labeler, PipelineError> {
        if let Some(labeler) = self.built.get() {
            return Ok(labeler.as_ref());
        }
        let configured = &self.session.recipe.label;
        let labeler = self.session.build(configured, |config, context| configured.plugin.builder.labeler(config, context))?;
        Ok(self.built.get_or_init(|| labeler).as_ref())
    }

    /// The model that a step of predictions or label maps works with.
    ///
    /// # Errors
    /// That it is not trained yet, and as [`LabelerOnDemand::get`].
    pub fn model_for(&self, step: &Step) -> Result<Box<dyn LabelModel>, PipelineError> {
        let checkpoint = Checkpoint::of_step(&self.session.recipe, &self.session.plan, step)?;
        self.load(&checkpoint.file()?)
    }

    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>, PipelineError> {
        let labeler = self.get()?;
        self.session.build(&self.session.recipe.label, |_, _| labeler.load(checkpoint))
    }
}

/// What a step of predictions or label maps works with.
pub(super) enum Checkpoint {
    /// The recipe names it.
    Given(PathBuf),
    /// A stage trains it.
    Trained(Stage),
}

impl Checkpoint {
    /// That of a step.
    ///
    /// # Errors
    /// A mistake of the plan.
    pub fn of_step(recipe: &Recipe, plan: &Plan, step: &Step) -> Result<Self, PipelineError> {
        match plan.reads(step).find(|read| read.trains()) {
            Some(train) => Ok(Self::Trained(train.stage.clone())),
            None => recipe.checkpoint.clone().map(Self::Given).ok_or_else(|| PipelineError::Untrained { stage: step.stage.name.clone() }),
        }
    }

    /// Its file.
    ///
    /// # Errors
    /// That it is not trained yet.
    pub fn file(&self) -> Result<PathBuf, PipelineError> {
        match self {
            Self::Given(file) => Ok(file.clone()),
            Self::Trained(stage) => checkpoint_of(stage),
        }
    }
}

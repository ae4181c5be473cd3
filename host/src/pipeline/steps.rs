//! The per-sample steps: what each reads and stores, and what computes it.

mod labels;
mod maps;
mod masks;
mod predict;
mod select;

use convert_sdk::Error;

use super::action::Action;
use super::error::PipelineError;
use super::labeler::LabelerOnDemand;
use super::plan::Step;
use super::rows::{Form, Record};
use super::session::Session;
use crate::engine::{Input, Reads, SampleStep, SampleWork, Stage};
use labels::Labelling;
use maps::Mapping;
use masks::{Fitting, Proposing, Refining};
use predict::Predicting;
use select::Selecting;

pub(super) use labels::LabelInputs;
pub(super) use predict::sparse;

/// A per-sample step of a plan, as the engine runs it.
pub(super) struct PlanStep<'a> {
    at: At<'a>,
    form: Form,
    labeler: &'a LabelerOnDemand<'a>,
}

impl<'a> PlanStep<'a> {
    /// The step in its run.
    ///
    /// # Errors
    /// A step on the whole set: a mistake of this program.
    pub fn new(session: &'a Session, step: &'a Step, labeler: &'a LabelerOnDemand<'a>) -> Result<Self, PipelineError> {
        let form = form(step.action).ok_or_else(|| PipelineError::WholeSet { stage: step.stage.name.clone() })?;
        Ok(Self { at: At { session, step }, form, labeler })
    }
}

impl SampleStep<Record> for PlanStep<'_> {
    type Error = PipelineError;

    fn stage(&self) -> &Stage {
        &self.at.step.stage
    }
    fn form(&self) -> Form {
        self.form
    }
    fn reads(&self) -> Vec<Reads<Record>> {
        let At { session, step } = self.at;
        // A sample that failed in the selection is not trained on, but labelled.
        let optional = |read: Action| step.action == Action::Labels && matches!(read, Action::Select { .. });
        let rows = session.plan.reads(step).filter_map(|read| Some((read, form(read.action)?)));
        rows.map(|(read, form)| Reads { stage: read.stage.clone(), form, required: !optional(read.action) }).collect()
    }
    fn start(&self) -> Result<Box<dyn SampleWork<Record> + '_>, PipelineError> {
        let at = self.at;
        Ok(match at.step.action {
            Action::Propose { configuration } => Box::new(Proposing::new(at, configuration)?),
            Action::Refine { refiner, .. } => Box::new(Refining::new(at.session, refiner)?),
            Action::Regions => Box::new(Fitting { at }),
            Action::Maps | Action::LabelMaps => Box::new(Mapping { at, model: self.labeler.model_for(at.step)? }),
            Action::Select { .. } => Box::new(Selecting::new(at)?),
            Action::Predict { .. } | Action::HeldOut => Box::new(Predicting { at, model: self.labeler.model_for(at.step)? }),
            Action::Labels => Box::new(Labelling::new(at)?),
            Action::TrainOnImages | Action::Train { .. } | Action::Export { .. } => {
                return Err(PipelineError::WholeSet { stage: at.step.stage.name.clone() });
            }
        })
    }
}

/// A step in its run.
#[derive(Clone, Copy)]
struct At<'a> {
    session: &'a Session,
    step: &'a Step,
}

impl<'a> At<'a> {
    /// The id of a sample.
    fn id(self, input: &Input<'_, Record>) -> &'a str {
        &self.session.samples.list[input.sample].id
    }

    /// The single label of a sample.
    fn label(self, input: &Input<'_, Record>) -> u32 {
        self.session.samples.list[input.sample].label
    }
}

/// What kind of row a per-sample step stores.
pub(super) fn form(action: Action) -> Option<Form> {
    match action {
        Action::Propose { .. } | Action::Refine { .. } => Some(Form::Proposals),
        Action::Regions => Some(Form::Regions),
        Action::Maps | Action::LabelMaps => Some(Form::Map),
        Action::Select { .. } => Some(Form::Selections),
        Action::Predict { .. } | Action::HeldOut => Some(Form::Prediction),
        Action::Labels => Some(Form::Labels),
        Action::TrainOnImages | Action::Train { .. } | Action::Export { .. } => None,
    }
}

/// A row that a step reads.
fn row<'i>(input: &Input<'i, Record>, at: usize) -> Result<&'i Record, Error> {
    input.rows.get(at).copied().flatten().ok_or_else(|| Error::invalid("a row that this step reads is missing"))
}

/// Computes each sample of a batch by itself.
fn each<T>(batch: &[Input<'_, Record>], one: impl Fn(&Input<'_, Record>) -> Result<T, Error>, record: fn(T) -> Record) -> Result<Vec<Record>, Error> {
    batch.iter().map(|input| one(input).map(record)).collect()
}

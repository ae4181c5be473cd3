//! The per-sample steps, each a value that knows what it reads, what builds it and what it computes of a sample.

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
use crate::engine::{Input, Reads, SampleStep};

pub(super) use labels::LabelInputs;

/// A step in its run.
#[derive(Clone, Copy)]
struct At<'a> {
    session: &'a Session,
    step: &'a Step,
}

impl<'a> At<'a> {
    /// The steps that it reads with the kind of row of each; `optional` says which a sample may lack.
    fn reads(self, optional: impl Fn(Action) -> bool) -> Vec<Reads<Record>> {
        let rows = self.session.plan.reads(self.step).filter_map(|read| Some((read, form(read.action)?)));
        rows.map(|(read, form)| Reads { stage: read.stage.clone(), form, required: !optional(read.action) }).collect()
    }

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
        Action::Predict { .. } => Some(Form::Prediction),
        Action::Labels => Some(Form::Labels),
        Action::TrainOnImages | Action::Train { .. } | Action::Export { .. } => None,
    }
}

/// The per-sample step of a plan as the engine runs it.
///
/// # Errors
/// A step on the whole set: a mistake of this program.
pub(super) fn sample_step<'a>(
    session: &'a Session,
    step: &'a Step,
    labeler: &'a LabelerOnDemand<'a>,
) -> Result<Box<dyn SampleStep<Record, Error = PipelineError> + 'a>, PipelineError> {
    let at = At { session, step };
    Ok(match step.action {
        Action::Propose { configuration } => Box::new(masks::Propose { at, configuration }),
        Action::Refine { refiner, .. } => Box::new(masks::Refine { at, refiner }),
        Action::Regions => Box::new(masks::FitRegions { at }),
        Action::Maps | Action::LabelMaps => Box::new(maps::Maps { at, labeler }),
        Action::Select { .. } => Box::new(select::Select { at }),
        Action::Predict { .. } => Box::new(predict::Predict { at, labeler }),
        Action::Labels => Box::new(labels::Labels { at }),
        Action::TrainOnImages | Action::Train { .. } | Action::Export { .. } => {
            return Err(PipelineError::WholeSet { stage: step.stage.name.clone() });
        }
    })
}

/// A row that a step reads.
fn row<'i>(input: &Input<'i, Record>, at: usize) -> Result<&'i Record, Error> {
    input.rows.get(at).copied().flatten().ok_or_else(|| Error::invalid("a row that this step reads is missing"))
}

/// Computes each sample of a batch by itself.
fn each<T>(batch: &[Input<'_, Record>], one: impl Fn(&Input<'_, Record>) -> Result<T, Error>, record: fn(T) -> Record) -> Result<Vec<Record>, Error> {
    batch.iter().map(|input| one(input).map(record)).collect()
}

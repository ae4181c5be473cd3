//! Label maps by a trained labeler.

use convert_sdk::{Error, LabelMap, LabelModel};

use super::At;
use crate::engine::{Input, Reads, SampleStep, SampleWork, Stage};
use crate::pipeline::error::PipelineError;
use crate::pipeline::labeler::LabelerOnDemand;
use crate::pipeline::rows::{Form, Record};

/// The labeler at work on every place of the images.
pub(super) struct Maps<'a> {
    pub at: At<'a>,
    pub labeler: &'a LabelerOnDemand<'a>,
}

struct Mapping<'a> {
    at: At<'a>,
    model: Box<dyn LabelModel>,
}

impl SampleStep<Record> for Maps<'_> {
    type Error = PipelineError;

    fn stage(&self) -> &Stage {
        &self.at.step.stage
    }
    fn form(&self) -> Form {
        Form::Map
    }
    fn reads(&self) -> Vec<Reads<Record>> {
        Vec::new()
    }
    fn start(&self) -> Result<Box<dyn SampleWork<Record> + '_>, PipelineError> {
        Ok(Box::new(Mapping { at: self.at, model: self.labeler.model_for(self.at.step)? }))
    }
}

impl SampleWork<Record> for Mapping<'_> {
    fn batch_size(&self) -> usize {
        self.model.batch_size()
    }
    fn compute(&self, batch: &[Input<'_, Record>]) -> Result<Vec<Record>, Error> {
        let classes = self.at.session.samples.classes.len();
        let images = batch.iter().map(|input| input.image.get()).collect::<Result<Vec<_>, Error>>()?;
        let maps = self.model.maps(&images)?;
        if let Some(class) = maps.iter().flat_map(LabelMap::classes).find(|class| **class as usize >= classes) {
            return Err(Error::invalid(format!("the labeler's map holds the class {class}, but there are {classes}")));
        }
        Ok(maps.iter().map(|map| Record::Map(map.into())).collect())
    }
}

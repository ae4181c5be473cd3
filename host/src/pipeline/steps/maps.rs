//! Label maps by a trained labeler.

use convert_sdk::{Error, LabelMap, LabelModel};

use super::At;
use crate::engine::{Input, SampleWork};
use crate::pipeline::rows::Record;

/// The labeler at work on every place of the images.
pub(super) struct Mapping<'a> {
    pub at: At<'a>,
    pub model: Box<dyn LabelModel>,
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
        Ok(maps.into_iter().map(Record::Map).collect())
    }
}

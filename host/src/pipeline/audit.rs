//! What models say of images that they were not trained on.

use super::action::Action;
use super::error::PipelineError;
use super::rows::ImagePrediction;
use super::session::Session;
use crate::evaluate::Suspect;

impl Session {
    /// The given label of every image with what models that were trained without it see there, least supported first. Asks them as far as nobody did before.
    ///
    /// # Errors
    /// A labeler without such models; and as [`Session::run_step`].
    pub fn audit(&self) -> Result<Vec<Suspect>, PipelineError> {
        let step = self.plan.find(Action::HeldOut).ok_or(PipelineError::NotTrainedHere)?;
        self.run_step(step)?;
        let mut suspects = Vec::with_capacity(self.samples.list.len());
        self.for_each_stored(&step.stage, |index, row: ImagePrediction| {
            let sample = &self.samples.list[index];
            suspects.push(Suspect::new(&sample.id, sample.label, &row.masks, &row.global));
            Ok(())
        })?;
        suspects.sort_by(Suspect::order);
        Ok(suspects)
    }
}

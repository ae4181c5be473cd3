//! From regions to predictions: own label maps where the selector wants them, then rounds of choosing, training and predicting.

use std::cell::OnceCell;
use std::path::Path;

use convert_sdk::{EpochRecord, LabelModel, Labeler};

use super::plan::Round;
use super::select::Evidence;
use super::session::Session;
use super::training_sets::{SelectedRegions, WholeImages};
use crate::engine::Stage;
use crate::failure::Failure;

/// The recipe's labeler, built when it first has work to do.
struct LabelerOnDemand<'a> {
    session: &'a Session,
    built: OnceCell<Box<dyn Labeler>>,
}

impl LabelerOnDemand<'_> {
    fn get(&self) -> Result<&dyn Labeler, Failure> {
        if self.built.get().is_none() {
            let configured = &self.session.recipe.label;
            let labeler = self.session.build(configured, |config, context| configured.plugin.builder.labeler(config, context))?;
            let _ = self.built.set(labeler);
        }
        self.built.get().map(AsRef::as_ref).ok_or_else(|| Failure::run("the labeler is not there"))
    }

    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>, Failure> {
        let labeler = self.get()?;
        self.session.build(&self.session.recipe.label, |_, _| labeler.load(checkpoint))
    }
}

impl Session {
    fn labeler(&self) -> LabelerOnDemand<'_> {
        LabelerOnDemand { session: self, built: OnceCell::new() }
    }

    /// Everything between regions and labels, as far as no earlier run did it; the learning curve of the last training.
    ///
    /// # Errors
    /// As [`crate::engine::Runner::run`], and what training says.
    pub fn run_learning(&self) -> Result<Vec<EpochRecord>, Failure> {
        let labeler = self.labeler();
        if let Some(checkpoint) = &self.recipe.checkpoint {
            self.predict(&self.plan.predict, checkpoint, &labeler)?;
            return Ok(Vec::new());
        }
        if self.plan.needs.maps {
            self.train_for_maps(&labeler)?;
            self.own_maps(&labeler)?;
        }
        let mut curve = Vec::new();
        for (round, evidence) in self.rounds().iter().zip(self.evidence()) {
            self.run_select(&round.select, evidence)?;
            curve = self.train(round, &labeler)?;
            let checkpoint = self.checkpoint_of(&round.train)?;
            self.predict(&round.predict, &checkpoint, &labeler)?;
        }
        Ok(curve)
    }

    /// Runs the stage of this name if it is one of learning. What it reads must be finished.
    ///
    /// # Errors
    /// As [`Session::run_learning`].
    pub fn run_learning_stage(&self, name: &str) -> Result<(), Failure> {
        let labeler = self.labeler();
        if name == self.plan.maps.train.name {
            self.train_for_maps(&labeler)?;
        }
        if name == self.plan.maps.maps.name {
            if self.is_whole() {
                self.train_for_maps(&labeler)?;
            }
            self.own_maps(&labeler)?;
        }
        for (round, evidence) in self.rounds().iter().zip(self.evidence()) {
            if name == round.select.name {
                self.run_select(&round.select, evidence)?;
            } else if name == round.train.name {
                self.train(round, &labeler)?;
            } else if name == round.predict.name {
                let checkpoint = self.checkpoint_of(&round.train)?;
                self.predict(&round.predict, &checkpoint, &labeler)?;
            }
        }
        if let Some(checkpoint) = self.recipe.checkpoint.as_ref().filter(|_| name == self.plan.predict.name) {
            self.predict(&self.plan.predict, checkpoint, &labeler)?;
        }
        if name == self.plan.label_maps.name {
            let checkpoint = match (&self.recipe.checkpoint, &self.plan.train) {
                (Some(checkpoint), _) => checkpoint.clone(),
                (None, Some(train)) => self.checkpoint_of(train)?,
                (None, None) => return Err(Failure::run("the recipe has neither a checkpoint nor a training")),
            };
            self.maps(&self.plan.label_maps, &checkpoint, &labeler)?;
        }
        Ok(())
    }

    fn rounds(&self) -> Vec<Round> {
        self.plan.rounds()
    }

    /// What each round knows: the maps in the first, the predictions of the one before in the others.
    fn evidence(&self) -> impl Iterator<Item = Evidence<'_>> {
        let first = if self.plan.needs.maps { Evidence::Maps(&self.plan.maps.maps) } else { Evidence::None };
        std::iter::once(first).chain(self.plan.earlier.iter().map(|round| Evidence::Opinions(&round.predict)))
    }

    fn train_for_maps(&self, labeler: &LabelerOnDemand<'_>) -> Result<(), Failure> {
        self.trained_or(&self.plan.maps.train, || {
            let set = WholeImages::new(&self.samples, Box::new(|sample| self.lazy_image(sample)));
            Ok((labeler.get()?, Box::new(set)))
        })?;
        Ok(())
    }

    fn own_maps(&self, labeler: &LabelerOnDemand<'_>) -> Result<(), Failure> {
        let checkpoint = self.checkpoint_of(&self.plan.maps.train)?;
        self.maps(&self.plan.maps.maps, &checkpoint, labeler)
    }

    fn maps(&self, stage: &Stage, checkpoint: &Path, labeler: &LabelerOnDemand<'_>) -> Result<(), Failure> {
        match self.is_finished(stage) {
            true => self.run_maps(stage, None),
            false => self.run_maps(stage, Some(labeler.load(checkpoint)?.as_ref())),
        }
    }

    fn train(&self, round: &Round, labeler: &LabelerOnDemand<'_>) -> Result<Vec<EpochRecord>, Failure> {
        let trained = self.trained_or(&round.train, || {
            let image = Box::new(|sample| self.lazy_image(sample));
            let set = SelectedRegions::read(&self.samples, &round.select, &self.plan.regions, self.plan.needs.unite, image)?;
            Ok((labeler.get()?, Box::new(set)))
        })?;
        Ok(trained.curve)
    }

    fn predict(&self, stage: &Stage, checkpoint: &Path, labeler: &LabelerOnDemand<'_>) -> Result<(), Failure> {
        match self.is_finished(stage) {
            true => self.run_predict(stage, None),
            false => self.run_predict(stage, Some(labeler.load(checkpoint)?.as_ref())),
        }
    }
}

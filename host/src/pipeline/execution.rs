//! Running a plan: its per-sample steps in segments, between them what needs the whole set.

use std::collections::BTreeSet;

use super::action::Action;
use super::error::PipelineError;
use super::labeler::LabelerOnDemand;
use super::plan::{Kind, Step};
use super::session::Session;
use super::steps::PlanStep;
use super::train::Trained;
use super::training_sets::{NamedSet, SelectedRegions, WholeImages};
use crate::engine::{SampleStep, Steps};
use crate::errors::chain;
use crate::recipe::{Configured, Residency};

impl Session {
    /// Runs the steps that are `wanted`, exports apart, in the plan's order, as far as no earlier run did; what the last training gave.
    ///
    /// # Errors
    /// As [`crate::engine::Runner::run_segment`], and what training says.
    pub fn run_steps(&self, wanted: impl Fn(&Step) -> bool) -> Result<Option<Trained>, PipelineError> {
        let (labeler, shards) = (LabelerOnDemand::new(self), self.shards());
        let (mut segment, mut trained) = (Vec::new(), None);
        for step in self.plan.steps().iter().filter(|step| wanted(step)) {
            match (step.kind(), step.action) {
                (Kind::PerSample, _) => segment.push(step),
                (Kind::WholeSet, Action::Export { .. }) => {}
                (Kind::WholeSet, _) => {
                    self.run_segment(&std::mem::take(&mut segment), &shards, &labeler)?;
                    trained = Some(self.train(step, &labeler)?);
                }
            }
        }
        self.run_segment(&segment, &shards, &labeler)?;
        Ok(trained)
    }

    /// Runs one step by itself, and before own label maps the training for them. What it reads must be finished.
    ///
    /// # Errors
    /// As [`Session::run_steps`].
    pub fn run_step(&self, step: &Step) -> Result<(), PipelineError> {
        let trains_first = |other: &Step| step.action == Action::Maps && other.action == Action::TrainOnImages && self.is_whole();
        self.run_steps(|other| other.action == step.action || trains_first(other)).map(drop)
    }

    /// Runs per-sample steps on these shards.
    pub(super) fn run_segment(&self, steps: &[&Step], shards: &[usize], labeler: &LabelerOnDemand<'_>) -> Result<(), PipelineError> {
        let mut unfinished = Vec::new();
        for step in steps {
            if step.finished(shards)?.len() < shards.len() {
                unfinished.push(*step);
            }
        }
        let selections = unfinished.iter().copied().filter(|step| matches!(step.action, Action::Select { .. }));
        let configurations: BTreeSet<usize> = unfinished.iter().filter_map(|step| configuration(step)).collect();
        let several = configurations.len() > 1;
        let one_by_one = !self.fit_together(&unfinished);
        match self.run_parts(steps, shards, one_by_one, labeler) {
            Err(error) if error.is_out_of_memory() && several && !one_by_one && self.recipe.sections.residency.is_none() => {
                tracing::warn!("the models do not fit into memory together: {}", chain(&error));
                self.run_parts(steps, shards, true, labeler)?;
            }
            other => other?,
        }
        match self.part {
            Some(_) => Ok(()),
            None => selections.into_iter().try_for_each(|step| self.tell_kept_share(step)),
        }
    }

    /// Runs a segment in one pass; or `one_by_one`, one proposal configuration after the other and then the rest, an image decoded again for each.
    fn run_parts(&self, steps: &[&Step], shards: &[usize], one_by_one: bool, labeler: &LabelerOnDemand<'_>) -> Result<(), PipelineError> {
        let of = |wanted: Option<usize>| steps.iter().copied().filter(move |step| configuration(step) == wanted).collect::<Vec<_>>();
        let mut all: Vec<usize> = steps.iter().filter_map(|step| configuration(step)).collect();
        all.dedup();
        let parts = if one_by_one { all.into_iter().map(Some).chain([None]).map(of).collect() } else { vec![steps.to_vec()] };
        if one_by_one {
            tracing::info!("one proposal configuration after the other, so that one model is in memory at a time: images are decoded again for each");
        }
        for part in parts {
            let values = part.iter().map(|step| PlanStep::new(self, step, labeler)).collect::<Result<Vec<_>, _>>()?;
            let values: Vec<&dyn SampleStep<_, Error = PipelineError>> = values.iter().map(|step| step as _).collect();
            self.runner.run_segment(&self.samples, &mut Steps::new(&values), shards, &|index| self.lazy_image(index))?;
        }
        Ok(())
    }

    /// Whether the models of these steps are to be in memory at once: those of one proposal configuration always, of several as the recipe says, or as there is room.
    pub(super) fn fit_together(&self, steps: &[&Step]) -> bool {
        let configurations: BTreeSet<usize> = steps.iter().filter_map(|step| configuration(step)).collect();
        let several = configurations.len() > 1;
        match self.recipe.sections.residency {
            Some(Residency::All) => true,
            Some(Residency::One) => !several,
            None => !several || !self.exceeds_memory(steps),
        }
    }

    /// Whether the models of these steps take more than this machine has left. What a device has is only known once it runs out.
    fn exceeds_memory(&self, steps: &[&Step]) -> bool {
        let mut plugins: Vec<&Configured> = steps.iter().flat_map(|step| step.plugins(&self.recipe)).collect();
        plugins.dedup_by(|a, b| std::ptr::eq(*a, *b));
        let wanted: u64 = plugins.into_iter().map(|plugin| self.declared_memory(plugin)).sum();
        let Some(available) = available_memory().filter(|available| self.on_cpu() && wanted > available / 4 * 3) else { return false };
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        tracing::info!("the models take {:.1} GiB together, of {:.1} GiB that are free", gib(wanted), gib(available));
        true
    }

    /// Trains the labeler, where no earlier run did.
    pub(super) fn train(&self, step: &Step, labeler: &LabelerOnDemand<'_>) -> Result<Trained, PipelineError> {
        self.trained_or(&step.stage, || {
            let image = Box::new(|sample| self.lasting_image(sample));
            let set: Box<dyn NamedSet> = match self.plan.reads(step).find(|read| matches!(read.action, Action::Select { .. })) {
                Some(select) => Box::new(SelectedRegions::read(self, &select.stage, image)?),
                None => Box::new(WholeImages::new(&self.samples, image)),
            };
            Ok((labeler.get()?, set))
        })
    }
}

/// The proposal configuration that a step belongs to.
fn configuration(step: &Step) -> Option<usize> {
    match step.action {
        Action::Propose { configuration } | Action::Refine { configuration, .. } => Some(configuration),
        _ => None,
    }
}

/// Bytes of memory that are free on this machine, where it says so.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

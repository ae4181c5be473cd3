//! From a recipe and its samples to steps with keys, in the order in which they run. Nothing runs here; whatever walks a run walks [`Plan::steps`].

use std::collections::BTreeSet;
use std::path::Path;

use convert_sdk::SelectorNeeds;

use super::action::Action;
use super::error::PipelineError;
use crate::engine::{Key, KeyBuilder, KeySettings, Samples, Stage};
use crate::errors::FileError;
use crate::recipe::{Configured, Recipe};

/// The file that says that a training has ended.
pub(super) const TRAINED: &str = "trained.json";

/// Whether a step gives one result a sample, or one of all samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Results in shards.
    PerSample,
    /// One result: a checkpoint or a file.
    WholeSet,
}

/// A step of a run.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name and key, and the folder of its results (of an export that of its file).
    pub stage: Stage,
    /// What it does.
    pub action: Action,
    /// The steps that it reads, by their places in [`Plan::steps`].
    pub reads: Vec<usize>,
    /// Whether only `convert stage` runs it.
    pub on_demand: bool,
}

impl Step {
    /// Whether it gives one result a sample.
    pub fn kind(&self) -> Kind {
        match self.action {
            Action::TrainOnImages | Action::Train { .. } | Action::Export { .. } => Kind::WholeSet,
            _ => Kind::PerSample,
        }
    }

    /// Whether its results lie in shards.
    pub fn is_per_sample(&self) -> bool {
        self.kind() == Kind::PerSample
    }

    /// Whether it trains the labeler.
    pub fn trains(&self) -> bool {
        matches!(self.action, Action::TrainOnImages | Action::Train { .. })
    }

    /// The plugin that computes it; `None` where the host does (the labels' postprocessors adjust what the host computes).
    pub fn plugin<'r>(&self, recipe: &'r Recipe) -> Option<&'r Configured> {
        match self.action {
            Action::Propose { configuration } => Some(&recipe.proposals[configuration].1),
            Action::Refine { refiner, .. } => Some(&recipe.refine[refiner].0),
            Action::Select { .. } => Some(&recipe.select),
            Action::TrainOnImages | Action::Maps | Action::Train { .. } | Action::Predict { .. } | Action::LabelMaps | Action::HeldOut => {
                Some(&recipe.label)
            }
            Action::Export { exporter } => Some(&recipe.export[exporter].0),
            Action::Regions | Action::Labels => None,
        }
    }

    /// All plugins that it calls.
    pub fn plugins<'r>(&self, recipe: &'r Recipe) -> Vec<&'r Configured> {
        match self.action {
            Action::Labels => recipe.postprocess.iter().collect(),
            _ => self.plugin(recipe).into_iter().collect(),
        }
    }

    /// Which of these shards are finished; of a step on the whole set all or none. An export is never known to be: its file is compared when it is written.
    ///
    /// # Errors
    /// Stored results that cannot be listed.
    pub fn finished(&self, shards: &[usize]) -> Result<BTreeSet<usize>, FileError> {
        let of = |finished: &dyn Fn(usize) -> bool| shards.iter().copied().filter(|shard| finished(*shard)).collect();
        Ok(match (self.kind(), self.trains()) {
            (Kind::PerSample, _) => {
                let finished = self.stage.shards()?;
                of(&|shard| finished.contains_key(&shard))
            }
            (Kind::WholeSet, true) if self.stage.objects()?.contains_key(TRAINED) => of(&|_| true),
            (Kind::WholeSet, _) => BTreeSet::new(),
        })
    }
}

/// The steps of a run.
pub struct Plan {
    steps: Vec<Step>,
    /// What the selector wants.
    pub needs: SelectorNeeds,
}

impl Plan {
    /// Plans a recipe whose selector wants `needs`.
    ///
    /// # Errors
    /// A file that a config names and that cannot be read.
    pub fn new(recipe: &Recipe, samples: &Samples, needs: SelectorNeeds, settings: &KeySettings<'_>) -> Result<Self, PipelineError> {
        let mut planner = Planner { recipe, samples, settings, steps: Vec::new() };
        let regions = planner.masks()?;
        let (predict, select) = planner.learning(regions, needs)?;
        planner.labels(regions, predict, select)?;
        Ok(Self { steps: planner.steps, needs })
    }

    /// Every step, in the order in which they run.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step that does something, where the run has it.
    pub fn find(&self, action: Action) -> Option<&Step> {
        self.steps.iter().find(|step| step.action == action)
    }

    /// The stages that a step reads.
    pub fn reads<'a>(&'a self, step: &'a Step) -> impl Iterator<Item = &'a Step> {
        step.reads.iter().map(|index| &self.steps[*index])
    }

    /// A step that every run has.
    ///
    /// # Errors
    /// That it is missing: a mistake of this program.
    pub fn stage_of(&self, action: Action) -> Result<&Stage, PipelineError> {
        let found = self.find(action).map(|step| &step.stage);
        found.ok_or_else(|| PipelineError::MissingStep(action))
    }

    /// The last round's step of a kind.
    pub fn last(&self, of_round: impl Fn(u32) -> Action) -> Option<&Step> {
        self.find(of_round(self.needs.rounds))
    }
}

struct Planner<'a> {
    recipe: &'a Recipe,
    samples: &'a Samples,
    settings: &'a KeySettings<'a>,
    steps: Vec<Step>,
}

impl Planner<'_> {
    fn add(&mut self, name: String, key: Key, action: Action, reads: Vec<usize>) -> usize {
        let stage = Stage::new(&self.recipe.store, &self.recipe.work_dir, name, key);
        self.steps.push(Step { stage, action, reads, on_demand: false });
        self.steps.len() - 1
    }

    fn key(&self, step: usize) -> &Key {
        &self.steps[step].stage.key
    }

    /// Proposals, refinements, regions; the place of the last.
    fn masks(&mut self) -> Result<usize, PipelineError> {
        let mut sources = Vec::new();
        for (configuration, (name, proposer)) in self.recipe.proposals.iter().enumerate() {
            let key = self.settings.step("proposals", proposer)?.reads(&self.samples.key).finish();
            let mut last = self.add(format!("proposals-{name}"), key, Action::Propose { configuration }, Vec::new());
            for (refiner, (plugin, only)) in self.recipe.refine.iter().enumerate() {
                if only.as_ref().is_some_and(|names| !names.contains(name)) {
                    continue;
                }
                let key = self.settings.step("refine", plugin)?.reads(self.key(last)).finish();
                let name = format!("refine-{name}-{}-{}", refiner + 1, plugin.plugin.name);
                last = self.add(name, key, Action::Refine { refiner, configuration }, vec![last]);
            }
            sources.push(last);
        }
        let named = self.recipe.proposals.iter().map(|(name, _)| name).zip(&sources);
        let key = named.fold(KeyBuilder::new("regions"), |key, (name, source)| key.with("source", name.as_bytes()).reads(self.key(*source)));
        Ok(self.add("regions".into(), key.finish(), Action::Regions, sources))
    }

    /// Own label maps, then rounds of choosing, training and predicting; the places of the last prediction and selection.
    fn learning(&mut self, regions: usize, needs: SelectorNeeds) -> Result<(usize, Option<usize>), PipelineError> {
        let (selector, labeler) = (self.recipe.select.plugin.name.clone(), self.recipe.label.plugin.name.clone());
        let on_images = KeyBuilder::new("whole images").reads(&self.samples.key).finish();
        let key = self.labeler("train", &[&on_images])?;
        let train = self.add(format!("maps-train-{labeler}"), key, Action::TrainOnImages, Vec::new());
        let key = self.labeler("maps", &[self.key(train), &self.samples.key])?;
        let maps = self.add("maps".into(), key, Action::Maps, vec![train]);
        let wanted = needs.maps && self.recipe.checkpoint.is_none();
        (self.steps[train].on_demand, self.steps[maps].on_demand) = (!wanted, !wanted);

        if let Some(checkpoint) = &self.recipe.checkpoint {
            let trained = KeyBuilder::new("checkpoint").with("content", self.settings.files.content(checkpoint)?.as_bytes()).finish();
            let key = self.labeler("predict", &[&trained, self.key(regions)])?;
            let predict = self.add(format!("predict-{labeler}"), key, Action::Predict { round: needs.rounds }, vec![regions]);
            let key = self.labeler("maps", &[&trained, &self.samples.key])?;
            self.label_maps(key, Vec::new());
            return Ok((predict, None));
        }

        let mut evidence = needs.maps.then_some(maps);
        let mut last = (regions, regions, regions);
        for round in 1..=needs.rounds {
            let name = |what: &str| if round == needs.rounds { what.to_owned() } else { format!("round-{round}-{what}") };
            let key = self.settings.step("select", &self.recipe.select)?.reads(self.key(regions)).with("round", &round.to_le_bytes());
            let key = evidence.iter().fold(key, |key, evidence| key.reads(self.key(*evidence))).finish();
            let reads = std::iter::once(regions).chain(evidence).collect();
            let select = self.add(name(&format!("select-{selector}")), key, Action::Select { round }, reads);
            let key = self.labeler("train", &[self.key(select)])?;
            let train = self.add(name(&format!("train-{labeler}")), key, Action::Train { round }, vec![select, regions]);
            let key = self.labeler("predict", &[self.key(train), self.key(regions)])?;
            let predict = self.add(name(&format!("predict-{labeler}")), key, Action::Predict { round }, vec![train, regions]);
            (evidence, last) = (Some(predict), (select, train, predict));
        }
        let (select, train, predict) = last;
        let key = self.labeler("maps", &[self.key(train), &self.samples.key])?;
        self.label_maps(key, vec![train]);
        let key = self.labeler("held out", &[self.key(train), self.key(regions)])?;
        let held_out = self.add(format!("held-out-{labeler}"), key, Action::HeldOut, vec![train, regions]);
        self.steps[held_out].on_demand = true;
        Ok((predict, Some(select)))
    }

    /// The key of a step of the labeler.
    fn labeler(&self, kind: &str, reads: &[&Key]) -> Result<Key, PipelineError> {
        let key = self.settings.step(kind, &self.recipe.label)?;
        Ok(reads.iter().fold(key, |key, read| key.reads(read)).finish())
    }

    fn label_maps(&mut self, key: Key, reads: Vec<usize>) {
        let maps = self.add("label-maps".into(), key, Action::LabelMaps, reads);
        self.steps[maps].on_demand = true;
    }

    fn labels(&mut self, regions: usize, predict: usize, select: Option<usize>) -> Result<(), PipelineError> {
        let recipe = self.recipe;
        let aggregate = serde_json::to_string(&recipe.sections.aggregation()).map_err(PipelineError::Aggregate)?;
        let key = KeyBuilder::new("labels").with("profile", self.settings.profile.as_bytes()).with("aggregate", aggregate.as_bytes());
        let mut key = key.reads(self.key(predict));
        for postprocessor in &recipe.postprocess {
            key = self.settings.with_plugin(key, postprocessor)?;
        }
        let reads: Vec<usize> = [predict, regions].into_iter().chain(select).collect();
        let labels = self.add("labels".into(), key.finish(), Action::Labels, reads.clone());
        // The exporters show the truth, which the samples' key leaves out.
        let mut dataset = self.settings.with_whole_plugin(KeyBuilder::new("truth"), &recipe.dataset)?.finish();
        // They also show calibrated labels.
        if let Some(section) = &recipe.sections.calibrate {
            let settings =
                serde_json::to_string(&(section.per_class, section.target, &recipe.sections.aggregate)).map_err(PipelineError::Aggregate)?;
            let mut key = KeyBuilder::new("calibrated").reads(&dataset).with("settings", settings.as_bytes());
            if let Some(truth) = &section.truth {
                key = key.with("truth", self.settings.files.content(truth)?.as_bytes());
            }
            dataset = key.finish();
        }
        // And the labels and masks that people corrected.
        if let Some(reviews) = &recipe.sections.reviews {
            dataset = KeyBuilder::new("reviewed").reads(&dataset).with("reviews", self.settings.files.content(reviews)?.as_bytes()).finish();
        }
        for (exporter, (plugin, file)) in recipe.export.iter().enumerate() {
            let key = self.settings.step("export", plugin)?.reads(self.key(labels)).reads(&dataset);
            let key = select.iter().fold(key, |key, select| key.reads(self.key(*select))).finish();
            let reads = std::iter::once(labels).chain(reads.iter().copied()).collect();
            let name = file.strip_prefix(&recipe.work_dir).unwrap_or(file);
            let step = self.add(format!("export-{}", name.display()), key, Action::Export { exporter }, reads);
            self.steps[step].stage.folder = file.parent().unwrap_or(Path::new("")).to_owned();
        }
        Ok(())
    }
}

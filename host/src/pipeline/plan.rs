//! From a recipe and its samples to stages with keys. Nothing runs here.

use std::path::PathBuf;

use crate::engine::{Key, KeyBuilder, Samples, Stage};
use crate::failure::Failure;
use crate::recipe::{Configured, Recipe};

/// A refiner at work on one proposal configuration.
pub struct RefineStage {
    /// Index in the recipe's `refine`.
    pub refiner: usize,
    /// Where its results lie.
    pub stage: Stage,
}

/// One proposal configuration: its proposer and the refiners after it.
pub struct Source {
    /// The configuration's name.
    pub name: String,
    /// The proposals.
    pub propose: Stage,
    /// The refiners, in order.
    pub refine: Vec<RefineStage>,
}

impl Source {
    /// The stage whose masks go on.
    pub fn last(&self) -> &Stage {
        self.refine.last().map_or(&self.propose, |refine| &refine.stage)
    }
}

/// All stages of a run, in the order in which they run.
pub struct Plan {
    /// The proposal configurations.
    pub sources: Vec<Source>,
    /// All masks of an image, fitted to it.
    pub regions: Stage,
    /// The selector's answers.
    pub select: Stage,
    /// The labeler's checkpoints; not sharded. `None` when the recipe gives a checkpoint.
    pub train: Option<Stage>,
    /// The labeler's predictions.
    pub predict: Stage,
    /// The final labels.
    pub labels: Stage,
    /// The exporters' keys with their files.
    pub exports: Vec<(Key, PathBuf)>,
}

impl Plan {
    /// Plans a recipe.
    ///
    /// # Errors
    /// A file that a config names and that cannot be read.
    pub fn new(recipe: &Recipe, samples: &Samples) -> Result<Self, Failure> {
        let stage = |name: String, key: Key| Stage::new(&recipe.work_dir, name, key);
        let begin = |kind: &str| {
            KeyBuilder::new(kind).with("profile", recipe.sections.profile.name().as_bytes()).with("seed", &recipe.sections.seed.to_le_bytes())
        };
        let mut sources = Vec::new();
        for (name, proposer) in &recipe.proposals {
            let key = begin("proposals").plugin(proposer)?.reads(&samples.key).finish();
            let propose = stage(format!("proposals-{name}"), key.clone());
            let (mut refine, mut last) = (Vec::new(), key);
            for (index, (refiner, only)) in recipe.refine.iter().enumerate() {
                if only.as_ref().is_some_and(|names| !names.contains(name)) {
                    continue;
                }
                last = begin("refine").plugin(refiner)?.reads(&last).finish();
                refine
                    .push(RefineStage { refiner: index, stage: stage(format!("refine-{name}-{}-{}", index + 1, refiner.plugin.name), last.clone()) });
            }
            sources.push(Source { name: name.clone(), propose, refine });
        }

        let mut key = KeyBuilder::new("regions");
        for source in &sources {
            key = key.with("source", source.name.as_bytes()).reads(&source.last().key);
        }
        let regions = stage("regions".into(), key.finish());
        let select = stage(format!("select-{}", recipe.select.plugin.name), begin("select").plugin(&recipe.select)?.reads(&regions.key).finish());

        let labeler = &recipe.label;
        let (train, trained) = match &recipe.checkpoint {
            Some(file) => {
                let hash = crate::engine::KeyBuilder::new("checkpoint").with("content", crate::engine::content_hash(file)?.as_bytes());
                (None, hash.finish())
            }
            None => {
                let key = begin("train").plugin(labeler)?.reads(&select.key).finish();
                (Some(stage(format!("train-{}", labeler.plugin.name), key.clone())), key)
            }
        };
        let key = begin("predict").plugin(labeler)?.reads(&trained).reads(&regions.key).finish();
        let predict = stage(format!("predict-{}", labeler.plugin.name), key);

        let aggregate = serde_json::to_string(&recipe.sections.aggregate).map_err(|error| Failure::run(error.to_string()))?;
        let mut key = begin("labels").with("aggregate", aggregate.as_bytes()).reads(&predict.key);
        for postprocessor in &recipe.postprocess {
            key = key.plugin(postprocessor)?;
        }
        let labels = stage("labels".into(), key.finish());
        let export = |(exporter, file): &(Configured, PathBuf)| -> Result<(Key, PathBuf), Failure> {
            Ok((begin("export").plugin(exporter)?.reads(&labels.key).reads(&select.key).finish(), file.clone()))
        };
        let exports = recipe.export.iter().map(export).collect::<Result<_, _>>()?;
        Ok(Self { sources, regions, select, train, predict, labels, exports })
    }

    /// The sharded stages, in order.
    pub fn stages(&self) -> impl Iterator<Item = &Stage> {
        self.sources.iter().flat_map(|source| std::iter::once(&source.propose).chain(source.refine.iter().map(|refine| &refine.stage))).chain([
            &self.regions,
            &self.select,
            &self.predict,
            &self.labels,
        ])
    }
}

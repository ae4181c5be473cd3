//! From a recipe and its samples to stages with keys. Nothing runs here.

use std::path::PathBuf;

use convert_sdk::SelectorNeeds;

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

/// The label maps that the dataset's own labels give: the labeler trained on whole images, and its opinion of every place.
pub struct OwnMaps {
    /// The labeler's checkpoints; not sharded.
    pub train: Stage,
    /// A map an image.
    pub maps: Stage,
}

/// A round of choosing regions and learning from them.
#[derive(Clone)]
pub struct Round {
    /// The selector's answers.
    pub select: Stage,
    /// The labeler's checkpoints; not sharded.
    pub train: Stage,
    /// The labeler's predictions.
    pub predict: Stage,
}

/// All stages of a run, in the order in which they run.
pub struct Plan {
    /// The proposal configurations.
    pub sources: Vec<Source>,
    /// All masks of an image, fitted to it.
    pub regions: Stage,
    /// What the selector wants.
    pub needs: SelectorNeeds,
    /// The label maps: part of a run when the selector wants them, else made on demand.
    pub maps: OwnMaps,
    /// The rounds before the last.
    pub earlier: Vec<Round>,
    /// The selector's answers in the last round.
    pub select: Stage,
    /// The labeler's checkpoints of the last round; not sharded. `None` when the recipe gives a checkpoint.
    pub train: Option<Stage>,
    /// The labeler's predictions.
    pub predict: Stage,
    /// Label maps by the trained labeler; made on demand alone.
    pub label_maps: Stage,
    /// The final labels.
    pub labels: Stage,
    /// The exporters' keys with their files.
    pub exports: Vec<(Key, PathBuf)>,
}

impl Plan {
    /// Plans a recipe whose selector wants `needs`.
    ///
    /// # Errors
    /// A file that a config names and that cannot be read.
    pub fn new(recipe: &Recipe, samples: &Samples, needs: SelectorNeeds) -> Result<Self, Failure> {
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

        let (selector, labeler) = (&recipe.select.plugin.name, &recipe.label.plugin.name);
        let train = |on: &Key| Ok::<_, Failure>(begin("train").plugin(&recipe.label)?.reads(on).finish());
        let predict = |trained: &Key| Ok::<_, Failure>(begin("predict").plugin(&recipe.label)?.reads(trained).reads(&regions.key).finish());
        let maps_of = |trained: &Key| Ok::<_, Failure>(begin("maps").plugin(&recipe.label)?.reads(trained).reads(&samples.key).finish());

        let whole = train(&KeyBuilder::new("whole images").reads(&samples.key).finish())?;
        let maps = OwnMaps { maps: stage("maps".into(), maps_of(&whole)?), train: stage(format!("maps-train-{labeler}"), whole) };
        let mut earlier: Vec<Round> = Vec::new();
        let mut evidence = needs.maps.then(|| maps.maps.key.clone());
        let select_key = |round: u32, evidence: &Option<Key>| {
            let key = begin("select").plugin(&recipe.select)?.reads(&regions.key).with("round", &round.to_le_bytes());
            Ok::<_, Failure>(evidence.iter().fold(key, KeyBuilder::reads).finish())
        };
        for round in 1..needs.rounds {
            let selected = select_key(round, &evidence)?;
            let trained = train(&selected)?;
            let predicted = predict(&trained)?;
            evidence = Some(predicted.clone());
            earlier.push(Round {
                select: stage(format!("round-{round}-select-{selector}"), selected),
                train: stage(format!("round-{round}-train-{labeler}"), trained),
                predict: stage(format!("round-{round}-predict-{labeler}"), predicted),
            });
        }
        let select = stage(format!("select-{selector}"), select_key(needs.rounds, &evidence)?);
        let (train, trained) = match &recipe.checkpoint {
            Some(file) => {
                let hash = crate::engine::KeyBuilder::new("checkpoint").with("content", crate::engine::content_hash(file)?.as_bytes());
                (None, hash.finish())
            }
            None => {
                let key = train(&select.key)?;
                (Some(stage(format!("train-{labeler}"), key.clone())), key)
            }
        };
        let label_maps = stage("label-maps".into(), maps_of(&trained)?);
        let predict = stage(format!("predict-{labeler}"), predict(&trained)?);

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
        Ok(Self { sources, regions, needs, maps, earlier, select, train, predict, label_maps, labels, exports })
    }

    /// The stages of masks, in order.
    pub fn mask_stages(&self) -> impl Iterator<Item = &Stage> {
        let sources = self.sources.iter().flat_map(|source| std::iter::once(&source.propose).chain(source.refine.iter().map(|refine| &refine.stage)));
        sources.chain([&self.regions])
    }

    /// The stages of the label maps, where the run makes them.
    pub fn map_stages(&self) -> impl Iterator<Item = &Stage> {
        (self.train.is_some() && self.needs.maps).then_some([&self.maps.train, &self.maps.maps]).into_iter().flatten()
    }

    /// The rounds in order, the last one included; none when the recipe gives a checkpoint.
    pub fn rounds(&self) -> Vec<Round> {
        let last = self.train.iter().map(|train| Round { select: self.select.clone(), train: train.clone(), predict: self.predict.clone() });
        let earlier = if self.train.is_some() { self.earlier.clone() } else { Vec::new() };
        earlier.into_iter().chain(last).collect()
    }

    /// The names of all stages that can be run by themselves.
    pub fn names(&self) -> Vec<String> {
        let learning = self.rounds().into_iter().flat_map(|round| [round.select.name, round.train.name, round.predict.name]);
        let maps = [&self.maps.train, &self.maps.maps, &self.label_maps, &self.predict, &self.labels];
        let mut names: Vec<String> = self.mask_stages().chain(maps).map(|stage| stage.name.clone()).chain(learning).collect();
        names.dedup();
        names
    }

    /// The folders of all stages.
    pub fn folders(&self) -> Vec<PathBuf> {
        let learning = self.rounds().into_iter().flat_map(|round| [round.select.folder, round.train.folder, round.predict.folder]);
        let others = [&self.maps.train, &self.maps.maps, &self.label_maps, &self.predict, &self.labels];
        self.mask_stages().chain(others).map(|stage| stage.folder.clone()).chain(learning).collect()
    }
}

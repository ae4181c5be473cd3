//! `convert --recipe FILE --dry-run --limit N`: how long a recipe takes here, and how much disk, measured on a few images.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use convert_sdk::{StageInfo, Work};
use serde::{Deserialize, Serialize};

use super::{cancel_on_ctrl_c, check};
use crate::cli::RunArguments;
use crate::engine::{Progress, Stage};
use crate::failure::Failure;
use crate::pipeline::{Options, RefineStage, Session, Works, check_plugins};
use crate::plugins::Catalog;
use crate::recipe::{Configured, Overrides, Recipe};

/// What a stage takes an image.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// Seconds, all threads together.
    pub seconds: f64,
    /// Bytes in the work directory.
    pub bytes: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StageRate {
    /// The plugin's config: another one has another rate.
    config: String,
    rate: Rate,
    /// Floating-point operations an image.
    flops: u64,
}

/// The rates of a recipe's stages, kept in its work directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The images it was measured with.
    pub images: usize,
    /// On what.
    pub device: String,
    /// How many threads.
    pub threads: usize,
    stages: BTreeMap<String, StageRate>,
}

impl Measured {
    fn file(work_dir: &Path) -> PathBuf {
        work_dir.join("measured.json")
    }

    /// What was measured in a work directory.
    pub fn read(work_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(Self::file(work_dir)).ok()?).ok()
    }

    /// The rate of a stage with the plugin's present config.
    pub fn rate(&self, stage: &str, plugin: Option<&Configured>) -> Option<Rate> {
        self.stages.get(stage).filter(|entry| entry.config == config(plugin)).map(|entry| entry.rate)
    }

    /// The mean time of a floating-point operation over the stages that are counted in them.
    pub fn seconds_per_flop(&self) -> Option<f64> {
        let counted = self.stages.values().filter(|entry| entry.flops > 0);
        let (flops, seconds) = counted.fold((0, 0.0), |(flops, seconds), entry| (flops + entry.flops, seconds + entry.rate.seconds));
        (flops > 0).then(|| seconds / flops as f64)
    }
}

fn config(plugin: Option<&Configured>) -> String {
    plugin.map_or_else(String::new, |plugin| plugin.config.to_string())
}

/// Runs all stages on `limit` images in a folder of their own, keeps the rates, and prints the plan of the whole dataset.
pub fn measure(file: &Path, limit: usize, arguments: &RunArguments, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let load = |work_dir: Option<&Path>| Recipe::load(file, &Overrides { set: &arguments.overrides.set, work_dir }, catalog);
    let work_dir = load(arguments.overrides.work_dir.as_deref())?.work_dir;
    let scratch = work_dir.join("measure");
    remove(&scratch)?;
    let threads = arguments.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), |threads| threads as usize);
    let options =
        Options { limit: Some(limit), device: arguments.device.clone(), threads: Some(threads), part: None, progress, cancel: cancel_on_ctrl_c()? };
    let session = Session::open(load(Some(&scratch))?, options)?;
    let works = check_plugins(&session.recipe, &session.samples)?;
    session.run_masks()?;
    match session.run_learning() {
        Ok(_) => session.run_labels()?,
        // Of a few images the selection may keep nothing; what comes after it is then estimated.
        Err(Failure::Run(message)) => tracing::warn!("not measured beyond this: {message}"),
        Err(other) => return Err(other),
    }
    let measured = rates(&session, &works, arguments, threads);
    drop(session);
    remove(&scratch)?;
    crate::engine::replace_file(&Measured::file(&work_dir), |file| Ok(serde_json::to_writer_pretty(file, &measured)?))?;
    check::check(file, &arguments.overrides, catalog)
}

fn rates(session: &Session, works: &Works, arguments: &RunArguments, threads: usize) -> Measured {
    let finished = session.runner.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let rate_of = |stage: &Stage, plugin: Option<&Configured>, work: Work, training: bool| {
        let info: &StageInfo = finished.iter().find(|info| info.name == stage.name).filter(|info| info.images > 0)?;
        let flops = if training { work.training_flops } else { work.flops };
        let images = info.images as f64;
        let rate = Rate { seconds: info.seconds / images, bytes: size(&stage.folder) as f64 / images };
        Some((stage.name.clone(), StageRate { config: config(plugin), rate, flops }))
    };
    let (plan, recipe) = (&session.plan, &session.recipe);
    let rate = |stage: &Stage, plugin: Option<&Configured>, training: bool| {
        rate_of(stage, plugin, plugin.map_or_else(Work::default, |plugin| works.of_plugin(recipe, plugin)), training)
    };
    let label = Some(&recipe.label);
    let mut stages = BTreeMap::new();
    for (index, (source, (_, proposer))) in plan.sources.iter().zip(&recipe.proposals).enumerate() {
        stages.extend(rate(&source.propose, Some(proposer), false));
        let refined =
            |refine: &RefineStage| rate_of(&refine.stage, Some(&recipe.refine[refine.refiner].0), works.of_refinement(refine.refiner, index), false);
        stages.extend(source.refine.iter().filter_map(refined));
    }
    stages.extend(rate(&plan.regions, None, false));
    stages.extend(plan.map_stages().enumerate().filter_map(|(index, stage)| rate(stage, label, index == 0)));
    for round in plan.rounds() {
        stages.extend(rate(&round.select, Some(&recipe.select), false));
        stages.extend(rate(&round.train, label, true));
        stages.extend(rate(&round.predict, label, false));
    }
    stages.extend(rate(&plan.predict, label, false));
    stages.extend(rate(&plan.labels, None, false));
    Measured { images: session.samples.list.len(), device: arguments.device.clone(), threads, stages }
}

/// The bytes of a folder's files.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|metadata| metadata.len()).sum()
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::run(format!("cannot remove {}: {error}", folder.display()))),
        _ => Ok(()),
    }
}

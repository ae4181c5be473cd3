//! One run of a recipe: its dataset opened, its steps planned, its plugins built where they have work to do.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use convert_sdk::Role;
use convert_sdk::{Context, Dataset, Error, ErrorKind, Image, ImageData, LazyImage, Result as PluginResult, Sample, SelectorNeeds, Settings, Work};

use super::cost_estimates::CostEstimates;
use super::error::{NotBuilt, PipelineError};
use super::host_side::HostSide;
use super::ids::check_ids;
use super::locks::{LEASE, Lock, hold};
use super::part::Part;
use super::plan::{Plan, Step};
use super::work_dir;
use crate::engine::images::{self, Decoding};
use crate::engine::{FileHashes, InFlight, KeySettings, Ledger, Progress, Runner, Samples, patiently};
use crate::errors::FileError;
use crate::recipe::{Configured, Recipe};

/// What the command line says of a run.
pub struct Options {
    /// Work on this many samples only, spread over the dataset.
    pub limit: Option<usize>,
    /// `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Threads; all cores by default.
    pub threads: Option<usize>,
    /// Trust nothing that was remembered of files and folders.
    pub rescan: bool,
    /// The shards to work on, where several processes share the run; all by default.
    pub part: Option<Part>,
    /// Where progress goes.
    pub progress: Progress,
    /// Set by Ctrl-C.
    pub cancel: Arc<AtomicBool>,
}

/// A run in its work directory.
pub struct Session {
    /// The recipe.
    pub recipe: Recipe,
    /// The dataset.
    pub dataset: Box<dyn Dataset>,
    /// Its samples.
    pub samples: Samples,
    /// The steps.
    pub plan: Plan,
    /// What runs them.
    pub runner: Runner,
    /// The shards to work on, where several processes share the run.
    pub part: Option<Part>,
    host: Arc<HostSide>,
    device: String,
    /// The samples that the run was limited to.
    pub(super) limit: Option<usize>,
    threads: usize,
    /// What plugins declared to hold, by what they are and their config.
    memory: Mutex<HashMap<String, u64>>,
    _lock: Lock,
}

/// A recipe's dataset, its samples and its steps: all that `convert check` needs.
pub struct Prepared {
    /// The dataset.
    pub dataset: Box<dyn Dataset>,
    /// Its samples.
    pub samples: Samples,
    /// The steps.
    pub plan: Plan,
    /// The hashes of the files that the recipe names.
    pub files: FileHashes,
    /// Since when they were looked at.
    pub(super) begun: SystemTime,
}

/// What planning a run depends on besides its recipe.
pub struct Planning<'a> {
    /// Plan for this many samples only.
    pub limit: Option<usize>,
    /// The run's device.
    pub device: &'a str,
    /// Trust nothing that was remembered of files and folders.
    pub rescan: bool,
    /// Set by Ctrl-C.
    pub cancel: &'a Arc<AtomicBool>,
}

/// Opens a recipe's dataset and plans its steps.
///
/// # Errors
/// What is wrong with the dataset, at its place in the recipe; an id that an exporter cannot write.
pub fn prepare(recipe: &Recipe, planning: &Planning<'_>) -> Result<Prepared, PipelineError> {
    let host = || Arc::new(HostSide::new(Arc::clone(planning.cancel)));
    recipe.take_up_cache();
    let begun = SystemTime::now();
    let rescan = planning.rescan;
    let dataset = open_dataset(recipe, rescan, planning.cancel)?;
    let files = FileHashes::open(&recipe.work_dir.join("cache"), rescan);
    let settings = KeySettings { profile: recipe.sections.profile.name(), seed: recipe.sections.seed, device: planning.device, files: &files };
    let samples = Samples::of_recipe(dataset.as_ref(), recipe, planning.limit, &settings, planning.cancel)
        .map_err(|error| recipe.refuse(&recipe.dataset, error))?;
    check_ids(recipe, &samples, |configured| self::context(recipe, configured, host(), Machine { classes: &samples.classes, ..Machine::default() }))?;
    let needs = selector_needs(recipe, &samples, host())?;
    let plan = Plan::new(recipe, &samples, needs, &settings)?;
    Ok(Prepared { dataset, samples, plan, files, begun })
}

/// Opens a recipe's dataset; its samples are not listed.
///
/// # Errors
/// What it says, at its place in the recipe.
pub(super) fn open_dataset(recipe: &Recipe, rescan: bool, cancel: &Arc<AtomicBool>) -> Result<Box<dyn Dataset>, PipelineError> {
    let context = context(recipe, &recipe.dataset, Arc::new(HostSide::new(Arc::clone(cancel))), Machine { rescan, ..Machine::default() });
    let build = || recipe.dataset.built(|config| recipe.dataset.plugin.builder.dataset(config, &context));
    let opened = patiently(cancel, || "opening the dataset".into(), build);
    Ok(opened.map_err(|error| recipe.refuse(&recipe.dataset, NotBuilt::of(&recipe.dataset, error)))?)
}

/// What the recipe's selector wants, which decides what steps there are.
pub(super) fn selector_needs(recipe: &Recipe, samples: &Samples, host: Arc<HostSide>) -> Result<SelectorNeeds, PipelineError> {
    let selector = &recipe.select;
    let context = context(recipe, selector, host, Machine { classes: &samples.classes, ..Machine::default() });
    let built = selector.built(|config| selector.plugin.builder.selector(config, &context));
    let built = built.map_err(|error| recipe.refuse(selector, NotBuilt::of(selector, error)))?;
    Ok(built.needs())
}

/// Builds every plugin of a plan and lets it go again; what an image costs each.
///
/// # Errors
/// What a plugin says, at its place in the recipe.
pub fn check_plugins(recipe: &Recipe, prepared: &Prepared) -> Result<CostEstimates, PipelineError> {
    let host = Arc::new(HostSide::new(Arc::default()));
    CostEstimates::of(recipe, &prepared.plan, |configured, before| {
        let context = context(recipe, configured, Arc::clone(&host), Machine { classes: &prepared.samples.classes, ..Machine::default() });
        try_build(recipe, configured, &context, before)
    })
}

/// What a plugin's context says beside the recipe.
pub(super) struct Machine<'a> {
    pub classes: &'a [String],
    pub device: &'a str,
    pub threads: usize,
    pub rescan: bool,
}

impl Default for Machine<'_> {
    fn default() -> Self {
        Self { classes: &[], device: "cpu", threads: 1, rescan: false }
    }
}

pub(super) fn context(recipe: &Recipe, configured: &Configured, host: Arc<HostSide>, machine: Machine<'_>) -> Context {
    let settings = Settings {
        plugin: configured.plugin.name.clone(),
        profile: recipe.sections.profile.name().to_owned(),
        seed: recipe.sections.seed,
        threads: machine.threads,
        device: machine.device.to_owned(),
        cache_folder: recipe.work_dir.join("cache"),
        classes: machine.classes.to_vec(),
        rescan: machine.rescan,
    };
    Context::new(settings, host)
}

impl Session {
    /// Opens the dataset, locks the work directory, and begins the ledger.
    ///
    /// # Errors
    /// A dataset that cannot be used; a work directory that cannot be written or is in use.
    pub fn open(recipe: Recipe, options: Options) -> Result<Self, PipelineError> {
        let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let planning = Planning { limit: options.limit, device: &options.device, rescan: options.rescan, cancel: &options.cancel };
        let prepared = prepare(&recipe, &planning)?;
        let lock = work_dir::enter(&recipe, options.part.is_some(), &options.cancel)?;
        match recipe.store.is_remote() {
            true => prepared.remember(&recipe),
            // The dataset does so by itself.
            false => prepared.files.save(),
        }
        let Prepared { dataset, samples, plan, .. } = prepared;
        let part = options.part.as_ref().map(Part::name);
        let ledger = Ledger::begin(&recipe.work_dir, part, recipe.sections.on_error, recipe.sections.max_errors)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("worker-{index}"))
            .build()
            .map_err(|source| PipelineError::Threads { threads, source })?;
        let current = Arc::default();
        let timeout = recipe.sections.timeout_s.map(Duration::from_secs);
        let in_flight = InFlight::begin(&recipe.work_dir, part, threads, timeout)?;
        let (cancel, on_crash) = (options.cancel, recipe.sections.on_crash);
        let host = Arc::new(HostSide::with_progress(cancel.clone(), Arc::clone(&current)));
        let (finished, stored) = Default::default();
        let runner = Runner { pool, cancel, ledger, progress: options.progress, current, in_flight, on_crash, finished, stored };
        let Options { limit, device, part, .. } = options;
        Ok(Self { recipe, dataset, samples, plan, runner, part, host, device, limit, threads, memory: Mutex::default(), _lock: lock })
    }

    /// Leads the run: of the processes that would share it out, one does.
    ///
    /// # Errors
    /// Another process does; a place that cannot be written.
    pub fn lead(&self) -> Result<Lock, PipelineError> {
        let recipe = &self.recipe;
        let busy = || PipelineError::LedElsewhere(recipe.place());
        hold(&recipe.work_dir.join(".lead"), &recipe.store, LEASE, &self.runner.cancel, busy)
    }

    /// The context of a plugin.
    pub fn context(&self, configured: &Configured) -> Context {
        let machine = Machine { classes: &self.samples.classes, device: &self.device, threads: self.threads, rescan: false };
        context(&self.recipe, configured, Arc::clone(&self.host), machine)
    }

    /// Builds a plugin; a refusal is shown at its place in the recipe.
    ///
    /// # Errors
    /// What the plugin says of its config.
    pub fn build<T>(&self, configured: &Configured, build: impl FnOnce(&str, &Context) -> PluginResult<T>) -> Result<T, PipelineError> {
        configured.built(|config| build(config, &self.context(configured))).map_err(|error| refused(&self.recipe, configured, error))
    }

    /// Builds every plugin that has work to do, and lets it go again: what it says of its config and weights is heard before any work, and no two
    /// large models need be in memory at once.
    ///
    /// # Errors
    /// What a plugin says, at its place in the recipe.
    pub fn check_plugins(&self) -> Result<(), PipelineError> {
        self.check_plugins_of(|step| !step.on_demand)
    }

    /// The same for the steps that are `wanted`. A plugin that was built before with the same config is not built again.
    ///
    /// # Errors
    /// As [`Session::check_plugins`].
    pub fn check_plugins_of(&self, wanted: impl Fn(&Step) -> bool) -> Result<(), PipelineError> {
        for step in self.plan.steps().iter().filter(|step| wanted(step)) {
            if self.is_finished(step)? {
                continue;
            }
            for configured in step.plugins(&self.recipe) {
                if self.memory().contains_key(&described(configured)) {
                    continue;
                }
                let work = try_build(&self.recipe, configured, &self.context(configured), &Work::default())?;
                self.memory().insert(described(configured), work.memory);
            }
        }
        Ok(())
    }

    /// What an image costs each step.
    ///
    /// # Errors
    /// As [`Session::check_plugins`].
    pub fn works(&self) -> Result<CostEstimates, PipelineError> {
        CostEstimates::of(&self.recipe, &self.plan, |configured, before| try_build(&self.recipe, configured, &self.context(configured), before))
    }

    /// Bytes that a plugin declared to hold when [`Session::check_plugins`] built it; 0 for one that was not built.
    pub(super) fn declared_memory(&self, configured: &Configured) -> u64 {
        self.memory().get(&described(configured)).copied().unwrap_or(0)
    }

    fn memory(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The device of the networks.
    pub(super) fn device(&self) -> &str {
        &self.device
    }

    /// Whether the networks work on the CPU, in the machine's own memory.
    pub(super) fn on_cpu(&self) -> bool {
        self.device == "cpu"
    }

    /// Whether a step has nothing left to do in the shards that this run works on. Exports are looked at when they are written.
    ///
    /// # Errors
    /// Stored results that cannot be listed.
    pub fn is_finished(&self, step: &Step) -> Result<bool, FileError> {
        let shards = self.shards();
        Ok(step.finished(&shards)?.len() == shards.len())
    }

    /// The shards that this run works on.
    pub fn shards(&self) -> Vec<usize> {
        let all = self.samples.shards();
        self.part.as_ref().map_or_else(|| (0..all).collect(), |part| part.of(all))
    }

    /// Whether this run works on all shards.
    pub(super) fn is_whole(&self) -> bool {
        self.part.as_ref().is_none_or(Part::is_whole)
    }

    /// The decoded image of a sample.
    fn load_image(&self, sample: &Sample) -> Result<Image<'static>, Error> {
        tracing::trace!("decoding {}", sample.id);
        let decoding = Decoding { exif_orientation: self.recipe.sections.exif_orientation, longest: None };
        images::load(self.dataset.as_ref(), &sample.id, decoding).map_err(|error| match sample.revision {
            // Nothing new, and part of the run's key: once the image is there, the run is another one.
            Sample::MISSING if error.kind == ErrorKind::Io => Error { kind: ErrorKind::InvalidInput, ..error },
            _ => error,
        })
    }

    /// The image of a sample, decoded when asked for.
    pub(super) fn lazy_image(&self, index: usize) -> LazyImage<'_> {
        LazyImage::new(move || self.load_image(&self.samples.list[index]))
    }

    /// As [`Session::lazy_image`], tried again for a while where it cannot be reached. The engine does that by itself for steps.
    pub(super) fn lasting_image(&self, index: usize) -> LazyImage<'_> {
        let sample = &self.samples.list[index];
        let patience = move || sample.id.clone();
        LazyImage::with_file(
            move || patiently(&self.runner.cancel, patience, || self.load_image(sample)),
            move || match patiently(&self.runner.cancel, patience, || self.dataset.image(&sample.id))? {
                ImageData::Encoded(bytes) => Ok(Some(bytes)),
                ImageData::Pixels(_) => Ok(None),
            },
        )
    }
}

/// What a plugin is, with its config.
fn described(configured: &Configured) -> String {
    format!("{} {} {}", configured.plugin.role.name(), configured.plugin.name, configured.config)
}

/// Builds a plugin and lets it go again; what an image costs it, of a refiner after the work `before`.
fn try_build(recipe: &Recipe, configured: &Configured, context: &Context, before: &Work) -> Result<Work, PipelineError> {
    let plugin = &configured.plugin;
    let builder = &plugin.builder;
    let built = configured.built(|config| match plugin.role {
        Role::Dataset | Role::Extractor => Ok(Work::default()),
        Role::Proposer => builder.proposer(config, context).map(|proposer| proposer.work()),
        Role::Refiner => builder.refiner(config, context).map(|refiner| refiner.work(before)),
        Role::Selector => builder.selector(config, context).map(|_| Work::default()),
        Role::Labeler => builder.labeler(config, context).and_then(|labeler| {
            let loaded = recipe.checkpoint.as_ref().map_or(Ok(()), |checkpoint| labeler.load(checkpoint).map(drop));
            loaded.map(|()| labeler.work())
        }),
        Role::Postprocessor => builder.postprocessor(config, context).map(|_| Work::default()),
        Role::Exporter => builder.exporter(config, context).map(|_| Work::default()),
    });
    built.map_err(|error| refused(recipe, configured, error))
}

/// A plugin that could not be built: what is wrong with its config is shown at its place in the recipe, what the device or its memory did is not.
pub(super) fn refused(recipe: &Recipe, configured: &Configured, error: Error) -> PipelineError {
    let kind = error.kind;
    let error = NotBuilt::of(configured, error);
    match kind {
        ErrorKind::OutOfMemory | ErrorKind::Device => PipelineError::NotBuilt(error),
        _ => recipe.refuse(configured, error).into(),
    }
}

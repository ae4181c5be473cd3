//! One run of a recipe: its dataset opened, its plugins built where they have work to do, its stages run in order.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use convert_sdk::abi::Role;
use convert_sdk::{Context, Dataset, Host, LogLevel, Result as PluginResult, SelectorNeeds, Settings, Work};

use super::plan::Plan;
use super::works::Works;
use crate::engine::{Ledger, Progress, Runner, Samples, StageProgress};
use crate::failure::Failure;
use crate::recipe::{Configured, Recipe};

/// What the command line says of a run.
pub struct Options {
    /// Work on this many samples only, spread over the dataset.
    pub limit: Option<usize>,
    /// `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Threads; all cores by default.
    pub threads: Option<usize>,
    /// The shards to work on, `(index, count)`; all by default.
    pub part: Option<(usize, usize)>,
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
    /// The stages.
    pub plan: Plan,
    /// What runs them.
    pub runner: Runner,
    host: Arc<HostSide>,
    device: String,
    threads: usize,
    _lock: File,
}

/// The host as plugins see it.
pub(crate) struct HostSide {
    cancel: Arc<AtomicBool>,
    current: Arc<Mutex<Option<Arc<StageProgress>>>>,
}

impl HostSide {
    /// A host without a stage at work, which a flag cancels.
    pub(crate) fn new(cancel: Arc<AtomicBool>) -> Self {
        Self { cancel, current: Arc::default() }
    }
}

impl Host for HostSide {
    fn log(&self, level: LogLevel, target: &str, message: &str) {
        let plugin = library_name(target);
        match level {
            LogLevel::Error => tracing::error!(target: "plugin", "{plugin}: {message}"),
            LogLevel::Warn => tracing::warn!(target: "plugin", "{plugin}: {message}"),
            LogLevel::Info => tracing::info!(target: "plugin", "{plugin}: {message}"),
            LogLevel::Debug => tracing::debug!(target: "plugin", "{plugin}: {message}"),
            LogLevel::Trace => tracing::trace!(target: "plugin", "{plugin}: {message}"),
        }
    }

    fn progress(&self, position: u64, total: u64, message: &str) {
        let current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some(progress) = current {
            progress.set(position, total, message);
        }
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::SeqCst)
    }
}

/// The name of the library that a `tracing` target (`convert_mlp_head::training`) belongs to, as its users know it.
fn library_name(target: &str) -> String {
    let package = target.split("::").next().unwrap_or(target);
    package.strip_prefix("convert_").unwrap_or(package).replace('_', "-")
}

/// A recipe's dataset, its samples and its stages: all that `convert check` needs.
pub struct Prepared {
    /// The dataset.
    pub dataset: Box<dyn Dataset>,
    /// Its samples.
    pub samples: Samples,
    /// The stages.
    pub plan: Plan,
}

/// Opens a recipe's dataset and plans its stages.
///
/// # Errors
/// What is wrong with the dataset, at its place in the recipe.
pub fn prepare(recipe: &Recipe, limit: Option<usize>, cancel: &Arc<AtomicBool>) -> Result<Prepared, Failure> {
    let host = Arc::new(HostSide::new(Arc::clone(cancel)));
    let context = context(recipe, &recipe.dataset, host, Vec::new(), "cpu", 1);
    let built = recipe.dataset.plugin.builder.dataset(&recipe.dataset.config.to_string(), &context);
    let dataset = built.map_err(|error| recipe.refuse(&recipe.dataset, format!("dataset {}: {error}", recipe.dataset.plugin.name)))?;
    let samples = Samples::of_recipe(dataset.as_ref(), recipe, limit)?;
    let plan = Plan::new(recipe, &samples, selector_needs(recipe, &samples, cancel)?)?;
    Ok(Prepared { dataset, samples, plan })
}

/// What the recipe's selector wants, which decides what stages there are.
fn selector_needs(recipe: &Recipe, samples: &Samples, cancel: &Arc<AtomicBool>) -> Result<SelectorNeeds, Failure> {
    let selector = &recipe.select;
    let host = Arc::new(HostSide::new(Arc::clone(cancel)));
    let context = context(recipe, selector, host, samples.classes.clone(), "cpu", 1);
    let built = selector.plugin.builder.selector(&selector.config.to_string(), &context);
    let built = built.map_err(|error| recipe.refuse(selector, format!("selector {}: {error}", selector.plugin.name)))?;
    Ok(built.needs())
}

/// Builds every plugin of a recipe and lets it go again; what an image costs each.
///
/// # Errors
/// What a plugin says, at its place in the recipe.
pub fn check_plugins(recipe: &Recipe, samples: &Samples) -> Result<Works, Failure> {
    let host = Arc::new(HostSide { cancel: Arc::default(), current: Arc::default() });
    Works::of(recipe, |configured, before| {
        let context = context(recipe, configured, Arc::clone(&host), samples.classes.clone(), "cpu", 1);
        try_build(recipe, configured, &context, before)
    })
}

fn context(recipe: &Recipe, configured: &Configured, host: Arc<HostSide>, classes: Vec<String>, device: &str, threads: usize) -> Context {
    let settings = Settings {
        plugin: configured.plugin.name.clone(),
        profile: recipe.sections.profile.name().to_owned(),
        seed: recipe.sections.seed,
        threads,
        device: device.to_owned(),
        cache_folder: recipe.work_dir.join("cache"),
        classes,
        rescan: false,
    };
    Context::new(settings, host)
}

impl Session {
    /// Opens the dataset, locks the work directory, and begins the ledger.
    ///
    /// # Errors
    /// A dataset that cannot be used; a work directory that cannot be written or is in use.
    pub fn open(recipe: Recipe, options: Options) -> Result<Self, Failure> {
        let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let Prepared { dataset, samples, plan } = prepare(&recipe, options.limit, &options.cancel)?;
        let work_dir = &recipe.work_dir;
        fs::create_dir_all(work_dir).map_err(|error| Failure::run(format!("cannot make the work directory {}: {error}", work_dir.display())))?;
        let lock = lock(work_dir, options.part.is_some())?;
        remove_temporary_files(&recipe, options.part.is_some());
        let ledger = Ledger::begin(work_dir, options.part, recipe.sections.on_error, recipe.sections.max_errors)?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("worker-{index}"))
            .build()
            .map_err(|error| Failure::run(format!("cannot start {threads} threads: {error}")))?;
        let current = Arc::default();
        let host = Arc::new(HostSide { cancel: options.cancel.clone(), current: Arc::clone(&current) });
        let runner =
            Runner { pool, cancel: options.cancel, ledger, progress: options.progress, current, part: options.part, finished: Mutex::default() };
        Ok(Self { recipe, dataset, samples, plan, runner, host, device: options.device, threads, _lock: lock })
    }

    /// The context of a plugin.
    pub fn context(&self, configured: &Configured) -> Context {
        context(&self.recipe, configured, Arc::clone(&self.host), self.samples.classes.clone(), &self.device, self.threads)
    }

    /// Builds a plugin; a refusal is shown at its place in the recipe.
    ///
    /// # Errors
    /// What the plugin says of its config.
    pub fn build<T>(&self, configured: &Configured, build: impl FnOnce(&str, &Context) -> PluginResult<T>) -> Result<T, Failure> {
        let plugin = &configured.plugin;
        build(&configured.config.to_string(), &self.context(configured))
            .map_err(|error| self.recipe.refuse(configured, format!("{} {}: {error}", plugin.role.name(), plugin.name)))
    }

    /// Builds every plugin that has work to do, and lets it go again: what it says of its config and weights is heard before any work, and no two
    /// large models need be in memory at once.
    ///
    /// # Errors
    /// What a plugin says, at its place in the recipe.
    pub fn check_plugins(&self) -> Result<(), Failure> {
        let (plan, recipe) = (&self.plan, &self.recipe);
        let mut busy: Vec<&Configured> = Vec::new();
        for (source, (_, proposer)) in plan.sources.iter().zip(&recipe.proposals) {
            busy.extend((!self.is_finished(&source.propose)).then_some(proposer));
        }
        for (index, (refiner, _)) in recipe.refine.iter().enumerate() {
            let mut stages = plan.sources.iter().flat_map(|source| &source.refine).filter(|refine| refine.refiner == index);
            busy.extend(stages.any(|refine| !self.is_finished(&refine.stage)).then_some(refiner));
        }
        let rounds = plan.rounds();
        busy.extend(rounds.iter().any(|round| !self.is_finished(&round.select)).then_some(&recipe.select));
        let predictions = rounds.iter().map(|round| &round.predict).chain([&plan.predict]);
        busy.extend(plan.map_stages().skip(1).chain(predictions).any(|stage| !self.is_finished(stage)).then_some(&recipe.label));
        busy.extend(recipe.postprocess.iter().filter(|_| !self.is_finished(&plan.labels)));
        busy.extend(recipe.export.iter().map(|(exporter, _)| exporter));
        busy.into_iter().try_for_each(|configured| try_build(recipe, configured, &self.context(configured), &[]).map(drop))
    }

    /// Whether every shard that this run is to work on is finished in a stage.
    pub fn is_finished(&self, stage: &crate::engine::Stage) -> bool {
        (0..self.samples.shards()).filter(|shard| self.works_on(*shard)).all(|shard| stage.has(shard))
    }

    /// Whether a shard belongs to this run's part.
    pub(super) fn works_on(&self, shard: usize) -> bool {
        self.runner.part.is_none_or(|(index, count)| shard % count == index)
    }

    /// Whether this run works on all shards.
    pub(super) fn is_whole(&self) -> bool {
        self.runner.part.is_none_or(|(_, count)| count == 1)
    }
}

/// Builds a plugin and lets it go again; what an image costs it. Of a refiner, what it costs after each of the works `before`.
fn try_build(recipe: &Recipe, configured: &Configured, context: &Context, before: &[Work]) -> Result<Vec<Work>, Failure> {
    let (plugin, config) = (&configured.plugin, configured.config.to_string());
    let builder = &plugin.builder;
    let mut works = vec![Work::default()];
    let built = match plugin.role {
        Role::Dataset | Role::Extractor => Ok(()),
        Role::Proposer => builder.proposer(&config, context).map(|proposer| works = vec![proposer.work()]),
        Role::Refiner => builder.refiner(&config, context).map(|refiner| works = before.iter().map(|before| refiner.work(before)).collect()),
        Role::Selector => builder.selector(&config, context).map(drop),
        Role::Labeler => builder.labeler(&config, context).and_then(|labeler| {
            works = vec![labeler.work()];
            recipe.checkpoint.as_ref().map_or(Ok(()), |checkpoint| labeler.load(checkpoint).map(drop))
        }),
        Role::Postprocessor => builder.postprocessor(&config, context).map(drop),
        Role::Exporter => builder.exporter().and_then(|exporter| exporter.check(&config, context)),
    };
    built.map_err(|error| recipe.refuse(configured, format!("{} {}: {error}", plugin.role.name(), plugin.name)))?;
    Ok(works)
}

/// One run a work directory; the processes of `convert stage` share it.
fn lock(work_dir: &Path, shared: bool) -> Result<File, Failure> {
    let path = work_dir.join(".lock");
    let cannot = |error: std::io::Error| Failure::run(format!("cannot lock {}: {error}", path.display()));
    let file = File::create(&path).map_err(cannot)?;
    let locked = if shared { file.try_lock_shared() } else { file.try_lock() };
    match locked {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::run(format!("another convert works in {}: wait for it, or choose another folder with --work-dir", work_dir.display())))
        }
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}

/// Removes what a killed run left half-written. Failing to is no harm: nothing reads those files.
fn remove_temporary_files(recipe: &Recipe, shared: bool) {
    let work_dir = &recipe.work_dir;
    if shared {
        return;
    }
    let folders = fs::read_dir(work_dir.join("stages")).into_iter().flatten().flatten().map(|entry| entry.path());
    let half_written = |path: &PathBuf| path.file_name().is_some_and(|name| crate::engine::is_temporary_name(&name.to_string_lossy()));
    let exports = recipe.export.iter().filter_map(|(_, file)| file.parent().map(Path::to_owned));
    for folder in folders.chain([work_dir.clone()]).chain(exports) {
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for file in files.filter(half_written) {
            let _ = fs::remove_file(file);
        }
    }
}

//! The commands, one module each.

/// Prints a line of a command's answer to standard output. A reader that has seen enough (`| head`) ends the command quietly.
macro_rules! answer {
    ($($part:tt)*) => {{
        use std::io::Write;
        let text = format!($($part)*);
        if writeln!(std::io::stdout(), "{}", $crate::errors::printable(&text, true)).is_err() {
            std::process::exit(0);
        }
    }};
}

mod audit;
mod calibrate;
mod check;
mod doctor;
mod evaluate;
mod export;
mod features;
pub(crate) mod finished;
mod measure;
mod measured;
mod new_plugin;
mod pairs;
mod plan;
mod plugins;
mod predict;
mod review;
mod run;
mod stage;
mod stats;
mod summary;
mod sweep;
mod view;
mod weights;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cli::{Arguments, Command, EvaluateCommand, Language, PluginsCommand, RecipeOverrides, WeightsCommand};
use crate::engine::Progress;
use crate::errors::FileError;
use crate::failure::Failure;
use crate::logging;
use crate::plugins::Catalog;
use crate::recipe::{Overrides, Recipe};

/// Does what the command line asks.
///
/// # Errors
/// Why it could not; the failure knows its exit code.
pub fn execute(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { command, run, global } = arguments;
    let progress = logging::begin(&global);
    let catalog = || Catalog::load(&global.plugin_dir).map_err(Failure::usage);
    match command {
        None => run::run(&run, &catalog()?, progress),
        Some(Command::Check { recipe: Some(recipe), overrides, device, .. }) => check::check(&recipe, &overrides, &device, &catalog()?, &progress),
        Some(Command::Check { .. }) => check::print_schema(&catalog()?),
        Some(Command::Plan(arguments)) => plan::plan(&arguments, &catalog()?, &progress),
        Some(Command::Sweep(arguments)) => sweep::sweep(&arguments, &catalog()?, progress),
        Some(Command::Weights { command: None | Some(WeightsCommand::List) }) => weights::list(&catalog()?),
        Some(Command::Weights { command: Some(WeightsCommand::Get { names }) }) => weights::get(&names, &catalog()?, &progress),
        Some(Command::Plugins { command: None | Some(PluginsCommand::List) }) => plugins::list(&catalog()?),
        Some(Command::Plugins { command: Some(PluginsCommand::Describe { name: Some(name), json }) }) => plugins::describe(&catalog()?, &name, json),
        Some(Command::Plugins { command: Some(PluginsCommand::Describe { name: None, .. }) }) => plugins::describe_all(&catalog()?),
        Some(Command::Plugins { command: Some(PluginsCommand::New { role, name, language: Language::Python, dir, .. }) }) => {
            new_plugin::new_python_plugin(role, &name, &dir)
        }
        Some(Command::Plugins { command: Some(PluginsCommand::New { role, name, dir, sdk, .. }) }) => {
            new_plugin::new_plugin(role, &name, &dir, sdk.as_deref(), &catalog()?)
        }
        Some(Command::Evaluate { command: EvaluateCommand::Labels { predictions, truth, json, threshold, classes } }) => {
            evaluate::labels(&predictions, &truth, json.as_deref(), threshold, classes)
        }
        Some(Command::Pairs { truth, classes, min_count, top, output }) => {
            pairs::pairs(&truth, classes.as_deref(), &pairs::Choice { min_count, top }, output.as_deref())
        }
        Some(Command::Evaluate { command: EvaluateCommand::Proposals { predictions, truth, json } }) => {
            evaluate::proposals(&predictions, &truth, json.as_deref())
        }
        Some(Command::Evaluate { command: EvaluateCommand::Neighbours { run, k, images, json, vectors, threads } }) => {
            let options = evaluate::Options { k, images, json: json.as_deref(), vectors: vectors.as_deref(), threads };
            evaluate::neighbours_of(&run, &options, &catalog()?, progress)
        }
        Some(Command::Audit { run, top, images, duplicates, threads }) => {
            audit::audit(&run, &audit::Options { top, images, duplicates, threads }, &catalog()?, progress)
        }
        Some(Command::Calibrate { run, truth, shared, precision, json, threads }) => {
            let options = calibrate::Options { truth: truth.as_deref(), shared, precisions: &precision, json: json.as_deref(), threads };
            calibrate::calibrate(&run, &options, &catalog()?, progress)
        }
        Some(Command::Export(arguments)) => export::export(&arguments, &catalog()?, progress),
        Some(Command::Review { command }) => review::review(&command, &catalog()?, progress),
        Some(Command::Stats { labels, threshold }) => stats::stats(&labels, threshold),
        Some(Command::Features { backbone, image, output, device, threads, yes }) => {
            let options = features::Options { device, threads: threads.asked(), yes, progress };
            features::features(&backbone, &image, &output, &options, &catalog()?)
        }
        Some(Command::Doctor { work_dir: None }) => doctor::doctor(&catalog()?),
        Some(Command::Doctor { work_dir: Some(place) }) => doctor::try_work_dir(&place),
        Some(Command::View(arguments)) => view::view(&arguments, catalog()?, progress),
        Some(Command::Predict(arguments)) => predict::predict(&arguments, &catalog()?, &progress),
        Some(Command::Stage(arguments)) => stage::stage(&arguments, &catalog()?, progress).map_err(Failure::of_a_part),
        Some(Command::Worker(arguments)) => worker::worker(&arguments, &catalog()?, progress).map_err(Failure::of_a_part),
    }
}

/// A recipe with the changes of the command line. Published files that it names and that are not here are fetched first, where the user agrees.
fn load(file: &Path, overrides: &RecipeOverrides, catalog: &Catalog, progress: &Progress) -> Result<Recipe, Failure> {
    let changes = Overrides { set: &overrides.set, work_dir: overrides.work_dir.as_deref() };
    weights::with_files(overrides.yes, progress, || Recipe::load(file, &changes, catalog))
}

/// The file that a command is to write, absolute, checked before any work.
///
/// # Errors
/// Something in its place that is no file.
fn writable(file: &Path) -> Result<PathBuf, Failure> {
    let absolute = std::path::absolute(file).map_err(FileError::of("write", file)).map_err(Failure::usage)?;
    match convert_formats::whole_file::destination(&absolute) {
        Ok(_) => Ok(absolute),
        Err(error) => Err(Failure::usage(FileError::of("write", file)(error))),
    }
}

/// How long a part of a run that is to stop may wait for the calls in flight: schedulers give a process some ten seconds.
const TO_STOP: Duration = Duration::from_secs(9);

/// A flag that Ctrl-C sets; the second one ends the process at once.
fn cancel_on_ctrl_c() -> Result<Arc<AtomicBool>, Failure> {
    cancel_within(None)
}

/// A flag that SIGTERM and Ctrl-C set; the process ends that much later at the latest. Schedulers that want a machine back give its processes a few seconds.
fn cancel_within(patience: Option<Duration>) -> Result<Arc<AtomicBool>, Failure> {
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancel);
    let handler = move || {
        if flag.swap(true, Ordering::SeqCst) {
            // Finished shards are on disk; only the one in flight is lost. Libraries' own clean-up would wait for threads.
            crate::crashes::leave(130);
        }
        tracing::warn!("finishing what is in flight; press Ctrl-C again to stop at once");
        if let Some(patience) = patience {
            std::thread::spawn(move || {
                std::thread::sleep(patience);
                tracing::warn!("given up: the calls in flight take longer than {} s", patience.as_secs());
                crate::crashes::leave(130);
            });
        }
    };
    ctrlc::set_handler(handler).map_err(|error| Failure::run(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(cancel)
}

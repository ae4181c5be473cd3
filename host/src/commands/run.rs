//! `convert --recipe FILE`: the whole run.

use super::{cancel_on_ctrl_c, check, load, measure, summary};
use crate::cli::RunArguments;
use crate::command_name;
use crate::engine::{EngineError, Progress};
use crate::errors::{FileError, chain};
use crate::failure::Failure;
use crate::pipeline::{Action, Options, Outcome, PipelineError, Session};
use crate::plugins::Catalog;

/// Runs a recipe from images to files, and prints what came of it.
pub fn run(arguments: &RunArguments, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let file = arguments
        .recipe
        .as_deref()
        .ok_or_else(|| Failure::usage(format!("no recipe given: {0} --recipe FILE (see {0} --help)", command_name::typed())))?;
    let limit = arguments.limit.map(|limit| limit as usize);
    match limit {
        Some(limit) if arguments.dry_run => return measure::measure(file, limit, arguments, catalog, progress),
        None if arguments.dry_run => return check::check(file, &arguments.overrides, &arguments.device, catalog, &progress),
        _ => {}
    }
    let recipe = load(file, &arguments.overrides, catalog, &progress)?;
    let options = Options {
        limit,
        device: arguments.device.clone(),
        threads: arguments.threads.asked(),
        rescan: arguments.rescan,
        part: None,
        progress,
        cancel: cancel_on_ctrl_c()?,
    };
    let session = Session::open(recipe, options)?;
    if arguments.fresh {
        forget(&session)?;
    }
    let (samples, classes) = (session.samples.list.len(), session.samples.classes.len());
    tracing::info!("{}: {samples} samples, {classes} classes; work directory {}", session.recipe.name, session.recipe.place().display());
    for (place, preset) in session.recipe.presets() {
        preset.overruled().for_each(|overruled| tracing::warn!("{place}: {overruled}"));
    }
    session.runner.progress.begin_run(&session.recipe.place());

    session.check_exports()?;
    session.check_reviews()?;
    session.check_plugins()?;
    session.end_interrupted_retry()?;
    if arguments.retry_errors {
        session.retry_errors()?;
    }
    let outcome = loop {
        match work(&session) {
            // Each time one stored file less that could be damaged.
            Err(PipelineError::Engine(error @ EngineError::Damaged { .. })) => {
                tracing::warn!("{}", chain(&error));
                session.runner.forget_notes();
            }
            other => break other?,
        }
    };
    session.record_run(&outcome)?;
    session.recipe.publish(session.runner.ledger.path())?;
    summary::print(&session, &outcome);
    let skipped = outcome.statistics.skipped;
    if skipped > 0 && (arguments.strict || (too_many(&session, skipped) && !arguments.allow_skipped)) {
        let ledger = session.recipe.place_of(session.runner.ledger.path());
        return Err(Failure::Skipped { count: skipped, samples, strict: arguments.strict, ledger });
    }
    Ok(())
}

/// Whether so many samples were skipped that the result is not what was asked for: more than 1 %, and at least five. With `max_errors` the recipe has said how many may be.
fn too_many(session: &Session, skipped: u64) -> bool {
    session.recipe.sections.max_errors.is_none() && skipped >= 5 && skipped * 100 > session.samples.list.len() as u64
}

/// All steps and the exports, as far as no earlier run did them.
fn work(session: &Session) -> Result<Outcome, PipelineError> {
    let trained = session.run_steps(|step| !step.on_demand)?;
    let outcome = session.summarise(trained)?;
    session.run_exports(&outcome)?;
    Ok(outcome)
}

/// Removes what earlier runs stored under this run's keys.
fn forget(session: &Session) -> Result<(), FileError> {
    for step in session.plan.steps().iter().filter(|step| !matches!(step.action, Action::Export { .. })) {
        step.stage.remove()?;
    }
    session.forget_exports()
}

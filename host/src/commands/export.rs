//! `convert export RUN`: the files of a finished run once more, as they were or after review.

use std::path::{Path, PathBuf};

use convert_formats::reviews::REVIEWS;

use super::{cancel_on_ctrl_c, finished, summary};
use crate::cli::ExportArguments;
use crate::command_name;
use crate::engine::Progress;
use crate::errors::FileError;
use crate::failure::Failure;
use crate::pipeline::{Action, Session};
use crate::plugins::Catalog;
use crate::recipe::Recipe;

/// Writes the run's files again. Without a folder and without reviews those of the run itself, where they are missing or no longer as they were written; else copies, and never in the place of the run's own.
pub fn export(arguments: &ExportArguments, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let mut session = finished::reopen(&arguments.run, arguments.threads, catalog, progress, &cancel_on_ctrl_c()?)?;
    if arguments.reviewed {
        session.recipe.sections.reviews = Some(reviews_of(&session, arguments.reviews.as_deref())?.into());
    }
    let copies = match (&arguments.output, arguments.reviewed) {
        (Some(folder), _) => Some(in_folder(&session.recipe, folder)?),
        (None, true) => Some(beside(&session.recipe)?),
        (None, false) => None,
    };
    for step in session.plan.steps().iter().filter(|step| !step.on_demand && !matches!(step.action, Action::Export { .. })) {
        if !session.is_finished(step)? {
            let (run, typed) = (arguments.run.display(), command_name::typed());
            return Err(Failure::usage(format!("{run} is not complete, {} has work left: `{typed} --recipe FILE` does it", step.stage.name)));
        }
    }
    // All of it is stored; what was skipped, and how long it took, belongs into the files.
    let outcome = session.outcome(session.run_steps(|step| !step.on_demand)?)?;
    match &copies {
        Some(files) => session.write_copies(&outcome, files)?,
        None => session.run_exports(&outcome)?,
    }
    if let Some(reviews) = &outcome.reviews {
        answer!("{}", summary::reviewed(&reviews.counts).trim_end());
    }
    let own = session.recipe.export.iter().map(|(_, file)| file);
    let files: Vec<&PathBuf> = copies.as_ref().map_or_else(|| own.collect(), |copies| copies.iter().collect());
    for ((configured, _), file) in session.recipe.export.iter().zip(files) {
        answer!("  {:16} {}", configured.plugin.name, session.recipe.place_of(file).display());
    }
    Ok(())
}

/// The file of a run's reviews, which must be there.
pub(super) fn reviews_of(session: &Session, named: Option<&Path>) -> Result<PathBuf, Failure> {
    let file = match named {
        Some(file) => std::path::absolute(file).map_err(FileError::of("read", file)).map_err(Failure::usage)?,
        None => session.recipe.work_dir.join(REVIEWS),
    };
    if named.is_none() && session.recipe.store.is_remote() {
        session.recipe.store.fetch(REVIEWS, &file).map_err(FileError::of("fetch", &session.recipe.store.place(REVIEWS)))?;
    }
    match file.try_exists() {
        Ok(true) => Ok(file),
        Ok(false) => {
            let typed = command_name::typed();
            Err(Failure::usage(format!("there are no reviews in {}: `{typed} review --help` says how to make some", file.display())))
        }
        Err(error) => Err(FileError::of("read", &file)(error).into()),
    }
}

/// The run's files in another folder, under the names that they have in the run's.
fn in_folder(recipe: &Recipe, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = std::path::absolute(folder).map_err(FileError::of("write", folder)).map_err(Failure::usage)?;
    let copy = |file: &Path| folder.join(file.strip_prefix(&recipe.work_dir).unwrap_or_else(|_| file.file_name().map_or(file, Path::new)));
    apart(recipe, recipe.export.iter().map(|(_, file)| copy(file)).collect(), "choose another --output")
}

/// `labels.reviewed.tsv` beside `labels.tsv`.
fn beside(recipe: &Recipe) -> Result<Vec<PathBuf>, Failure> {
    let copy = |file: &Path| {
        let mut name = file.file_stem().unwrap_or_default().to_owned();
        name.push(".reviewed");
        if let Some(ending) = file.extension() {
            name.push(".");
            name.push(ending);
        }
        file.with_file_name(name)
    };
    apart(recipe, recipe.export.iter().map(|(_, file)| copy(file)).collect(), "name a folder with --output")
}

/// Files that are none of the run's own, and no two of them the same.
fn apart(recipe: &Recipe, copies: Vec<PathBuf>, instead: &str) -> Result<Vec<PathBuf>, Failure> {
    let target = |file: &Path| convert_formats::whole_file::destination(file).map_err(|error| Failure::usage(FileError::of("write", file)(error)));
    let mut taken = recipe.export.iter().map(|(_, file)| target(file)).collect::<Result<Vec<_>, _>>()?;
    for copy in &copies {
        let target = target(copy)?;
        if taken.contains(&target) {
            return Err(Failure::usage(format!("{} is a file of the run itself, or of two exporters: {instead}", copy.display())));
        }
        taken.push(target);
    }
    Ok(copies)
}

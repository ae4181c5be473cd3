//! The run that a work directory holds, opened again by the commands that look at finished runs.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use serde::Deserialize;

use crate::cli::Threads;
use crate::command_name;
use crate::engine::Progress;
use crate::errors::FileError;
use crate::failure::Failure;
use crate::pipeline::{COMPLETE_RECIPE, Options, Part, RUN, Session};
use crate::plugins::Catalog;
use crate::recipe::{Overrides, Recipe};
use crate::storage::{Place, is_address};

/// What a run's stages depend on besides its recipe.
#[derive(Deserialize)]
struct Recorded {
    limit: Option<usize>,
    device: String,
}

/// The place of a run, and its record.
///
/// # Errors
/// A place without a finished run.
pub fn record_of(run: &Path) -> Result<(Place, Bytes), Failure> {
    if run.is_file() {
        let run = run.display();
        return Err(Failure::usage(format!("{run} is a file: name the work directory of a finished run, where its {RUN} lies")));
    }
    let place = match run.to_str().filter(|run| is_address(run)) {
        Some(address) => Place::address(address).map_err(Failure::usage)?,
        None => Place::folder(run.to_owned()),
    };
    let bytes = place.store.get(RUN).map_err(FileError::of("read", &place.store.place(RUN)))?.ok_or_else(|| {
        let (run, typed) = (run.display(), command_name::typed());
        Failure::usage(format!("{run} holds no finished run, there is no {RUN} in it: `{typed} --recipe FILE` makes one"))
    })?;
    Ok((place, bytes))
}

/// A run whose files are not of this version's form.
pub fn of_another_version(run: &Path, why: &str) -> Failure {
    let (run, typed) = (run.display(), command_name::typed());
    Failure::usage(format!("{run} was made by another version ({why}): `{typed} --recipe FILE` again, which takes seconds, brings it up to date"))
}

/// Opens the finished run in the folder `run`, with the samples and the device that it had.
///
/// # Errors
/// A folder without a finished run; a recipe, dataset or plugin that has changed for the worse since.
pub fn reopen(run: &Path, threads: Threads, catalog: &Catalog, progress: Progress, cancel: &Arc<AtomicBool>) -> Result<Session, Failure> {
    let (Place { store, folder }, bytes) = record_of(run)?;
    let recorded: Recorded = serde_json::from_slice(&bytes).map_err(|error| of_another_version(run, &format!("{RUN}: {error}")))?;
    // A recipe of an object store is read from this machine's part of the run.
    let file = folder.join(COMPLETE_RECIPE);
    std::fs::create_dir_all(&folder).map_err(FileError::of("make", &folder))?;
    if !store.fetch(COMPLETE_RECIPE, &file).map_err(FileError::of("read", &store.place(COMPLETE_RECIPE)))? {
        return Err(of_another_version(run, &format!("there is no {COMPLETE_RECIPE}")));
    }
    // The folder may have been moved since.
    let recipe = Recipe::load(&file, &Overrides { set: &[], work_dir: Some(run) }, catalog)?;
    let options = Options {
        limit: recorded.limit,
        device: recorded.device,
        threads: threads.asked(),
        rescan: false,
        part: Some(Part::beside("look")),
        progress,
        cancel: Arc::clone(cancel),
    };
    Ok(Session::open(recipe, options)?)
}

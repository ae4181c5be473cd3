//! The work directory: one run at a time, and nothing half-written in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use convert_formats::whole_file;

use super::error::PipelineError;
use super::locks::{Lock, hold_run};
use crate::errors::FileError;
use crate::recipe::Recipe;

/// Which files earlier runs exported.
pub(super) const RECORD: &str = ".exports.json";
/// What a finished run made, for programs.
pub const RUN: &str = "run.json";
/// The recipe of a finished run with everything filled in, to open the run again.
pub const COMPLETE_RECIPE: &str = "recipe.yaml";
/// The names of the classes.
pub(super) const CLASSES: &str = "classes.txt";
/// The comparison with the truth, for programs.
pub(super) const EVALUATION: &str = "evaluation.json";

/// Makes the work directory and locks it: for this run alone, or shared by the processes of `convert stage`. What killed runs left half-written is removed.
///
/// # Errors
/// A folder that cannot be written, or is in use; something other than a file in the place of one of the run's own.
pub(super) fn enter(recipe: &Recipe, shared: bool, cancel: &Arc<AtomicBool>) -> Result<Lock, PipelineError> {
    let work_dir = &recipe.work_dir;
    fs::create_dir_all(work_dir).map_err(FileError::of("make the work directory", work_dir))?;
    for name in ["errors.jsonl", "in-flight", "crashes.json", EVALUATION, RECORD, RUN, CLASSES, COMPLETE_RECIPE] {
        let file = work_dir.join(name);
        whole_file::destination(&file).map_err(FileError::of("write", &file))?;
    }
    let lock = hold_run(recipe, shared, cancel)?;
    remove_temporary_files(recipe);
    Ok(lock)
}

/// Those of the run's own folders, and of the folders that the exporters write into, where other runs may be at work.
fn remove_temporary_files(recipe: &Recipe) {
    let work_dir = &recipe.work_dir;
    let stages = fs::read_dir(work_dir.join("stages")).into_iter().flatten().flatten().map(|entry| entry.path());
    let stages = stages.flat_map(|stage| [stage.join("unfinished"), stage]);
    let files = recipe.export.iter().filter_map(|(_, file)| whole_file::destination(file).ok());
    let exports = files.filter_map(|file| file.parent().map(Path::to_owned));
    let mut folders: Vec<PathBuf> = stages.chain([work_dir.clone(), work_dir.join("cache")]).chain(exports).collect();
    folders.sort();
    folders.dedup();
    folders.iter().for_each(|folder| whole_file::remove_forsaken(folder));
}

//! `convert --recipe FILE --dry-run --limit N`: how long a recipe takes here, and how much disk, measured on a few images.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::measured::{Measured, Rate, StageRate};
use super::{cancel_on_ctrl_c, check, load};
use crate::cli::RunArguments;
use crate::engine::Progress;
use crate::errors::{FileError, chain};
use crate::failure::Failure;
use crate::pipeline::{CostEstimates, Options, Session, Step};
use crate::plugins::Catalog;
use crate::recipe::{Overrides, Recipe};

/// Runs all stages on `limit` images in a folder of their own, keeps the rates, and prints the plan of the whole dataset.
pub fn measure(file: &Path, limit: usize, arguments: &RunArguments, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let work_dir = load(file, &arguments.overrides, catalog, &progress)?.work_dir;
    let scratch = work_dir.join(".measure");
    let recipe = Recipe::load(file, &Overrides { set: &arguments.overrides.set, work_dir: Some(&scratch) }, catalog)?;
    remove(&scratch)?;
    let threads = arguments.threads.count();
    let options = Options {
        limit: Some(limit),
        device: arguments.device.clone(),
        threads: Some(threads),
        rescan: arguments.rescan,
        part: None,
        progress: progress.clone(),
        cancel: cancel_on_ctrl_c()?,
    };
    let session = Session::open(recipe, options)?;
    let works = session.works()?;
    match session.run_steps(|step| !step.on_demand) {
        Ok(_) => {}
        Err(error) if error.is_out_of_memory() => return Err(error.into()),
        // Of a few images the selection may keep nothing; what comes after it is then estimated.
        Err(error) => match Failure::from(error) {
            failure if failure.exit_code() == 1 => tracing::warn!("not measured beyond this: {}", chain(&failure)),
            failure => return Err(failure),
        },
    }
    let measured = rates(&session, &works, arguments, threads);
    drop(session);
    remove(&scratch)?;
    crate::engine::replace_file(&Measured::file(&work_dir), |file| Ok(serde_json::to_writer_pretty(file, &measured)?))?;
    check::check(file, &arguments.overrides, &arguments.device, catalog, &progress)
}

fn rates(session: &Session, works: &CostEstimates, arguments: &RunArguments, threads: usize) -> Measured {
    let finished = session.runner.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut stages = BTreeMap::new();
    for (index, step) in session.plan.steps().iter().enumerate().filter(|(_, step)| !step.on_demand) {
        let Some(info) = finished.iter().find(|info| info.name == step.stage.name).filter(|info| info.images > 0) else { continue };
        let (work, images) = (works.of_step(index), info.images as f64);
        let flops = if step.trains() { work.training_flops } else { work.flops };
        let rate = Rate { seconds: info.seconds / images, bytes: size(step) as f64 / images };
        stages.insert(step.stage.name.clone(), StageRate::new(step.plugin(&session.recipe), rate, flops));
    }
    Measured { images: session.samples.list.len(), device: arguments.device.clone(), threads, stages }
}

/// The bytes of what is stored of a step.
fn size(step: &Step) -> u64 {
    step.stage.objects().map_or(0, |objects| objects.values().sum())
}

fn remove(folder: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FileError::of("remove", folder)(error)),
        _ => Ok(()),
    }
}

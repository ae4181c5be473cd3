//! `convert stage NAME --recipe R --shard I/N`: one stage on a part of the shards, so that an existing scheduler can spread a run over machines.

use super::cancel_on_ctrl_c;
use crate::cli::Command;
use crate::engine::Progress;
use crate::failure::Failure;
use crate::pipeline::{Options, Session};
use crate::plugins::Catalog;
use crate::recipe::{Overrides, Recipe, suggestion};

/// Runs one stage on its part of the shards. The stages that it reads must be finished for those shards.
pub fn stage(command: &Command, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let Command::Stage { name, recipe, shard, output, overrides, limit, device, threads } = command else {
        return Err(Failure::usage("not a stage command"));
    };
    let recipe = Recipe::load(recipe, &Overrides { set: &overrides.set, work_dir: overrides.work_dir.as_deref() }, catalog)?;
    let options = Options {
        limit: limit.map(|limit| limit as usize),
        device: device.clone(),
        threads: threads.map(|threads| threads as usize),
        part: Some(*shard),
        progress,
        cancel: cancel_on_ctrl_c()?,
    };
    let session = Session::open(recipe, options)?;
    let plan = &session.plan;
    let known = plan.names();
    if !known.contains(name) {
        return Err(Failure::usage(format!("unknown stage `{name}`{}", suggestion(name, known.iter().map(String::as_str)))));
    }
    let maps = [&plan.maps.maps, &plan.label_maps].into_iter().find(|stage| stage.name == *name);
    if output.is_some() && maps.is_none() {
        return Err(Failure::usage(format!("--output is for the stages of label maps, {} and {}", plan.maps.maps.name, plan.label_maps.name)));
    }
    session.run_masks_where(|stage| stage.name == *name)?;
    session.run_learning_stage(name)?;
    if plan.labels.name == *name {
        session.run_labels()?;
    }
    if let (Some(stage), Some(folder)) = (maps, output) {
        let count = session.write_maps(stage, folder)?;
        tracing::info!("{count} label maps written to {}", folder.display());
    }
    Ok(())
}

//! `convert stage NAME --recipe R --shard I/N`: one stage on a part of the shards, so that an existing scheduler can spread a run over machines.

use super::{cancel_on_ctrl_c, load};
use crate::cli::Command;
use crate::engine::Progress;
use crate::failure::Failure;
use crate::pipeline::{Action, Options, Part, Session, Step};
use crate::plugins::Catalog;
use crate::recipe::suggestion;

/// Runs one stage on its part of the shards. The stages that it reads must be finished for those shards.
pub fn stage(command: &Command, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let Command::Stage { name, recipe, shard, output, overrides, limit, device, threads, rescan } = command else {
        return Err(Failure::usage("not a stage command"));
    };
    let recipe = load(recipe, overrides, catalog, &progress)?;
    let options = Options {
        limit: limit.map(|limit| limit as usize),
        device: device.clone(),
        threads: threads.map(|threads| threads as usize),
        rescan: *rescan,
        part: Some(Part::every(shard.0, shard.1)),
        progress,
        cancel: cancel_on_ctrl_c()?,
    };
    let session = Session::open(recipe, options)?;
    let steps = session.plan.steps().iter().filter(|step| !matches!(step.action, Action::Export { .. }));
    let known: Vec<&Step> = steps.collect();
    let Some(step) = known.iter().find(|step| step.stage.name == *name) else {
        return Err(Failure::usage(format!("unknown stage `{name}`{}", suggestion(name, known.iter().map(|step| step.stage.name.as_str())))));
    };
    let makes_maps = |action| matches!(action, Action::Maps | Action::LabelMaps);
    if output.is_some() && !makes_maps(step.action) {
        let maps: Vec<&str> = known.iter().filter(|step| makes_maps(step.action)).map(|step| step.stage.name.as_str()).collect();
        return Err(Failure::usage(format!("--output is for the stages of label maps, {}", maps.join(" and "))));
    }
    if let Some(folder) = output {
        session.check_map_files(folder)?;
    }
    session.run_step(step)?;
    if let Some(folder) = output {
        let count = session.write_maps(&step.stage, folder)?;
        tracing::info!("{count} label maps written to {}", folder.display());
    }
    Ok(())
}

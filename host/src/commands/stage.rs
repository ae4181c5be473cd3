//! `convert stage NAME --recipe R --shard I/N`: one stage on a part of the shards, so that an existing scheduler can spread a run over machines.

use super::{TO_STOP, cancel_within, load};
use crate::cli::StageArguments;
use crate::engine::Progress;
use crate::failure::Failure;
use crate::pipeline::{Action, Options, Part, Session, Step};
use crate::plugins::Catalog;
use crate::recipe::suggestion;

/// Runs one stage on its part of the shards. The stages that it reads must be finished for those shards.
pub fn stage(arguments: &StageArguments, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let StageArguments { name, recipe, shard, shards, output, run, work } = arguments;
    let recipe = load(recipe, &run.overrides, catalog, &progress)?;
    let part = if shards.is_empty() { Part::every(shard.0, shard.1) } else { Part::listed(shards.iter().copied().collect()) };
    let options = Options {
        limit: run.limit.map(|limit| limit as usize),
        device: run.device.clone(),
        threads: work.threads.asked(),
        rescan: work.rescan,
        part: Some(part.clone()),
        progress,
        cancel: cancel_within(Some(TO_STOP))?,
    };
    let session = Session::open(recipe, options)?;
    if let Some(shard) = part.beyond(session.samples.shards()) {
        return Err(Failure::usage(format!("--shards: there is no shard {shard}, the run has {}, from 0 on", session.samples.shards())));
    }
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

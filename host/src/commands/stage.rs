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
    let Command::Stage { name, recipe, shard, overrides, limit, device, threads } = command else {
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
    let known = plan.stages().chain(&plan.train).map(|stage| stage.name.as_str()).collect::<Vec<_>>();
    if !known.contains(&name.as_str()) {
        return Err(Failure::usage(format!("unknown stage `{name}`{}", suggestion(name, known))));
    }
    session.run_masks_where(|stage| stage.name == *name)?;
    if plan.select.name == *name {
        session.run_select()?;
    }
    if plan.train.as_ref().is_some_and(|train| train.name == *name) || plan.predict.name == *name {
        train_or_predict(&session, name)?;
    }
    if plan.labels.name == *name { session.run_labels() } else { Ok(()) }
}

fn train_or_predict(session: &Session, name: &str) -> Result<(), Failure> {
    let (configured, predict) = (&session.recipe.label, &session.plan.predict);
    let labeler = session.build(configured, |config, context| configured.plugin.builder.labeler(config, context))?;
    if predict.name != name {
        return session.run_train(labeler.as_ref()).map(|_| ());
    }
    if session.trained()?.is_none() && session.plan.train.is_some() {
        return Err(Failure::usage(format!("{name} needs a trained labeler: run its training stage first")));
    }
    let trained = session.run_train(labeler.as_ref())?;
    let model = session.build(configured, |_, _| labeler.load(&trained.checkpoint))?;
    session.run_predict(Some(model.as_ref()))
}

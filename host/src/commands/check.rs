//! `convert check FILE`: what a recipe would do.

use std::path::Path;
use std::sync::Arc;

use comfy_table::{Cell, CellAlignment};

use super::summary::table;
use crate::cli::RecipeOverrides;
use crate::engine::{Samples, Stage};
use crate::failure::Failure;
use crate::pipeline::{check_plugins, prepare};
use crate::plugins::Catalog;
use crate::recipe::{Configured, Overrides, Recipe};

/// Checks a recipe and prints its plan.
pub fn check(file: &Path, overrides: &RecipeOverrides, limit: Option<usize>, catalog: &Catalog) -> Result<(), Failure> {
    let recipe = Recipe::load(file, &Overrides { set: &overrides.set, work_dir: overrides.work_dir.as_deref() }, catalog)?;
    let prepared = prepare(&recipe, limit, &Arc::default())?;
    let (samples, plan) = (&prepared.samples, &prepared.plan);
    check_plugins(&recipe, samples)?;

    answer!("recipe     {} ({})", recipe.name, file.display());
    answer!("profile    {}, seed {}", recipe.sections.profile.name(), recipe.sections.seed);
    answer!(
        "dataset    {} {}: {} samples, {} classes",
        recipe.dataset.plugin.name,
        recipe.dataset.plugin.version,
        samples.list.len(),
        samples.classes.len()
    );
    answer!("work dir   {}", recipe.work_dir.display());

    let mut rows = table(&["stage", "plugin", "version", "shards", "state"]);
    let mut add = |stage: &Stage, plugin: Option<&Configured>, state: String| {
        let (name, version) = plugin.map_or(("convert", env!("CARGO_PKG_VERSION")), |plugin| (&plugin.plugin.name, &plugin.plugin.version));
        let shards = Cell::new(samples.shards()).set_alignment(CellAlignment::Right);
        rows.add_row([Cell::new(&stage.name), Cell::new(name), Cell::new(version), shards, Cell::new(state)]);
    };
    for (source, (_, proposer)) in plan.sources.iter().zip(&recipe.proposals) {
        add(&source.propose, Some(proposer), state(&source.propose, samples));
        for refine in &source.refine {
            add(&refine.stage, Some(&recipe.refine[refine.refiner].0), state(&refine.stage, samples));
        }
    }
    add(&plan.regions, None, state(&plan.regions, samples));
    let trained = |stage: &Stage| if stage.folder.join("trained.json").is_file() { "cached" } else { "to do" }.to_owned();
    for (index, stage) in plan.map_stages().enumerate() {
        add(stage, Some(&recipe.label), if index == 0 { trained(stage) } else { state(stage, samples) });
    }
    for round in plan.rounds() {
        add(&round.select, Some(&recipe.select), state(&round.select, samples));
        add(&round.train, Some(&recipe.label), trained(&round.train));
        add(&round.predict, Some(&recipe.label), state(&round.predict, samples));
    }
    if plan.train.is_none() {
        add(&plan.predict, Some(&recipe.label), state(&plan.predict, samples));
    }
    add(&plan.labels, None, state(&plan.labels, samples));
    answer!("{rows}");
    for (configured, file) in &recipe.export {
        answer!("writes     {} ({} {})", file.display(), configured.plugin.name, configured.plugin.version);
    }
    Ok(())
}

fn state(stage: &Stage, samples: &Samples) -> String {
    match (stage.finished(samples.shards()), samples.shards()) {
        (0, _) => "to do".to_owned(),
        (done, all) if done == all => "cached".to_owned(),
        (done, all) => format!("{done} of {all} shards cached"),
    }
}

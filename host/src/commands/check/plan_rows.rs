//! The stages of a plan with what each takes.

use convert_sdk::Work;

use crate::commands::measured::Measured;
use crate::engine::Samples;
use crate::errors::chain;
use crate::pipeline::{Action, CostEstimates, Prepared, Step};
use crate::recipe::Recipe;

/// A stage, and what it takes an image.
pub struct PlanRow {
    pub stage: String,
    pub plugin: String,
    pub version: String,
    pub shards: usize,
    pub state: String,
    /// Floating-point operations; 0 where they are not known.
    pub flops: u64,
    /// Bytes on disk for all images, once measured.
    pub bytes: Option<f64>,
    /// Seconds, once measured; none when all is cached.
    pub seconds: Option<f64>,
}

/// The steps of a run in order, exports apart.
pub fn plan_rows(recipe: &Recipe, prepared: &Prepared, works: &CostEstimates, measured: Option<&Measured>) -> Vec<PlanRow> {
    let steps = prepared.plan.steps().iter().enumerate();
    let steps = steps.filter(|(_, step)| !step.on_demand && !matches!(step.action, Action::Export { .. }));
    steps.map(|(index, step)| row(recipe, &prepared.samples, step, works.of_step(index), measured)).collect()
}

fn row(recipe: &Recipe, samples: &Samples, step: &Step, work: Work, measured: Option<&Measured>) -> PlanRow {
    let plugin = step.plugin(recipe);
    let flops = if step.trains() { work.training_flops } else { work.flops };
    let state = state(step, samples);
    let rate = measured.and_then(|measured| measured.rate(&step.stage.name, plugin));
    let (name, version) = plugin.map_or(("convert", env!("CARGO_PKG_VERSION")), |plugin| (&plugin.plugin.name, &plugin.plugin.version));
    // What could not be measured is taken to run at the rate of what was.
    let by_flops = || measured.and_then(Measured::seconds_per_flop).map(|seconds| seconds * flops as f64).filter(|_| flops > 0);
    // A checkpoint does not grow with the images.
    let grows_with = |measured: &Measured| if step.trains() { measured.images } else { samples.list.len() };
    PlanRow {
        stage: step.stage.name.clone(),
        plugin: name.to_owned(),
        version: version.to_owned(),
        shards: samples.shards(),
        flops,
        bytes: rate.zip(measured).map(|(rate, measured)| rate.bytes * grows_with(measured) as f64),
        seconds: rate.map(|rate| rate.seconds).or_else(by_flops).filter(|_| state != CACHED),
        state,
    }
}

const CACHED: &str = "cached";

fn state(step: &Step, samples: &Samples) -> String {
    let all: Vec<usize> = (0..samples.shards()).collect();
    match step.finished(&all).map(|finished| finished.len()) {
        Ok(0) => "to do".to_owned(),
        Ok(done) if done == all.len() => CACHED.to_owned(),
        Ok(done) => format!("{done} of {} shards cached", all.len()),
        Err(error) => chain(&error),
    }
}

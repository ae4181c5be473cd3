//! `convert plan RECIPE --json`: the steps of a run, for programs.

use std::sync::Arc;

use serde::Serialize;

use super::load;
use crate::cli::PlanArguments;
use crate::engine::Progress;
use crate::failure::Failure;
use crate::pipeline::{Action, CostEstimates, Kind, Planning, Prepared, check_plugins, prepare};
use crate::plugins::Catalog;
use crate::recipe::Recipe;

/// The form of the answer; raised when a field changes its meaning.
const VERSION: u32 = 2;

#[derive(Serialize)]
struct Answer<'a> {
    version: u32,
    recipe: &'a str,
    work_dir: String,
    device: &'a str,
    samples: usize,
    /// The hash of the samples with their labels, and of the dataset's plugin and config.
    samples_key: String,
    shard_size: usize,
    shards: usize,
    steps: Vec<StepAnswer<'a>>,
}

#[derive(Serialize)]
struct StepAnswer<'a> {
    name: &'a str,
    key: String,
    /// `per-sample` or `whole-set`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<PluginAnswer<'a>>,
    /// The names of the steps that it reads. Of a per-sample step shard for shard; those on the whole set must be done altogether.
    reads: Vec<&'a str>,
    /// Per-sample steps with the same number run in one pass; absent for steps on the whole set.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<usize>,
    /// Only `convert stage` runs it.
    on_demand: bool,
    /// Whether nothing is left to do; absent for exports, which are compared when they are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<bool>,
    /// Of per-sample steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<ShardAnswer>,
    /// The folder of its results, or the file of an export.
    place: String,
    /// 1 where the step's plugin computes on the run's device and that is a GPU.
    gpus: u32,
    cost: CostAnswer,
}

#[derive(Serialize)]
struct PluginAnswer<'a> {
    role: &'static str,
    name: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct ShardAnswer {
    done: Vec<usize>,
    to_do: Vec<usize>,
}

/// Estimates for an image; 0 where nothing is known.
#[derive(Serialize)]
struct CostAnswer {
    flops: u64,
    /// Bytes of device memory that the loaded plugin holds.
    memory: u64,
}

/// Prints the plan of a recipe.
pub fn plan(arguments: &PlanArguments, catalog: &Catalog, progress: &Progress) -> Result<(), Failure> {
    let run = &arguments.run;
    let recipe = load(&arguments.recipe, &run.overrides, catalog, progress)?;
    let limit = run.limit.map(|limit| limit as usize);
    let prepared = prepare(&recipe, &Planning { limit, device: &run.device, rescan: false, cancel: &Arc::default() })?;
    let works = check_plugins(&recipe, &prepared)?;
    let answer = Answer {
        version: VERSION,
        recipe: &recipe.name,
        work_dir: recipe.place().display().to_string(),
        device: &run.device,
        samples: prepared.samples.list.len(),
        samples_key: prepared.samples.key.to_string(),
        shard_size: recipe.sections.shard_size,
        shards: prepared.samples.shards(),
        steps: steps(&recipe, &run.device, &prepared, &works)?,
    };
    if arguments.json {
        prepared.remember(&recipe);
        answer!("{}", serde_json::to_string_pretty(&answer).map_err(Failure::run)?);
    } else {
        listed(&answer);
    }
    Ok(())
}

/// A line a step, for people; `convert check` says more.
fn listed(answer: &Answer<'_>) {
    for step in &answer.steps {
        let state = match (&step.shards, step.done) {
            (Some(shards), _) => format!("{} of {} shards done", shards.done.len(), answer.shards),
            (None, Some(true)) => "done".to_owned(),
            (None, _) => "to do".to_owned(),
        };
        answer!("{} {} {} {state}{}", step.key, step.kind, step.name, if step.on_demand { ", on demand" } else { "" });
    }
}

fn steps<'a>(recipe: &'a Recipe, device: &str, prepared: &'a Prepared, works: &CostEstimates) -> Result<Vec<StepAnswer<'a>>, Failure> {
    let plan = &prepared.plan;
    let all: Vec<usize> = (0..prepared.samples.shards()).collect();
    let mut answers = Vec::new();
    let (mut segment, mut in_segment) = (0, false);
    for (index, step) in plan.steps().iter().enumerate() {
        let per_sample = step.kind() == Kind::PerSample;
        if !step.on_demand {
            segment += usize::from(per_sample && !in_segment);
            in_segment = per_sample;
        }
        let finished = step.finished(&all)?;
        let (done, to_do): (Vec<usize>, Vec<usize>) = all.iter().partition(|shard| finished.contains(shard));
        let export = matches!(step.action, Action::Export { .. });
        let work = works.of_step(index);
        let plugin = step.plugin(recipe).map(|configured| &configured.plugin);
        answers.push(StepAnswer {
            name: &step.stage.name,
            key: step.stage.key.to_string(),
            kind: if per_sample { "per-sample" } else { "whole-set" },
            plugin: plugin.map(|plugin| PluginAnswer { role: plugin.role.name(), name: &plugin.name, version: &plugin.version }),
            reads: plan.reads(step).map(|read| read.stage.name.as_str()).collect(),
            segment: (per_sample && !step.on_demand).then_some(segment),
            on_demand: step.on_demand,
            done: (!export).then_some(to_do.is_empty()),
            shards: per_sample.then_some(ShardAnswer { done, to_do }),
            place: match step.action {
                Action::Export { exporter } => recipe.place_of(&recipe.export[exporter].1).display().to_string(),
                _ => step.stage.store.place(&step.stage.prefix()).display().to_string(),
            },
            gpus: u32::from(device != "cpu" && plugin.is_some_and(|plugin| plugin.results.device)),
            cost: CostAnswer { flops: if step.trains() { work.training_flops } else { work.flops }, memory: work.memory },
        });
    }
    Ok(answers)
}

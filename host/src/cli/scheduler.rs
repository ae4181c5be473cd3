//! The commands for schedulers: what a run consists of, and parts of it.

use std::path::PathBuf;

use clap::Args;

use super::{RecipeOverrides, Threads, device, part};

/// What the commands for schedulers know of a run.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// Changes to the recipe.
    #[command(flatten)]
    pub overrides: RecipeOverrides,

    /// As for a run on N samples.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,

    /// The device of the networks; the keys depend on its kind.
    #[arg(long, default_value = "cpu", value_name = "cpu|cuda[:N]", value_parser = device)]
    pub device: String,
}

/// How a process works on its part of a run.
#[derive(Debug, Args)]
pub struct WorkOptions {
    /// How many threads work.
    #[command(flatten)]
    pub threads: Threads,

    /// List folders and read files anew, even those that have not changed since they were last looked at.
    #[arg(long)]
    pub rescan: bool,
}

/// A plan.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The recipe.
    pub recipe: PathBuf,

    /// The run.
    #[command(flatten)]
    pub run: RunOptions,

    /// One JSON object, described in docs/formats.md.
    #[arg(long)]
    pub json: bool,
}

/// A stage on a part of the shards.
#[derive(Debug, Args)]
pub struct StageArguments {
    /// The stage, as `convert check` names it.
    pub name: String,

    /// The recipe.
    #[arg(long, value_name = "FILE")]
    pub recipe: PathBuf,

    /// Every N-th shard, from the I-th on (I from 0).
    #[arg(long, value_name = "I/N", value_parser = part, default_value = "0/1")]
    pub shard: (usize, usize),

    /// These shards, counted from 0.
    #[arg(long, value_name = "I,…", value_delimiter = ',', conflicts_with = "shard")]
    pub shards: Vec<usize>,

    /// For `maps` (label maps by a head on whole images) and `label-maps` (by the trained labeler): also write each as `DIR/ID.pt`, in the form of
    /// ReLabel's authors.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// The run.
    #[command(flatten)]
    pub run: RunOptions,

    /// How it works.
    #[command(flatten)]
    pub work: WorkOptions,
}

/// A worker.
#[derive(Debug, Args)]
pub struct WorkerArguments {
    /// The recipe.
    #[arg(long, value_name = "FILE")]
    pub recipe: PathBuf,

    /// The run.
    #[command(flatten)]
    pub run: RunOptions,

    /// How it works.
    #[command(flatten)]
    pub work: WorkOptions,

    /// Its place among the workers of this machine, by which it finds its notes again after a crash; the first that is free by default.
    #[arg(long, value_name = "K")]
    pub slot: Option<usize>,

    /// Lead the run: refuse to start while another process leads it.
    #[arg(long)]
    pub lead: bool,
}

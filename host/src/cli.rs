//! The command line.

mod evaluate;
mod look;
mod meant;
mod plugins;
mod review;
mod scheduler;
mod sweep;
mod threads;

use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use evaluate::EvaluateCommand;
pub use look::{PredictArguments, ViewArguments};
pub use plugins::{Language, PluginsCommand};
pub use review::{ExchangeFormat, ExportArguments, ReviewCommand};
pub use scheduler::{PlanArguments, RunOptions, StageArguments, WorkOptions, WorkerArguments};
pub use sweep::{By, SweepArguments};
pub use threads::Threads;

/// Turns a single-label image dataset into a multi-label one whose every label is grounded in a mask.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = after_help())]
pub struct Arguments {
    /// What to do instead of a run.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The run.
    #[command(flatten)]
    pub run: RunArguments,

    /// What every command understands.
    #[command(flatten)]
    pub global: GlobalArguments,
}

/// The command line; ends the process where it asks for help, or is wrong.
pub fn parse() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|error| match meant::meant(&error, &std::env::args().skip(1).collect::<Vec<_>>()) {
        Some(meant) => {
            // Nobody may be listening any more.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("error: {meant}\n").as_bytes());
            std::process::exit(2)
        }
        None => error.exit(),
    })
}

fn after_help() -> String {
    format!(
        "\
Exit codes:
  0    done
  1    failed while running
  2    wrong usage, or a recipe that cannot run
  3    finished, but more than 1 % of the samples were skipped, or any with --strict
  130  interrupted; the same command continues

Example:
  {} \\
      --recipe recipes/demo.yaml --set proposals.0.config.tau=0.3",
        crate::command_name::typed()
    )
}

/// What every command understands.
#[derive(Debug, Args)]
pub struct GlobalArguments {
    /// A folder of plugin libraries, searched before CONVERT_PLUGIN_PATH and `plugins/` beside the executable; repeatable.
    #[arg(long, global = true, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,

    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Say more (-v) or everything (-vv).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A run.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The recipe to run.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,

    /// Changes to the recipe.
    #[command(flatten)]
    pub overrides: RecipeOverrides,

    /// Work on N samples only, spread evenly over the dataset.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,

    /// The device of the networks.
    #[arg(long, default_value = "cpu", value_name = "cpu|cuda[:N]", value_parser = device)]
    pub device: String,

    /// How many threads work.
    #[command(flatten)]
    pub threads: Threads,

    /// Check the recipe and print the plan, but do nothing; with --limit N, run the stages on N samples first, only to measure how long all would take.
    #[arg(long)]
    pub dry_run: bool,

    /// Discard the cached results of earlier runs of this recipe.
    #[arg(long)]
    pub fresh: bool,

    /// Try the samples again that earlier runs left out; what depends on them is redone where they no longer fail.
    #[arg(long, conflicts_with_all = ["fresh", "dry_run"])]
    pub retry_errors: bool,

    /// List folders and read files anew, even those that have not changed since they were last looked at.
    #[arg(long)]
    pub rescan: bool,

    /// End with exit code 3 when any sample was skipped. Without it that takes more than 1 % of them, and at least five.
    #[arg(long)]
    pub strict: bool,

    /// End with exit code 0 however many samples were skipped.
    #[arg(long, conflicts_with = "strict")]
    pub allow_skipped: bool,
}

/// What the command line changes in a recipe.
#[derive(Debug, Args)]
pub struct RecipeOverrides {
    /// Change a value of the recipe, such as `proposals.0.config.tau=0.3`; repeatable.
    #[arg(long, value_name = "path.to.key=value")]
    pub set: Vec<String>,

    /// Where stages and results are kept, a folder or s3://BUCKET/PREFIX (also gs://, az://); the recipe's `work_dir` by default.
    #[arg(long, value_name = "DIR|URL")]
    pub work_dir: Option<PathBuf>,

    /// Fetch published weights that the recipe names and that are not on this machine, without asking; what they are is shown first (see `weights list`).
    #[arg(short, long)]
    pub yes: bool,
}

/// The other commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a recipe and print its plan: stages, plugins, versions, what is cached and what is to do.
    Check {
        /// The recipe.
        #[arg(required_unless_present = "schema")]
        recipe: Option<PathBuf>,
        /// Print the JSON schema of recipes with the installed plugins instead, for editors.
        #[arg(long, conflicts_with = "recipe")]
        schema: bool,
        /// Changes to the recipe.
        #[command(flatten)]
        overrides: RecipeOverrides,
        /// As for a run on this device: what is cached depends on it.
        #[arg(long, default_value = "cpu", value_name = "cpu|cuda[:N]", value_parser = device)]
        device: String,
    },
    /// Print the steps of a run with their keys, what each reads, and which shards are done: for schedulers.
    Plan(PlanArguments),
    /// Try settings of a recipe on the same images, and compare their masks: a table, and a page with the masks of each (docs/sweep.md). Nothing is trained on them.
    Sweep(SweepArguments),
    /// Write the patch features of images as a safetensors file: one tensor `features` [images, patches, numbers].
    Features {
        /// The backbone: JSON with the keys of a recipe's `backbone:`, and with `feature`, `layer` and `input_size` beside them. With `plugin`, the name
        /// of another extractor, JSON with the keys of its config.
        #[arg(long, value_name = "JSON")]
        backbone: String,
        /// The images.
        #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
        image: Vec<PathBuf>,
        /// The file to write.
        #[arg(long, value_name = "FILE.safetensors")]
        output: PathBuf,
        /// The device of the network.
        #[arg(long, default_value = "cpu", value_name = "cpu|cuda[:N]", value_parser = device)]
        device: String,
        /// How many threads work.
        #[command(flatten)]
        threads: Threads,
        /// Fetch published weights that are not on this machine without asking; what they are is shown first.
        #[arg(short, long)]
        yes: bool,
    },
    /// List published weights, or fetch them by name.
    Weights {
        /// `list` by default.
        #[command(subcommand)]
        command: Option<WeightsCommand>,
    },
    /// Say what this machine offers: plugins, libraries, devices, and which published weights are there.
    Doctor {
        /// Try a work directory instead: make an object, read, list, replace and remove it, each with its time. A folder, or a place in an object store.
        #[arg(long, value_name = "DIR|URL")]
        work_dir: Option<String>,
    },
    /// List plugins, describe one, or begin one of your own.
    Plugins {
        /// `list` by default.
        #[command(subcommand)]
        command: Option<PluginsCommand>,
    },
    /// Compare results with a truth.
    Evaluate {
        /// What is compared.
        #[command(subcommand)]
        command: EvaluateCommand,
    },
    /// List a run's given labels that nothing in their images supports, by models that were trained without the image; classes that are taken for each other; and near
    /// duplicates with different labels. Every image goes into `audit.tsv` of the run. The recipe needs `label.config.folds: 5` or so.
    Audit {
        /// The work directory of a finished run.
        run: PathBuf,
        /// Rows of each table.
        #[arg(long, default_value_t = 20, value_name = "N")]
        top: usize,
        /// Look for duplicates among this many images at most, spread over the dataset: the work grows with the square.
        #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..).map(|count| count as usize))]
        images: usize,
        /// Two images are near duplicates when the cosine of their features, each taken from its mean, is at least this.
        #[arg(long, default_value_t = 0.98, value_name = "COSINE", value_parser = share)]
        duplicates: f64,
        /// How many threads work.
        #[command(flatten)]
        threads: Threads,
    },
    /// Compare the probabilities of a run's labels with known true labels of some images, and find the thresholds that give the added labels a precision. Nothing is
    /// changed: the answer ends with the line for the recipe.
    Calibrate {
        /// The work directory of a finished run.
        run: PathBuf,
        /// The true classes of some images, all of each: ReaL or ImageNetV2 JSON, COCO JSON, a multilabel tsv, or a run's reviews.jsonl. What the recipe or the dataset knows by default.
        #[arg(long, value_name = "FILE")]
        truth: Option<PathBuf>,
        /// Believe all classes equally far.
        #[arg(long)]
        shared: bool,
        /// Precisions to find thresholds for.
        #[arg(long, value_name = "P,…", value_delimiter = ',', default_values_t = [0.8, 0.9, 0.95], value_parser = share)]
        precision: Vec<f64>,
        /// Also write every figure to a file.
        #[arg(long, value_name = "FILE.json")]
        json: Option<PathBuf>,
        /// How many threads work.
        #[command(flatten)]
        threads: Threads,
    },
    /// List the pairs of classes that occur together most often (paper, Table 8), tab-separated.
    Pairs {
        /// True labels: ReaL or ImageNetV2 JSON, COCO JSON, a multilabel tsv, or a run's reviews.jsonl.
        #[arg(long, value_name = "FILE")]
        truth: PathBuf,
        /// Class names by index, one a line; ImageNet's by default where the truth is ReaL's or ImageNetV2's.
        #[arg(long, value_name = "FILE")]
        classes: Option<PathBuf>,
        /// Leave out pairs that occur together in fewer images.
        #[arg(long, default_value_t = 3, value_name = "N")]
        min_count: u64,
        /// List at most so many pairs.
        #[arg(long, default_value_t = 1000, value_name = "N")]
        top: usize,
        /// Write to a file instead of standard output.
        #[arg(long, value_name = "FILE.tsv")]
        output: Option<PathBuf>,
    },
    /// Count the classes of the images of a labels file (paper, Table 5).
    Stats {
        /// A file in the form of the multilabel-tsv exporter.
        labels: PathBuf,
        /// A class counts when its probability is above this.
        #[arg(long, default_value_t = 0.5)]
        threshold: f32,
    },
    /// Look at a finished run in a browser: filter its images, see regions and labels, correct them. Prints the address.
    View(ViewArguments),
    /// Say what a run's labeler sees in an image, and in a region of it (paper, F.5).
    Predict(PredictArguments),
    /// Write the files of a finished run again, with what people said of its labels and masks (docs/reviews.md).
    Export(ExportArguments),
    /// Figures of what people said of a run, and the exchange with other tools.
    Review {
        /// What to do.
        #[command(subcommand)]
        command: ReviewCommand,
    },
    /// Run one stage of a recipe on a part of the shards, for a scheduler of your own. Exit codes: 0 done, 1 try again, 2 wrong for good, 130 stopped from outside.
    Stage(StageArguments),
    /// Run parts of a recipe that a scheduler names, a JSON line each, with the models kept in memory from one to the next; answers one JSON line each
    /// (docs/cluster.md).
    Worker(WorkerArguments),
}

/// What to do with published weights.
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// All names, with size, licence, and whether the file is here and right.
    List,
    /// Fetch files by name into the folder of weights, resumed and checked; print where they lie. CONVERT_WEIGHTS_URL names a mirror, CONVERT_OFFLINE forbids it.
    Get {
        /// The names, such as dino-vits16.
        #[arg(required = true)]
        names: Vec<String>,
    },
}

fn device(text: &str) -> Result<String, String> {
    let known = text == "cpu" || text == "cuda" || text.strip_prefix("cuda:").is_some_and(|index| index.parse::<u32>().is_ok());
    if known { Ok(text.to_owned()) } else { Err("a device is cpu, cuda or cuda:N".into()) }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "give a number from 0 to 1".into())
}

fn part(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    numbers.filter(|(index, count)| index < count).ok_or_else(|| "a part is I/N with I from 0 and below N, such as 0/4".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn devices_and_parts_are_checked() {
        assert!(device("cuda:1").is_ok() && device("gpu").is_err() && device("cuda:x").is_err());
        assert_eq!(part("2/4"), Ok((2, 4)));
        assert!(part("4/4").is_err() && part("1").is_err());
    }
}

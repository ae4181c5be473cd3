//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Turns a single-label image dataset into a multi-label one whose every label is grounded in a mask.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
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

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed while running
  2    wrong usage, or a recipe that cannot run
  3    finished with skipped samples, and --strict was given
  130  interrupted; the same command continues

Example:
  convert --recipe recipes/demo.yaml --set proposals.0.config.tau=0.3";

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

    /// Threads; all cores by default. The results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub threads: Option<u64>,

    /// Check the recipe and print the plan, but do nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Forget the results of earlier runs of this recipe.
    #[arg(long)]
    pub fresh: bool,

    /// End with exit code 3 when samples were skipped.
    #[arg(long)]
    pub strict: bool,
}

/// What the command line changes in a recipe.
#[derive(Debug, Args)]
pub struct RecipeOverrides {
    /// Change a value of the recipe, such as `proposals.0.config.tau=0.3`; repeatable.
    #[arg(long, value_name = "path.to.key=value")]
    pub set: Vec<String>,

    /// Where stages and results are kept; the recipe's `work_dir` by default.
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
}

/// The other commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a recipe and print its plan: stages, plugins, versions, what is cached and what is to do.
    Check {
        /// The recipe.
        recipe: PathBuf,
        /// Changes to the recipe.
        #[command(flatten)]
        overrides: RecipeOverrides,
    },
    /// List plugins, or describe one.
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
    /// Count the classes of the images of a labels file (paper, Table 5).
    Stats {
        /// A file in the form of the multilabel-tsv exporter.
        labels: PathBuf,
        /// A class counts when its probability is above this.
        #[arg(long, default_value_t = 0.5)]
        threshold: f32,
    },
    /// Run one stage of a recipe on a part of the shards, for a scheduler of your own.
    Stage {
        /// The stage, as `convert check` names it.
        name: String,
        /// The recipe.
        #[arg(long, value_name = "FILE")]
        recipe: PathBuf,
        /// Every N-th shard, from the I-th on (I from 0).
        #[arg(long, value_name = "I/N", value_parser = part, default_value = "0/1")]
        shard: (usize, usize),
        /// Changes to the recipe.
        #[command(flatten)]
        overrides: RecipeOverrides,
        /// Work on N samples only, as in the whole run.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
        /// The device of the networks.
        #[arg(long, default_value = "cpu", value_name = "cpu|cuda[:N]", value_parser = device)]
        device: String,
        /// Threads; all cores by default.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
        threads: Option<u64>,
    },
}

/// What to compare with a truth.
#[derive(Debug, Subcommand)]
pub enum EvaluateCommand {
    /// Masks or boxes: recall, CorLoc, mean best IoU.
    Proposals {
        /// A COCO file with masks or boxes, or a list of results in COCO's form.
        #[arg(long, value_name = "COCO.json")]
        predictions: PathBuf,
        /// A COCO file with the true objects.
        #[arg(long, value_name = "COCO.json")]
        truth: PathBuf,
        /// Write every figure to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
}

/// What to do with plugins.
#[derive(Debug, Subcommand)]
pub enum PluginsCommand {
    /// All plugins, by role.
    List,
    /// A plugin's config: keys, types, defaults, meaning. Without a name: the recipe's sections and all plugins.
    Describe {
        /// The plugin's name.
        name: Option<String>,
        /// Print the JSON schema instead.
        #[arg(long, requires = "name")]
        json: bool,
    },
}

fn device(text: &str) -> Result<String, String> {
    let known = text == "cpu" || text == "cuda" || text.strip_prefix("cuda:").is_some_and(|index| index.parse::<u32>().is_ok());
    if known { Ok(text.to_owned()) } else { Err("a device is cpu, cuda or cuda:N".into()) }
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

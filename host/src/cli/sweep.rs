//! `convert sweep`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{RunOptions, WorkOptions};

/// A sweep over settings of a recipe.
#[derive(Debug, Args)]
pub struct SweepArguments {
    /// The recipe.
    pub recipe: PathBuf,

    /// Values to try for a key, such as `proposals.vit.config.tau=0.3,0.4,0.5`; a list in brackets is one value. Repeatable: every combination is tried.
    #[arg(long, value_name = "path.to.key=A,B,…", required = true)]
    pub vary: Vec<String>,

    /// The true objects: a COCO file with masks or boxes, or a folder of ImageNet-S's annotations. The masks that the dataset knows by default.
    #[arg(long, value_name = "COCO.json|DIR")]
    pub truth: Option<PathBuf>,

    /// What makes a setting the best, where true objects are known; of equals the one with fewer masks. `corloc` by default.
    #[arg(long, value_enum)]
    pub by: Option<By>,

    /// Images on the page, spread over the samples.
    #[arg(long, default_value_t = 24, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub images: u16,

    /// Also write every figure to a file.
    #[arg(long, value_name = "FILE.json")]
    pub json: Option<PathBuf>,

    /// The run.
    #[command(flatten)]
    pub run: RunOptions,

    /// How it works.
    #[command(flatten)]
    pub work: WorkOptions,
}

/// By what settings are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The share of images whose first mask's box has an IoU above 0.5 with some true box.
    #[default]
    Corloc,
    /// The same for the mask with the highest score: of several configurations, or after `nms`, the first means little.
    CorlocBest,
    /// The share of true boxes that some mask's box meets with an IoU of at least 0.5.
    Recall,
}

//! The commands by which a person looks at a run and its labeler.

use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser;

use super::{RunOptions, Threads, device};

/// A run in a browser.
#[derive(Debug, Args)]
pub struct ViewArguments {
    /// The work directory of a finished run, a folder or s3://BUCKET/PREFIX.
    pub run: PathBuf,

    /// The port; 0 takes any that is free.
    #[arg(long, default_value_t = 8517, value_name = "PORT")]
    pub port: u16,

    /// The address to listen at. Others than this machine's own can read the run where this is not 127.0.0.1; they need the printed token.
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub host: String,

    /// Show the run, but take no reviews and label no regions.
    #[arg(long)]
    pub read_only: bool,

    /// Hide all probabilities and reasons from those who review, so that they do not lead the eye.
    #[arg(long)]
    pub blind: bool,

    /// The device of the networks that name regions; that of the run by default.
    #[arg(long, value_name = "cpu|cuda[:N]", value_parser = device)]
    pub device: Option<String>,

    /// How many threads work.
    #[command(flatten)]
    pub threads: Threads,
}

/// An image, and a region of it.
#[derive(Debug, Args)]
pub struct PredictArguments {
    /// The recipe, whose labeler an earlier run has trained; or the `recipe.yaml` in a run's work directory.
    #[arg(long, value_name = "FILE")]
    pub recipe: PathBuf,

    /// The image.
    #[arg(long, value_name = "FILE")]
    pub image: PathBuf,

    /// The region: left, top, width and height in pixels.
    #[arg(long = "box", value_name = "X,Y,W,H", value_delimiter = ',', allow_negative_numbers = true, conflicts_with = "mask")]
    pub bounds: Option<Vec<f64>>,

    /// The region: an image of the same size that is not black in it, or JSON in the form of COCO's compressed RLE.
    #[arg(long, value_name = "FILE")]
    pub mask: Option<PathBuf>,

    /// How many classes are shown.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000).map(|count| count as usize))]
    pub top: usize,

    /// One JSON object.
    #[arg(long)]
    pub json: bool,

    /// The run that trained.
    #[command(flatten)]
    pub run: RunOptions,

    /// How many threads work.
    #[command(flatten)]
    pub threads: Threads,
}

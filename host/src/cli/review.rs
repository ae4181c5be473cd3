//! What people said of a run: `convert export`, `convert review`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Threads;

/// `convert export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The work directory of a finished run.
    pub run: PathBuf,
    /// Believe what people said of the labels and masks; the files get `.reviewed` before their ending, unless --output names a folder.
    #[arg(long)]
    pub reviewed: bool,
    /// What they said; `reviews.jsonl` of the run by default.
    #[arg(long, value_name = "FILE.jsonl", requires = "reviewed")]
    pub reviews: Option<PathBuf>,
    /// Write the files into this folder instead, under the names that they have in the run.
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// How many threads work.
    #[command(flatten)]
    pub threads: Threads,
}

/// What to do with reviews.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// How good a run's labels are by what people said: precision and recall over the images that came up at random, with 95 % intervals, and the agreement of two people (Cohen's κ).
    Stats {
        /// The work directory of a finished run.
        run: PathBuf,
        /// What they said; `reviews.jsonl` of the run by default.
        #[arg(long, value_name = "FILE.jsonl")]
        reviews: Option<PathBuf>,
        /// A label counts when its probability is above this; by default the run's threshold.
        #[arg(long, value_name = "P")]
        threshold: Option<f32>,
        /// Classes in the table, those with the most reviewed labels.
        #[arg(long, default_value_t = 20, value_name = "N")]
        top: usize,
        /// Also write every figure to a file.
        #[arg(long, value_name = "FILE.json")]
        json: Option<PathBuf>,
        /// How many threads work.
        #[command(flatten)]
        threads: Threads,
    },
    /// Write the reviewed images of a run, with labels and masks, for another tool.
    Export {
        /// The work directory of a finished run.
        run: PathBuf,
        /// The form of the file.
        #[arg(long, value_enum)]
        format: ExchangeFormat,
        /// The file to write.
        #[arg(long, value_name = "FILE.json")]
        output: PathBuf,
        /// What people said; `reviews.jsonl` of the run by default, which need not be there with --random.
        #[arg(long, value_name = "FILE.jsonl")]
        reviews: Option<PathBuf>,
        /// Also write so many images that nobody has reviewed, drawn at random: only such images give honest figures.
        #[arg(long, value_name = "N", default_value_t = 0)]
        random: usize,
        /// What the drawing depends on.
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        /// How many threads work.
        #[command(flatten)]
        threads: Threads,
    },
    /// Take over what people did in another tool: each finished image becomes a review.
    Import {
        /// The work directory of a finished run.
        run: PathBuf,
        /// The tool's file.
        file: PathBuf,
        /// Its form; found out by default.
        #[arg(long, value_enum)]
        format: Option<ExchangeFormat>,
        /// Where the reviews go; `reviews.jsonl` of the run by default.
        #[arg(long, value_name = "FILE.jsonl")]
        reviews: Option<PathBuf>,
        /// Who did it, where the file does not say.
        #[arg(long, value_name = "NAME")]
        who: Option<String>,
        /// How the images were chosen, where the file does not say: `random` if by `convert review export --random`.
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        /// How many threads work.
        #[command(flatten)]
        threads: Threads,
    },
}

/// The forms in which other tools read and write annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExchangeFormat {
    /// Label Studio's JSON.
    LabelStudio,
    /// Datumaro's JSON, which CVAT reads and writes.
    Cvat,
}

//! `convert evaluate`: comparisons with a truth.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::TypedValueParser;

use super::Threads;

/// What to compare with a truth.
#[derive(Debug, Subcommand)]
pub enum EvaluateCommand {
    /// Image-level labels: agreement in five groups, top-1, both kinds of mAP, precision and recall.
    Labels {
        /// A multilabel tsv, the authors' training JSON, or a COCO file.
        #[arg(long, value_name = "FILE")]
        predictions: PathBuf,
        /// True labels: ReaL or ImageNetV2 JSON, COCO JSON, a multilabel tsv, or a run's reviews.jsonl.
        #[arg(long, value_name = "FILE")]
        truth: PathBuf,
        /// Write every figure to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// A class counts when its probability is above this.
        #[arg(long, default_value_t = 0.5, value_name = "P")]
        threshold: f32,
        /// How many classes there are, where the files do not know.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(convert_formats::label_sets::MAX_CLASSES)))]
        classes: Option<u32>,
    },
    /// Masks or boxes: recall, CorLoc, mean best IoU.
    Proposals {
        /// A COCO file with masks or boxes, or a list of results in COCO's form.
        #[arg(long, value_name = "COCO.json")]
        predictions: PathBuf,
        /// A COCO file with the true objects, or a folder of ImageNet-S's annotations.
        #[arg(long, value_name = "COCO.json|DIR")]
        truth: PathBuf,
        /// Write every figure to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// A run's features: how diverse those of whole images and of the kept regions are, by their nearest neighbours (paper F.2).
    Neighbours {
        /// The work directory of a finished run.
        run: PathBuf,
        /// Neighbours of each vector.
        #[arg(short, long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000).map(|k| k as usize))]
        k: usize,
        /// Look at this many images at most, spread over the dataset: the work grows with the square.
        #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..).map(|count| count as usize))]
        images: usize,
        /// Write every figure to this file.
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Write the vectors to this file: those of whole images and of the regions that were trained on, with their classes.
        #[arg(long, value_name = "FILE.safetensors")]
        vectors: Option<PathBuf>,
        /// How many threads work.
        #[command(flatten)]
        threads: Threads,
    },
}

//! `convert review`: what people said of a run, as figures and for other tools (docs/reviews.md).

mod exchange;
mod stats;

use std::path::Path;

use crate::cli::{ReviewCommand, Threads};
use crate::commands::{cancel_on_ctrl_c, finished};
use crate::engine::Progress;
use crate::failure::Failure;
use crate::pipeline::Session;
use crate::plugins::Catalog;

/// Does what is asked of a run's reviews.
pub fn review(command: &ReviewCommand, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let open =
        |run: &Path, threads: &Threads| -> Result<Session, Failure> { finished::reopen(run, *threads, catalog, progress, &cancel_on_ctrl_c()?) };
    match command {
        ReviewCommand::Stats { run, reviews, threshold, top, json, threads } => {
            let options = stats::Options { reviews: reviews.as_deref(), threshold: *threshold, top: *top, json: json.as_deref() };
            stats::stats(|| open(run, threads), &options)
        }
        ReviewCommand::Export { run, format, output, reviews, random, seed, threads } => {
            let options = exchange::Export { format: *format, output, reviews: reviews.as_deref(), random: *random, seed: *seed };
            exchange::export(|| open(run, threads), &options)
        }
        ReviewCommand::Import { run, file, format, reviews, who, queue, threads } => {
            let options = exchange::Import { file, format: *format, reviews: reviews.as_deref(), who: who.as_deref(), queue: queue.as_deref() };
            exchange::import(|| open(run, threads), &options)
        }
    }
}

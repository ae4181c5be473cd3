//! `convert stats LABELS`: Table 5 of a labels file.

use std::path::Path;

use convert_formats::label_sets::read_multilabel_tsv;

use super::summary;
use crate::errors::PluginError;
use crate::evaluate::Tally;
use crate::failure::Failure;
use crate::terminal::{fitted, width};

/// Prints how many classes the images of a multilabel-tsv file have.
pub fn stats(file: &Path, threshold: f32) -> Result<(), Failure> {
    let usage = |error: convert_sdk::Error| Failure::usage(PluginError(error));
    let mut tally = Tally::new(threshold);
    for image in read_multilabel_tsv(file).map_err(usage)? {
        let image = image.map_err(usage)?;
        tally.add_count(image.scores.iter().filter(|score| score.probability.get() > threshold).count());
    }
    answer!("{}", fitted(summary::label_count_table(&tally.statistics(0), None), width()));
    Ok(())
}

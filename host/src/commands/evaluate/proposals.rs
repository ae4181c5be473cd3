//! `convert evaluate proposals`: masks and boxes against true objects.

use std::io::Write;
use std::path::Path;

use comfy_table::{Cell, CellAlignment};

use crate::commands::{summary, writable};
use crate::engine::replace_file;
use crate::errors::PluginError;
use crate::evaluate::{Scores, score_proposals};
use crate::failure::Failure;
use crate::terminal::{fitted, width};

/// Prints the figures, and writes them to a JSON file where one is named.
pub fn proposals(predictions: &Path, truth: &Path, json: Option<&Path>) -> Result<(), Failure> {
    let json = json.map(writable).transpose()?;
    let scores = score_proposals(predictions, truth).map_err(|error| Failure::usage(PluginError(error)))?;
    if scores.fitted > 0 {
        tracing::warn!("{} predicted masks have another size than their image and were fitted to it", scores.fitted);
    }
    if scores.predictions_elsewhere > 0 {
        tracing::warn!("{} predictions are on images without true objects and were skipped", scores.predictions_elsewhere);
    }
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&scores).map_err(Failure::run)?;
        replace_file(&file, |mut file| Ok(writeln!(file, "{text}")?))?;
    }
    let title = format!("{} objects on {} images, {} predictions", scores.objects, scores.images, scores.predictions);
    let mut table = summary::table(&[&title, "recall, IoU ≥ 0.5", "average recall", "mean best IoU", "CorLoc, first", "CorLoc, best score"]);
    for (name, scores) in [("boxes", Some(&scores.boxes)), ("masks", scores.masks.as_ref())] {
        let Some(Scores { recall, average_recall, mean_best_iou, corloc_first, corloc_best }) = scores else { continue };
        let figures = [recall, average_recall, mean_best_iou, corloc_first, corloc_best];
        let cells = figures.map(|figure| Cell::new(format!("{figure:.3}")).set_alignment(CellAlignment::Right));
        table.add_row(std::iter::once(Cell::new(name)).chain(cells));
    }
    answer!("{}", fitted(table, width()));
    Ok(())
}

//! The tables at the end of a run. They go to standard error, like all that is for people, except where a command's answer is the table.

use std::io::Write;

use comfy_table::{Cell, CellAlignment, Table, presets};
use convert_sdk::{CalibrationReport, ChosenThreshold, Evaluation, ScoreRow, Statistics};

use crate::engine::progress::rate;
use crate::pipeline::{Outcome, ReviewCounts, Session};
use crate::terminal::{error_width, fitted};

/// A table in the house's style.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(header.iter().map(Cell::new));
    table
}

fn number(text: impl ToString) -> Cell {
    Cell::new(text.to_string()).set_alignment(CellAlignment::Right)
}

/// Labels per image, as in the paper's Table 5, and how many of the images people looked through.
pub fn label_count_table(statistics: &Statistics, reviews: Option<&ReviewCounts>) -> Table {
    let mut rows = table(&["labels per image", "images", "share"]);
    let share = |images: u64| if statistics.images == 0 { 0.0 } else { images as f64 * 100.0 / statistics.images as f64 };
    let mut add = |name: String, images: u64| {
        rows.add_row([Cell::new(name), number(images), number(format!("{:.1} %", share(images)))]);
    };
    for (count, images) in statistics.by_count.iter().enumerate() {
        add(if count == 4 { "4 or more".to_owned() } else { count.to_string() }, *images);
    }
    if let Some(reviews) = reviews {
        add("reviewed".to_owned(), reviews.images);
        add("changed by review".to_owned(), reviews.changed);
    }
    rows.add_row([Cell::new(format!("mean (τ = {})", statistics.threshold)), number(format!("{:.3}", statistics.average)), Cell::new("")]);
    rows
}

/// What the truth says, a column for each set of labels: so it fits a terminal of 80 columns.
fn evaluation_table(evaluation: &Evaluation) -> Table {
    let first = format!("{} images, τ = {}", evaluation.images, evaluation.threshold);
    let names: Vec<&str> = std::iter::once(first.as_str()).chain(evaluation.rows.iter().map(|row| row.name.as_str())).collect();
    let mut rows = table(&names);
    type Measure = fn(&ScoreRow) -> Option<f64>;
    let measures: [(&str, Measure); 7] = [
        ("added labels: precision", |row| row.added_precision),
        ("added labels: recall", |row| row.added_recall),
        ("all labels: precision", |row| Some(row.precision)),
        ("all labels: recall", |row| Some(row.recall)),
        ("all labels: F1", |row| Some(row.f1)),
        ("per-image AP", |row| Some(row.per_image_ap)),
        ("per-image AP, ≥ 2 objects", |row| row.per_image_ap_multi),
    ];
    for (name, measure) in measures {
        let figure = |value: Option<f64>| number(value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}")));
        rows.add_row(std::iter::once(Cell::new(name)).chain(evaluation.rows.iter().map(|row| figure(measure(row)))));
    }
    rows
}

/// What the tables have no column for, a line each.
fn lines(outcome: &Outcome) -> String {
    let (evaluation, mut text) = (outcome.evaluation.as_ref(), String::new());
    if let Some(recall) = evaluation.and_then(|evaluation| evaluation.region_recall) {
        text += &format!("{:.1} % of the true objects are covered by a region (IoU ≥ 0.5)\n", recall * 100.0);
    }
    if let Some(added) = evaluation.and_then(|evaluation| evaluation.added.as_ref()) {
        text += &format!("added labels: area under the precision-recall curve {:.3}", added.area);
        if let Some(reliability) = &added.reliability {
            text += &format!(", calibration error {:.3} from probability {} on", reliability.ece, added.reliability_from);
        }
        text.push('\n');
    }
    if let Some(calibration) = &outcome.calibration {
        text += &calibrated(&calibration.report);
    }
    if let Some(reviews) = &outcome.reviews {
        text += &reviewed(&reviews.counts);
    }
    if let Some(held_out) = outcome.trained.as_ref().and_then(|trained| trained.held_out.as_ref()) {
        let (regions, accuracy) = (held_out.regions, held_out.accuracy * 100.0);
        text += &format!("labeler: {accuracy:.1} % of {regions} held-out regions get the class that they were kept for\n");
    }
    text
}

/// How the labels were calibrated, and what a threshold was chosen for.
fn calibrated(report: &CalibrationReport) -> String {
    let mut text = match report.images {
        0 => "no true labels are known: the labels' own probabilities are believed\n".to_owned(),
        images => format!("labels calibrated on {images} images whose true labels are known\n"),
    };
    if let Some(ChosenThreshold { target, threshold, labels, expected_precision, precision, recall }) = &report.chosen {
        text += &match labels {
            0 => format!("no threshold gives a precision of {target}: no label was added"),
            labels => format!(
                "{labels} labels added, those above {threshold}: {:.1} % of them are to be true, {target} was wanted",
                expected_precision * 100.0
            ),
        };
        if let (Some(precision), Some(recall)) = (precision, recall) {
            text += &format!("; of the known images {:.1} %, with {:.1} % of the true ones", precision * 100.0, recall * 100.0);
        }
        text.push('\n');
    }
    text
}

/// What people changed.
pub fn reviewed(counts: &ReviewCounts) -> String {
    let ReviewCounts { images, complete, changed, accepted, rejected, added, bad_masks, drawn, elsewhere } = counts;
    let mut text = format!(
        "reviews: {images} images, {complete} of them finished; the labels of {changed} changed: {added} added, {rejected} taken out, {accepted} confirmed; {bad_masks} masks left out, {drawn} drawn\n"
    );
    if *elsewhere > 0 {
        text += &format!("reviews: {elsewhere} reviewed images have no labels in this run\n");
    }
    text
}

/// What came of a run.
pub fn print(session: &Session, outcome: &Outcome) {
    let Outcome { statistics, evaluation, .. } = outcome;
    let mut stages = table(&["stage", "images", "from cache", "seconds", "images/s"]);
    for stage in session.runner.finished.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
        let speed = if stage.seconds > 0.0 { rate((stage.images - stage.cached) as f64 / stage.seconds) } else { String::new() };
        stages.add_row([Cell::new(&stage.name), number(stage.images), number(stage.cached), number(format!("{:.1}", stage.seconds)), number(speed)]);
    }
    let fitted = |table| fitted(table, error_width());
    let mut text =
        format!("\n{}\n{}\n", fitted(stages), fitted(label_count_table(statistics, outcome.reviews.as_ref().map(|reviews| &reviews.counts))));
    if let Some(evaluation) = evaluation {
        text += &format!("{}\n", fitted(evaluation_table(evaluation)));
    }
    text += &lines(outcome);
    text += &match statistics.skipped {
        0 => format!("{} images, none skipped\n", statistics.images),
        skipped => {
            let share = skipped as f64 * 100.0 / session.samples.list.len() as f64;
            format!(
                "{} images, {skipped} skipped ({share:.1} %): the reasons are in {}\n",
                statistics.images,
                session.recipe.place_of(session.runner.ledger.path()).display()
            )
        }
    };
    for (configured, file) in &session.recipe.export {
        text += &format!("  {:16} {}\n", configured.plugin.name, session.recipe.place_of(file).display());
    }
    // Nobody may be listening any more.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

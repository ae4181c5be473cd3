//! `convert evaluate labels`: image-level labels against a truth (paper 4, 5.1; method 7).

use std::path::Path;

use comfy_table::{Cell, CellAlignment, Table};
use convert_formats::label_sets::{Predictions, Truth};

use super::super::summary::table;
use super::super::writable;
use crate::engine::replace_file;
use crate::errors::PluginError;
use crate::evaluate::labels::{BY_COUNT, LabelReport, evaluate};
use crate::failure::Failure;
use crate::terminal::{fitted, width};

/// Compares labels with a truth; tables to standard output, every figure to `json`.
pub fn labels(predictions: &Path, truth: &Path, json: Option<&Path>, threshold: f32, classes: Option<u32>) -> Result<(), Failure> {
    let json = json.map(writable).transpose()?;
    let usage = |error: convert_sdk::Error| Failure::usage(PluginError(error));
    let (predicted, true_labels) = (Predictions::read(predictions).map_err(usage)?, Truth::read(truth, threshold).map_err(usage)?);
    if !true_labels.is_numbered() {
        let truth = truth.display();
        return Err(Failure::usage(format!(
            "{truth} knows classes by their names, {} by their indices: put the run's classes.txt beside the reviews",
            predictions.display()
        )));
    }
    let report = evaluate(&predicted, &true_labels, threshold, classes)
        .map_err(|error| Failure::usage(format!("{} and {}: {error}", predictions.display(), truth.display())))?;
    if let Some(file) = json {
        replace_file(&file, |file| Ok(serde_json::to_writer_pretty(file, &report)?))?;
    }
    print(&report);
    Ok(())
}

fn print(report: &LabelReport) {
    let images = &report.images;
    answer!("truth: {}, {} images, {} classes", report.truth_format, images.in_truth, report.classes);
    answer!("{} images compared, {} of them with true labels", images.compared, images.with_true_labels);
    if images.not_in_truth > 0 {
        answer!("{} predicted images are not in the truth and are left out", images.not_in_truth);
    }
    if images.not_predicted > 0 {
        answer!("{} images of the truth are not predicted and are left out", images.not_predicted);
    }
    answer!("{}", fitted(agreement(report), width()));
    answer!("{}", fitted(rankings(report), width()));
    answer!("{}", fitted(decisions(report), width()));
}

fn number(text: impl ToString) -> Cell {
    Cell::new(text.to_string()).set_alignment(CellAlignment::Right)
}

fn figure(value: Option<f64>) -> Cell {
    number(value.map_or_else(|| "–".to_owned(), |value| format!("{:.2}", value * 100.0)))
}

fn agreement(report: &LabelReport) -> Table {
    let mut rows = table(&[&format!("agreement, classes above {}", report.threshold), "images", "share %"]);
    let groups = &report.agreement;
    for (name, count) in [
        ("truth empty", groups.truth_empty),
        ("exact", groups.exact),
        ("ours ⊃ truth", groups.ours_superset),
        ("truth ⊃ ours", groups.truth_superset),
        ("partial (disjoint among them)", groups.partial),
        ("  disjoint", groups.disjoint),
    ] {
        rows.add_row([Cell::new(name), number(count), figure(Some(count as f64 / report.images.compared.max(1) as f64))]);
    }
    rows
}

fn rankings(report: &LabelReport) -> Table {
    let mut header = vec!["mAP %", "all"];
    header.extend(BY_COUNT);
    let mut rows = table(&header);
    for (name, means) in [("per-image mAP", &report.mean_average_precision.per_image), ("class mAP", &report.mean_average_precision.class)] {
        let cells = std::iter::once(&means.all).chain(means.by_count.values()).map(|mean| figure(mean.value));
        rows.add_row(std::iter::once(Cell::new(name)).chain(cells));
    }
    let counts = std::iter::once(&report.mean_average_precision.per_image.all).chain(report.mean_average_precision.per_image.by_count.values());
    rows.add_row(std::iter::once(Cell::new("images")).chain(counts.map(|mean| number(mean.count))));
    rows
}

fn decisions(report: &LabelReport) -> Table {
    let mut rows = table(&[&format!("classes above {}", report.threshold), "precision %", "recall %", "F1 %"]);
    for (name, scores) in [("micro", &report.at_threshold.micro), ("macro", &report.at_threshold.macro_averaged)] {
        let cells = [scores.precision, scores.recall, scores.f1].map(|value| figure(Some(value)));
        rows.add_row(std::iter::once(Cell::new(name)).chain(cells));
    }
    for (name, value) in [("top-1, single label", report.top1.single_label), ("top-1, any true label", report.top1.any_true_label)] {
        rows.add_row([Cell::new(name), figure(value), Cell::new(""), Cell::new("")]);
    }
    rows
}

//! `convert calibrate RUN`: what known true labels say of a run's probabilities, and which threshold gives which precision.

use std::path::Path;

use comfy_table::{Cell, CellAlignment};
use convert_sdk::{AddedLabels, CalibrationReport, ChosenThreshold};
use serde::Serialize;

use super::{cancel_on_ctrl_c, finished, summary, writable};
use crate::cli::Threads;
use crate::engine::{Progress, replace_file};
use crate::failure::Failure;
use crate::plugins::Catalog;
use crate::recipe::{AggregateMode, CalibrateSection};
use crate::terminal::{fitted, width};

/// What is asked of a calibration.
pub struct Options<'a> {
    /// True classes of some of the images; those that the recipe or the dataset knows by default.
    pub truth: Option<&'a Path>,
    /// Whether all classes are believed equally far.
    pub shared: bool,
    /// The precisions to find thresholds for.
    pub precisions: &'a [f64],
    /// Where every figure goes.
    pub json: Option<&'a Path>,
    /// Threads; all cores by default.
    pub threads: Threads,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    calibration: &'a CalibrationReport,
    choices: &'a [ChosenThreshold],
}

/// Prints the figures and the lines of the recipe that use them. The run stays as it is.
pub fn calibrate(run: &Path, options: &Options<'_>, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let json = options.json.map(writable).transpose()?;
    let session = finished::reopen(run, options.threads, catalog, progress, &cancel_on_ctrl_c()?)?;
    let sections = &session.recipe.sections;
    if sections.aggregate.mode == AggregateMode::Hard && sections.calibrate.is_none() {
        let run = run.display();
        return Err(Failure::usage(format!(
            "{run} has hard labels, which have no probabilities to calibrate: put `calibrate: {{}}` into its recipe and run it again, which takes seconds"
        )));
    }
    let of_recipe = sections.calibrate.clone().unwrap_or(CalibrateSection { per_class: true, ..CalibrateSection::default() });
    let truth = match options.truth {
        Some(file) => Some(
            std::path::absolute(file)
                .map(convert_sdk::InputFile::from)
                .map_err(|error| Failure::usage(crate::errors::FileError::of("read", file)(error)))?,
        ),
        None => of_recipe.truth,
    };
    let section = CalibrateSection { truth, per_class: of_recipe.per_class && !options.shared, target: None };
    let calibration = session.calibrate(&section)?;
    let choices: Vec<ChosenThreshold> = options.precisions.iter().map(|precision| calibration.choose(*precision)).collect();
    let report = &calibration.report;
    if let Some(file) = json {
        replace_file(&file, |file| Ok(serde_json::to_writer_pretty(file, &Report { calibration: report, choices: &choices })?))?;
    }

    match report.images {
        0 => answer!("no true labels are known: the thresholds are what the labels' own probabilities say; --truth FILE names some"),
        images => answer!("{images} images whose true labels are known, {} labels besides the original ones", report.labels),
    }
    if let (Some(before), Some(after)) = (&report.before, &report.after) {
        answer!("{}", fitted(before_and_after(before, after), width()));
    }
    let share = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    let mut table = summary::table(&["wanted precision", "threshold", "labels added", "expected precision", "known images: precision", "recall"]);
    for choice in &choices {
        let expected = (choice.labels > 0).then_some(choice.expected_precision);
        let cells = [
            choice.target.to_string(),
            format!("{:.4}", choice.threshold),
            choice.labels.to_string(),
            share(expected),
            share(choice.precision),
            share(choice.recall),
        ];
        table.add_row(cells.map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right)));
    }
    answer!("{}", fitted(table, width()));
    let usual = |choice: &&ChosenThreshold| (choice.target - 0.9).abs();
    if let Some(choice) = choices.iter().filter(|choice| choice.labels > 0).min_by(|a, b| usual(a).total_cmp(&usual(b))) {
        let truth = section.truth.as_ref().map_or_else(String::new, |file| format!("truth: {}, ", file.display()));
        let shared = if section.per_class { "" } else { "per_class: false, " };
        answer!("in the recipe, the labels above such a threshold:\n  calibrate: {{ {truth}{shared}target: {{ precision: {} }} }}", choice.target);
    }
    Ok(())
}

fn before_and_after(before: &AddedLabels, after: &AddedLabels) -> comfy_table::Table {
    let error = |labels: &AddedLabels| labels.reliability.as_ref().map_or_else(|| "–".to_owned(), |reliability| format!("{:.3}", reliability.ece));
    let name = format!("known images, labels from {}", before.reliability_from);
    let mut table = summary::table(&[&name, "calibration error", "area under precision by recall"]);
    for (name, labels) in [("as the labeler gave them", before), ("calibrated, without the image itself", after)] {
        let cells = [error(labels), format!("{:.3}", labels.area)].map(|cell| Cell::new(cell).set_alignment(CellAlignment::Right));
        table.add_row(std::iter::once(Cell::new(name)).chain(cells));
    }
    table
}

//! `convert stats LABELS`: Table 5 of a labels file.

use std::path::Path;

use super::summary;
use crate::evaluate::Tally;
use crate::failure::Failure;

/// Prints how many classes the images of a multilabel-tsv file have.
pub fn stats(file: &Path, threshold: f32) -> Result<(), Failure> {
    let refuse = |line: u64, what: String| Failure::usage(format!("{}:{line}: {what}", file.display()));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b'\t')
        .has_headers(false)
        .flexible(true)
        .quoting(false)
        .from_path(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    let mut tally = Tally::new(threshold);
    for record in reader.records() {
        let record = record.map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
        let line = record.position().map_or(0, csv::Position::line);
        let fields: Vec<&str> = record.iter().collect();
        let [_, label, classes, probabilities] = fields.as_slice() else {
            return Err(refuse(line, format!("{} columns instead of 4: id, label, classes, probabilities", fields.len())));
        };
        label.parse::<u32>().map_err(|_| refuse(line, format!("the label `{label}` is not a class index")))?;
        let list = |text: &str| text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let (classes, probabilities) = (list(classes), list(probabilities));
        if classes.len() != probabilities.len() {
            return Err(refuse(line, format!("{} classes, but {} probabilities", classes.len(), probabilities.len())));
        }
        if let Some(bad) = classes.iter().find(|class| class.parse::<u32>().is_err()) {
            return Err(refuse(line, format!("`{bad}` is not a class index")));
        }
        let mut above = 0;
        for text in &probabilities {
            let value = text.parse::<f32>().ok().filter(|value| (0.0..=1.0).contains(value));
            above += usize::from(value.ok_or_else(|| refuse(line, format!("`{text}` is not a probability")))? > threshold);
        }
        tally.add_count(above);
    }
    answer!("{}", summary::table5(&tally.statistics(0)));
    Ok(())
}

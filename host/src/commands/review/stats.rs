//! `convert review stats RUN`: the quality of the labels by the reviews.

use std::path::Path;

use comfy_table::{Cell, CellAlignment, Table};
use convert_formats::reviews::{Ignored, Interval, Quality, ReviewFigures, Reviews};
use serde::Serialize;

use super::super::export::reviews_of;
use super::super::summary::table;
use super::super::writable;
use crate::engine::replace_file;
use crate::failure::Failure;
use crate::pipeline::Session;
use crate::terminal::{fitted, width};

/// What is asked for.
pub struct Options<'a> {
    /// The file; the run's own by default.
    pub reviews: Option<&'a Path>,
    /// The run's by default.
    pub threshold: Option<f32>,
    /// Classes in the table.
    pub top: usize,
    /// Where every figure goes.
    pub json: Option<&'a Path>,
}

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    images: usize,
    events: usize,
    reviewers: Vec<&'a str>,
    ignored: &'a Ignored,
    classes: &'a [String],
    figures: &'a ReviewFigures,
}

/// Prints the figures. The run stays as it is.
pub fn stats(open: impl FnOnce() -> Result<Session, Failure>, options: &Options<'_>) -> Result<(), Failure> {
    let json = options.json.map(writable).transpose()?;
    let session = open()?;
    let file = reviews_of(&session, options.reviews)?;
    let reviews = session.read_reviews(&file)?;
    let figures = session.review_figures(&reviews, options.threshold)?;
    let reviewers: Vec<&str> = reviews.reviewers().into_iter().collect();
    if let Some(json) = json {
        let (images, events, classes) = (reviews.len(), reviews.events(), session.samples.classes.as_slice());
        let report = Report { version: 1, images, events, reviewers: reviewers.clone(), ignored: reviews.ignored(), classes, figures: &figures };
        replace_file(&json, |file| Ok(serde_json::to_writer_pretty(file, &report)?))?;
    }
    print(&reviews, &reviewers, &figures, &session.samples.classes, options.top);
    Ok(())
}

fn print(reviews: &Reviews, reviewers: &[&str], figures: &ReviewFigures, classes: &[String], top: usize) {
    answer!(
        "{} events of {} on {} images; {} images are finished, {} of them came up at random",
        reviews.events(),
        reviewers.join(", "),
        reviews.len(),
        figures.complete_images,
        figures.random_images
    );
    match figures.random_images {
        0 => answer!("no finished image came up at random, so there is no honest estimate: review some of the queue `random`"),
        _ => answer!("{}", fitted(quality(figures), width())),
    }
    if figures.random_images > 0 && top > 0 {
        answer!("{}", fitted(by_class(figures, classes, top), width()));
    }
    match figures.kappa {
        Some(kappa) => {
            answer!("Cohen's κ {:.3}, over {} labels of {} images that two people or more have finished", kappa.value, kappa.labels, kappa.images)
        }
        None => answer!("Cohen's κ: no two people have finished the same images, or all say the same of every label"),
    }
}

fn quality(figures: &ReviewFigures) -> Table {
    let mut rows = table(&[&format!("{} random images, τ = {}", figures.random_images, figures.threshold), "share", "95 % interval", "labels"]);
    let Quality { all, added } = &figures.quality;
    for (name, interval) in [
        ("added labels: precision", added.precision),
        ("added labels: recall", added.recall),
        ("all labels: precision", all.precision),
        ("all labels: recall", all.recall),
    ] {
        rows.add_row(std::iter::once(Cell::new(name)).chain(cells(interval)));
    }
    rows
}

fn by_class(figures: &ReviewFigures, classes: &[String], top: usize) -> Table {
    let mut rows = table(&["class", "precision", "95 % interval", "labels", "recall", "95 % interval", "in images"]);
    let counted = |interval: Option<Interval>| interval.map_or(0, |interval| interval.of);
    let mut list: Vec<_> = figures.by_class.iter().collect();
    // Equal ones stay in the order of the classes.
    list.sort_by_key(|class| std::cmp::Reverse(counted(class.quality.all.precision) + counted(class.quality.all.recall)));
    for class in list.into_iter().take(top) {
        let name = classes.get(class.class as usize).map_or("", String::as_str);
        let measured = &class.quality.all;
        rows.add_row(std::iter::once(Cell::new(name)).chain(cells(measured.precision)).chain(cells(measured.recall)));
    }
    rows
}

/// The share, between what it lies, and the counts.
fn cells(interval: Option<Interval>) -> [Cell; 3] {
    let texts = interval.map_or_else(
        || ["–".to_owned(), String::new(), String::new()],
        |Interval { value, low, high, right, of }| [format!("{value:.3}"), format!("{low:.3} to {high:.3}"), format!("{right} of {of}")],
    );
    texts.map(|text| Cell::new(text).set_alignment(CellAlignment::Right))
}

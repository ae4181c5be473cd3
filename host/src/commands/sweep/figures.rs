//! What is said of each setting, and which is the best.

use std::cmp::Ordering;

use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;

use super::grid::value;
use crate::cli::By;
use crate::commands::summary;
use crate::evaluate::ProposalScores;
use crate::pipeline::{Compared, Cost};

/// The figures of a setting.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// What `--set` takes.
    pub set: Vec<String>,
    /// Images with regions or without any.
    pub images: u64,
    /// Samples that failed in the proposers or refiners.
    pub skipped: u64,
    /// Regions of all images.
    pub masks: u64,
    /// Regions that the selector was asked about.
    pub judged: u64,
    /// Those of them that it keeps.
    pub selected: u64,
    /// What the masks took.
    pub time: Option<Cost>,
    /// Where the truth is known.
    pub scores: Option<ProposalScores>,
}

impl Figures {
    /// Of no image yet.
    pub fn of(set: &[String]) -> Self {
        Self { set: set.to_vec(), images: 0, skipped: 0, masks: 0, judged: 0, selected: 0, time: None, scores: None }
    }

    /// Counts an image.
    pub fn add(&mut self, image: &Compared) {
        self.images += 1;
        self.masks += image.regions.len() as u64;
        if let Some(kept) = &image.kept {
            self.judged += kept.len() as u64;
            self.selected += kept.iter().filter(|kept| **kept).count() as u64;
        }
    }

    /// Regions an image.
    pub fn masks_per_image(&self) -> f64 {
        if self.images == 0 { 0.0 } else { self.masks as f64 / self.images as f64 }
    }

    /// The share of regions that the selector keeps.
    pub fn selected_share(&self) -> Option<f64> {
        (self.judged > 0).then(|| self.selected as f64 / self.judged as f64)
    }

    /// The value of each varied key.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.set.iter().map(|assignment| value(assignment))
    }

    /// By what settings are compared.
    pub fn by(&self, by: By) -> Option<f64> {
        let boxes = &self.scores.as_ref()?.boxes;
        Some(match by {
            By::Corloc => boxes.corloc_first,
            By::CorlocBest => boxes.corloc_best,
            By::Recall => boxes.recall,
        })
    }
}

/// What `by` is called.
pub fn name(by: By) -> &'static str {
    match by {
        By::Corloc => "CorLoc",
        By::CorlocBest => "CorLoc of the best-scored masks",
        By::Recall => "recall",
    }
}

/// The best setting; of equals the one with fewer masks, then the first. `None` where no truth is known.
pub fn best(all: &[Figures], by: By) -> Option<usize> {
    let better = |one: &usize, other: &usize| -> Option<Ordering> {
        let (one, other) = (&all[*one], &all[*other]);
        Some(one.by(by)?.total_cmp(&other.by(by)?).then(other.masks_per_image().total_cmp(&one.masks_per_image())))
    };
    let known = (0..all.len()).filter(|at| all[*at].by(by).is_some());
    known.reduce(|best, at| if better(&at, &best) == Some(Ordering::Greater) { at } else { best })
}

/// A row a setting. Figures that no setting has are left out.
pub fn table(names: &[String], all: &[Figures], best: Option<usize>) -> Table {
    let (scored, selects) = (all.iter().any(|figures| figures.scores.is_some()), all.iter().any(|figures| figures.selected_share().is_some()));
    let scores: &[&str] = if scored { &["recall", "CorLoc"] } else { &[] };
    let selected: &[&str] = if selects { &["selected"] } else { &[] };
    let names = names.iter().map(String::as_str);
    let header: Vec<&str> =
        ["setting"].into_iter().chain(names).chain(scores.iter().copied()).chain(["masks/image"]).chain(selected.iter().copied()).collect();
    let mut table = summary::table(&[header.as_slice(), &["s/image"]].concat());
    for (at, figures) in all.iter().enumerate() {
        let number = if best == Some(at) { format!("{} best", at + 1) } else { (at + 1).to_string() };
        let mut cells = vec![number];
        cells.extend(figures.values().map(str::to_owned));
        cells.extend(figures.scores.iter().flat_map(|scores| {
            let boxes = &scores.boxes;
            [format!("{:.3}", boxes.recall), format!("{:.3} ({:.3})", boxes.corloc_first, boxes.corloc_best)]
        }));
        cells.push(format!("{:.1}", figures.masks_per_image()));
        if selects {
            cells.push(share(figures));
        }
        cells.push(seconds(figures));
        let values = figures.set.len();
        let cell = |(at, text): (usize, String)| {
            let alignment = if at > values { CellAlignment::Right } else { CellAlignment::Left };
            Cell::new(text).set_alignment(alignment)
        };
        table.add_row(cells.into_iter().enumerate().map(cell));
    }
    table
}

/// The selected share, for people.
pub fn share(figures: &Figures) -> String {
    figures.selected_share().map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// The seconds an image, for people, with a mark where an earlier sweep measured them.
pub fn seconds(figures: &Figures) -> String {
    let mark = |cost: Cost| if cost.earlier { " *" } else { "" };
    figures.time.map_or_else(|| "–".to_owned(), |cost| format!("{:.3}{}", cost.seconds, mark(cost)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Scores;

    fn figures(corloc: Option<f64>, recall: f64, masks: u64) -> Figures {
        let boxes = |corloc_first| Scores { recall, average_recall: 0.0, mean_best_iou: 0.0, corloc_first, corloc_best: 0.5 };
        let scores = |corloc| ProposalScores {
            images: 10,
            images_without_predictions: 0,
            objects: 10,
            crowds: 0,
            predictions: masks,
            predictions_elsewhere: 0,
            fitted: 0,
            boxes: boxes(corloc),
            masks: None,
        };
        Figures { images: 10, masks, scores: corloc.map(scores), ..Figures::of(&["a.tau=0.3".to_owned()]) }
    }

    #[test]
    fn of_equals_the_one_with_fewer_masks_is_the_best_and_without_truth_none() {
        let all = [figures(Some(0.4), 0.1, 30), figures(Some(0.6), 0.2, 30), figures(Some(0.6), 0.3, 20), figures(Some(0.6), 0.3, 20)];
        assert_eq!((best(&all, By::Corloc), best(&all, By::CorlocBest), best(&all, By::Recall)), (Some(2), Some(2), Some(2)));
        assert_eq!(best(&all[..2], By::CorlocBest), Some(0));
        assert_eq!(best(&[figures(None, 0.0, 3)], By::Corloc), None);
    }

    #[test]
    fn without_truth_and_selection_their_columns_are_left_out() {
        let header = |all: &[Figures]| table(&["tau".to_owned()], all, None).to_string().lines().nth(1).unwrap_or_default().to_owned();
        let plain = header(&[figures(None, 0.0, 3)]);
        assert!(!plain.contains("CorLoc") && !plain.contains("selected") && plain.contains("tau"), "{plain}");
        assert!(header(&[figures(Some(0.1), 0.0, 3)]).contains("CorLoc"));
    }
}

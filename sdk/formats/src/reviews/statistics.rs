//! What reviews say of a run's labels: precision and recall by the images that came up at random, and the agreement of those who saw the same ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::agreement::{Interval, Kappa, KappaTable};
use super::image::ImageReviews;

/// The queue whose images were drawn at random, so that they speak for all.
pub const RANDOM: &str = "random";

/// Counts images that were reviewed.
#[derive(Clone, Debug)]
pub struct ReviewTally {
    threshold: f32,
    complete: u64,
    random: u64,
    all: Counts,
    added: Counts,
    by_class: BTreeMap<u32, (Counts, Counts)>,
    twice: u64,
    decisions: KappaTable,
}

/// Pairs of an image and a class.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Above the threshold.
    labelled: u64,
    /// In the image.
    present: u64,
    /// Both.
    right: u64,
}

/// How good labels are, of finished images of the queue `random`. `null` where there are none to say it by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Of the labels above the threshold, those that are right.
    pub precision: Option<Interval>,
    /// Of the classes that the images show, those that are above the threshold.
    pub recall: Option<Interval>,
}

/// The same with the given labels and without.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// All labels.
    pub all: Measured,
    /// Those that were not given: what the run has added.
    pub added: Measured,
}

/// The quality of a class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassQuality {
    /// Which.
    pub class: u32,
    /// Its quality.
    pub quality: Quality,
}

/// What follows from the reviews.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReviewFigures {
    /// Labels above it count.
    pub threshold: f32,
    /// Images that somebody has finished.
    pub complete_images: u64,
    /// Those of the queue `random`, by which quality is measured.
    pub random_images: u64,
    /// The quality of all classes together.
    pub quality: Quality,
    /// Of each class that is among the labels or in the images, by class.
    pub by_class: Vec<ClassQuality>,
    /// Cohen's κ of those who have finished the same images.
    pub kappa: Option<Kappa>,
}

impl Counts {
    fn add(&mut self, labelled: bool, present: bool) {
        self.labelled += u64::from(labelled);
        self.present += u64::from(present);
        self.right += u64::from(labelled && present);
    }

    fn measured(self) -> Measured {
        Measured { precision: Interval::wilson(self.right, self.labelled), recall: Interval::wilson(self.right, self.present) }
    }
}

impl ReviewTally {
    /// Labels above `threshold` count.
    pub fn new(threshold: f32) -> Self {
        let (complete, random, twice) = Default::default();
        Self {
            threshold,
            complete,
            random,
            all: Counts::default(),
            added: Counts::default(),
            by_class: BTreeMap::new(),
            twice,
            decisions: KappaTable::default(),
        }
    }

    /// Counts an image with the class that it was given and the run's labels: classes with their probabilities, each once, as they were before review. One that nobody has finished says nothing.
    pub fn add(&mut self, image: &ImageReviews, given: u32, labels: impl IntoIterator<Item = (u32, f32)>) {
        let Some(present) = image.classes() else { return };
        let labelled: BTreeSet<u32> = labels.into_iter().filter(|(_, p)| *p > self.threshold).map(|(class, _)| class).collect();
        self.complete += 1;
        if image.is_complete_from(RANDOM) {
            self.random += 1;
            for class in labelled.union(&present) {
                let (labelled, present) = (labelled.contains(class), present.contains(class));
                let (all, added) = self.by_class.entry(*class).or_default();
                for counts in [&mut self.all, all] {
                    counts.add(labelled, present);
                }
                if *class != given {
                    for counts in [&mut self.added, added] {
                        counts.add(labelled, present);
                    }
                }
            }
        }
        self.compare(image, &labelled);
    }

    /// Counts what people decided on an image that two or more have finished: on the labels that it had, and on what any of them saw besides. Of more than two, every two are compared;
    /// who is the first of them goes by their names.
    fn compare(&mut self, image: &ImageReviews, labelled: &BTreeSet<u32>) {
        let mut people = image.complete_by();
        if people.len() < 2 {
            return;
        }
        people.sort_unstable();
        self.twice += 1;
        let seen: Vec<BTreeSet<u32>> = people.iter().filter_map(|who| image.classes_by(who)).collect();
        for (at, first) in seen.iter().enumerate() {
            for second in &seen[at + 1..] {
                let decided: BTreeSet<u32> = labelled.iter().chain(first).chain(second).copied().collect();
                decided.iter().for_each(|class| self.decisions.add(first.contains(class), second.contains(class)));
            }
        }
    }

    /// What follows from the images counted so far.
    pub fn figures(&self) -> ReviewFigures {
        let quality = |all: Counts, added: Counts| Quality { all: all.measured(), added: added.measured() };
        let KappaTable { both, first, second, neither } = self.decisions;
        ReviewFigures {
            threshold: self.threshold,
            complete_images: self.complete,
            random_images: self.random,
            quality: quality(self.all, self.added),
            by_class: self.by_class.iter().map(|(class, (all, added))| ClassQuality { class: *class, quality: quality(*all, *added) }).collect(),
            kappa: self.decisions.kappa().map(|value| Kappa { value, images: self.twice, labels: both + first + second + neither }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Event, Reviews};
    use super::*;

    #[derive(serde::Deserialize)]
    struct Reviewed {
        given: u32,
        labels: Vec<(u32, f32)>,
        anna: Option<Vec<u32>>,
        bob: Option<Vec<u32>>,
        random: bool,
    }

    fn near(measured: Measured, precision: f64, recall: f64) {
        let value = |interval: Option<Interval>| interval.unwrap().value;
        let (p, r) = (value(measured.precision), value(measured.recall));
        assert!((p - precision).abs() < 1e-12 && (r - recall).abs() < 1e-12, "{p} {r}");
    }

    #[test]
    fn figures_are_those_of_scikit_learn() {
        // tests/data/reviewed.py, which made the file, printed the figures: scikit-learn 1.9.1's precision_score, recall_score and cohen_kappa_score.
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        let (mut reviews, mut tally) = (Reviews::new(&names), ReviewTally::new(0.5));
        let images: Vec<Reviewed> = include_str!("../../tests/data/reviewed.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (at, image) in images.iter().enumerate() {
            for (who, seen) in [("anna", &image.anna), ("bob", &image.bob)] {
                let Some(seen) = seen else { continue };
                let labels = seen.iter().map(|class| names[*class as usize].clone()).collect();
                let queue = Some(if image.random { "random" } else { "near" }.to_owned());
                reviews.add(Event { queue, ..Event::new(who, at.to_string(), Action::Complete { labels }) });
            }
        }
        for (at, image) in images.iter().enumerate() {
            if let Some(reviewed) = reviews.of(&at.to_string()) {
                tally.add(reviewed, image.given, image.labels.iter().copied());
            }
        }
        let figures = tally.figures();
        assert_eq!((figures.complete_images, figures.random_images), (50, 40));
        near(figures.quality.all, 0.75, 0.7974683544303798);
        near(figures.quality.added, 0.7954545454545454, 0.6862745098039216);
        let third = figures.by_class.iter().find(|class| class.class == 3).unwrap().quality;
        near(third.all, 0.6923076923076923, 0.75);
        near(third.added, 0.75, 0.6666666666666666);
        let kappa = figures.kappa.unwrap();
        assert!((kappa.value - -0.1351351351351351).abs() < 1e-12, "{kappa:?}");
        assert_eq!((kappa.images, kappa.labels), (20, 56));
    }

    #[test]
    fn without_images_there_are_no_figures() {
        let figures = ReviewTally::new(0.5).figures();
        assert_eq!((figures.quality.all.precision, figures.kappa, figures.by_class.len()), (None, None, 0));
        // Where both always see everything, chance would agree as well.
        assert_eq!(KappaTable { both: 3, ..KappaTable::default() }.kappa(), None);
        assert_eq!(KappaTable { both: 3, neither: 1, ..KappaTable::default() }.kappa(), Some(1.0));
    }
}

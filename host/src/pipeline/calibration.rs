//! Calibration of the labels besides the original ones (docs/trust.md), by images whose true classes are known.

use std::collections::BTreeSet;

use convert_formats::label_sets::Truth;
use convert_sdk::{CalibrationReport, ChosenThreshold, Error, LabelVector, Probability};

use super::action::Action;
use super::error::PipelineError;
use super::rows::ImageLabels;
use super::session::Session;
use crate::evaluate::{Added, Calibrator, Choice, KnownLabel, Probabilities};
use crate::recipe::{AggregateMode, CalibrateSection, suggestion};

/// Calibrations that know nothing of a part of the known images, to measure on that part.
const FOLDS: usize = 5;

/// What is done to labels, and what is known of it.
pub struct Calibration {
    fitted: Option<Fitted>,
    /// Labels that are kept count 1.
    hard: bool,
    /// Labels above it are kept.
    threshold: Option<f32>,
    probabilities: Probabilities,
    known: Known,
    /// For people.
    pub report: CalibrationReport,
}

/// Calibrators, and the images that they were fitted to.
struct Fitted {
    all: Calibrator,
    /// Each without the known images of its own part.
    folds: Vec<Calibrator>,
    /// Sorted.
    images: Vec<usize>,
}

/// The labels of the known images, as the labeler gave them and calibrated by what did not know them.
#[derive(Default)]
struct Known {
    before: Added,
    after: Added,
}

impl Fitted {
    /// The calibrator that does not know an image.
    fn without(&self, image: usize) -> &Calibrator {
        self.images.binary_search(&image).map_or(&self.all, |at| &self.folds[at % FOLDS])
    }
}

impl Calibration {
    /// An image's labels, calibrated; the original one stays as it is.
    ///
    /// # Errors
    /// A probability beyond [0, 1]: a mistake of this program.
    pub fn labels(&self, original: u32, labels: &LabelVector) -> Result<LabelVector, Error> {
        self.calibrated(self.fitted.as_ref().map(|fitted| &fitted.all), original, labels)
    }

    /// The same by a calibrator that does not know the image `index`, so that a comparison with the truth is not flattered.
    ///
    /// # Errors
    /// As [`Calibration::labels`].
    pub fn unseen_labels(&self, index: usize, original: u32, labels: &LabelVector) -> Result<LabelVector, Error> {
        self.calibrated(self.fitted.as_ref().map(|fitted| fitted.without(index)), original, labels)
    }

    fn calibrated(&self, calibrator: Option<&Calibrator>, original: u32, labels: &LabelVector) -> Result<LabelVector, Error> {
        let mut calibrated = LabelVector::default();
        for entry in labels.entries() {
            if entry.class == original {
                calibrated.raise(entry.class, entry.probability);
                continue;
            }
            let given = entry.probability.get();
            let probability = calibrator.map_or(given, |calibrator| calibrator.probability(entry.class, given));
            match self.threshold {
                Some(threshold) if probability <= threshold => {}
                _ if self.hard => calibrated.raise(entry.class, Probability::ONE),
                _ => calibrated.raise(entry.class, Probability::new(probability)?),
            }
        }
        Ok(calibrated)
    }

    /// Above which probability a label counts, where that is no longer 0.5.
    pub fn threshold(&self) -> Option<f32> {
        self.threshold.filter(|_| !self.hard)
    }

    /// The threshold for a precision, and what is known of it.
    pub fn choose(&self, target: f64) -> ChosenThreshold {
        let Choice { threshold, precision, labels } = self.probabilities.threshold_for(target);
        let (measured, recall) = self.known.after.above(threshold);
        ChosenThreshold { target, threshold, labels, expected_precision: precision, precision: measured, recall }
    }
}

impl Session {
    /// The run's calibration, where the recipe has one: the stored labels compared with the known truth.
    ///
    /// # Errors
    /// As [`Session::calibrate`].
    pub fn calibration(&self) -> Result<Option<Calibration>, PipelineError> {
        self.recipe.sections.calibrate.as_ref().map(|section| self.calibrate(section)).transpose()
    }

    /// Calibrates the stored labels.
    ///
    /// # Errors
    /// A file of true classes that is unreadable, is of other classes, or lists none of the images; stored labels that cannot be read.
    pub fn calibrate(&self, section: &CalibrateSection) -> Result<Calibration, PipelineError> {
        let (stage, classes) = (self.plan.stage_of(Action::Labels)?, self.samples.classes.len());
        let truth = section.truth.as_ref().map(|file| KnownClasses::read(file, &self.samples.classes)).transpose()?;
        let (mut images, mut labels, mut positives) = (Vec::new(), Vec::new(), Vec::new());
        self.for_each_stored(stage, |index, row: ImageLabels| {
            let sample = &self.samples.list[index];
            let true_classes: Option<BTreeSet<u32>> = match &truth {
                Some(truth) => truth.of(&sample.id),
                None => self.truth(stage, &sample.id)?.map(|objects| objects.into_iter().map(|object| object.class).collect()),
            };
            let Some(true_classes) = true_classes else { return Ok(()) };
            let others = row.labels.entries().iter().filter(|entry| entry.class != sample.label);
            let known = |entry: &convert_sdk::ClassScore| KnownLabel {
                class: entry.class,
                probability: entry.probability.get(),
                right: true_classes.contains(&entry.class),
            };
            images.push(index);
            labels.push(others.map(known).collect::<Vec<_>>());
            positives.push(true_classes.iter().filter(|class| **class != sample.label).count());
            Ok(())
        })?;
        if let (Some(file), true) = (&section.truth, images.is_empty()) {
            return Err(PipelineError::NoKnownImage { file: file.to_path_buf() });
        }
        let per_class = section.per_class.then_some(classes);
        let fitted = (!images.is_empty()).then(|| {
            let without = |fold: usize| {
                let others = labels.iter().enumerate().filter(|(at, _)| at % FOLDS != fold);
                Calibrator::fit(&others.flat_map(|(_, labels)| labels.iter().copied()).collect::<Vec<_>>(), per_class)
            };
            Fitted { all: Calibrator::fit(&labels.concat(), per_class), folds: (0..FOLDS).map(without).collect(), images }
        });
        let mut known = Known::default();
        if let Some(fitted) = &fitted {
            for ((image, labels), positives) in fitted.images.iter().zip(&labels).zip(positives) {
                let calibrator = fitted.without(*image);
                known.before.add(labels.iter().map(|label| (label.probability, label.right)), positives);
                known.after.add(labels.iter().map(|label| (calibrator.probability(label.class, label.probability), label.right)), positives);
            }
        }
        let report = CalibrationReport {
            images: fitted.as_ref().map_or(0, |fitted| fitted.images.len() as u64),
            labels: labels.iter().map(|labels| labels.len() as u64).sum(),
            per_class: section.per_class,
            before: known.before.scores(),
            after: known.after.scores(),
            chosen: None,
        };
        let aggregate = &self.recipe.sections.aggregate;
        let hard = aggregate.mode == AggregateMode::Hard;
        let mut calibration = Calibration { fitted, hard, threshold: None, probabilities: Probabilities::default(), known, report };
        self.for_each_stored(stage, |index, row: ImageLabels| {
            let original = self.samples.list[index].label;
            let fitted = calibration.fitted.as_ref().map(|fitted| &fitted.all);
            for entry in row.labels.entries().iter().filter(|entry| entry.class != original) {
                let given = entry.probability.get();
                calibration.probabilities.add(fitted.map_or(given, |calibrator| calibrator.probability(entry.class, given)));
            }
            Ok(())
        })?;
        calibration.report.chosen = section.target.map(|target| calibration.choose(target.precision));
        calibration.threshold = match &calibration.report.chosen {
            Some(chosen) => Some(chosen.threshold),
            None => hard.then_some(aggregate.threshold.0),
        };
        Ok(calibration)
    }
}

/// The true classes of some images, from a file of any known form.
struct KnownClasses {
    truth: Truth,
    /// The dataset's class of each of the file's, where the file names its classes.
    classes: Vec<u32>,
}

impl KnownClasses {
    /// Reads a file. Categories of COCO are the dataset's classes of these names; in other files classes are the dataset's by their indices.
    fn read(file: &std::path::Path, classes: &[String]) -> Result<Self, PipelineError> {
        let unfit = |source: Error| PipelineError::KnownClasses { file: file.to_owned(), source: source.into() };
        let truth = Truth::read(file, 0.5).map_err(unfit)?;
        let class = |name: &String| {
            let found = classes.iter().position(|class| class == name).map(|index| index as u32);
            found.ok_or_else(|| {
                let hint = suggestion(name, classes.iter().map(String::as_str));
                unfit(Error::invalid(format!("its category `{name}` is not a class of the dataset{hint}")))
            })
        };
        let named = truth.categories().iter().map(class).collect::<Result<Vec<u32>, _>>()?;
        let highest = truth.sets().iter().filter_map(|set| set.last()).max().copied().unwrap_or(0);
        if named.is_empty() && highest as usize >= classes.len() {
            return Err(unfit(Error::invalid(format!("it has a class {highest}, but the dataset has {} classes, counted from 0", classes.len()))));
        }
        Ok(Self { truth, classes: named })
    }

    /// The true classes of an image; `None` for one that the file does not have.
    fn of(&self, id: &str) -> Option<BTreeSet<u32>> {
        let of_dataset = |class: &u32| self.classes.get(*class as usize).copied().unwrap_or(*class);
        self.truth.get(id).map(|set| set.iter().map(of_dataset).collect())
    }
}

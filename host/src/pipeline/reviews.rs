//! Reviews (docs/reviews.md): what people said of labels and masks, laid over what the stages stored whenever that is handed on. Nothing stored changes.

use std::path::Path;

use convert_formats::reviews::{ImageReviews, LabelState, ReviewFigures, ReviewTally, Reviews};
use convert_sdk::{ClassScore, LabelVector, LabelledRegion, Probability};
use serde::Serialize;

use super::action::Action;
use super::calibration::Calibration;
use super::error::PipelineError;
use super::rows::ImageLabels;
use super::session::Session;

/// What exporters are told of an object that a person drew.
const SOURCE: &str = "review";

/// The reviews of a run, and what they changed.
pub struct AppliedReviews {
    reviews: Reviews,
    /// How much.
    pub counts: ReviewCounts,
}

/// What reviews changed, of the images that have labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReviewCounts {
    /// Images of which something was said.
    pub images: u64,
    /// Those that somebody has finished.
    pub complete: u64,
    /// Those whose labels above the threshold are others than before.
    pub changed: u64,
    /// Labels above the threshold that were judged right.
    pub accepted: u64,
    /// Labels above the threshold that were judged wrong.
    pub rejected: u64,
    /// Labels that were not above the threshold, and are in the image.
    pub added: u64,
    /// Masks that are left out.
    pub bad_masks: u64,
    /// Objects that were drawn.
    pub drawn: u64,
    /// Samples of which something was said, and that this run does not have, or has left out.
    pub elsewhere: u64,
}

impl AppliedReviews {
    /// What was said of a sample.
    pub(super) fn of(&self, sample: &str) -> Option<&ImageReviews> {
        self.reviews.of(sample)
    }

    /// Counts what becomes of a sample's labels above a threshold; returns them all, or `None` where nothing was said.
    pub(super) fn count(&mut self, sample: &str, labels: &LabelVector, threshold: f32) -> Option<LabelVector> {
        let (image, counts) = (self.reviews.of(sample)?, &mut self.counts);
        counts.images += 1;
        counts.elsewhere = counts.elsewhere.saturating_sub(1);
        counts.complete += u64::from(image.is_complete());
        counts.bad_masks += image.bad_masks().len() as u64;
        counts.drawn += image.drawn().count() as u64;
        let (mut rejected, mut added) = (0, 0);
        for label in image.labels(labels.entries().iter().map(|entry| (entry.class, entry.probability.get())), threshold) {
            match label.state {
                LabelState::Accepted => counts.accepted += 1,
                LabelState::Rejected => rejected += u64::from(label.p > threshold),
                LabelState::Added => added += 1,
                LabelState::Kept => {}
            }
        }
        counts.changed += u64::from(rejected + added > 0);
        (counts.rejected, counts.added) = (counts.rejected + rejected, counts.added + added);
        Some(image.apply(labels))
    }
}

/// An image's regions after review: without those whose masks are of no use, and with what was drawn.
pub(super) fn reviewed_regions(image: &ImageReviews, regions: Vec<LabelledRegion>, size: (u32, u32)) -> Vec<LabelledRegion> {
    let mut kept = Vec::new();
    for (region, place) in regions.into_iter().zip(0..) {
        if !image.is_bad(place, &region.mask) {
            kept.push(region);
        }
    }
    for drawn in image.drawn().filter(|drawn| !drawn.mask.is_empty()) {
        let (mask, drawn_on) = (drawn.mask.clone(), (drawn.mask.width(), drawn.mask.height()));
        if drawn_on != size {
            // It was drawn on another image, or on one that has been turned since.
            let (sample, (width, height)) = (&drawn.event.sample, size);
            tracing::warn!("{sample}: a drawn mask of {}x{} pixels is left out, the image has {width}x{height}", drawn_on.0, drawn_on.1);
            continue;
        }
        let top = vec![ClassScore { class: drawn.class, probability: Probability::ONE }];
        kept.push(LabelledRegion { mask, source: SOURCE.into(), score: 1.0, selected: false, top });
    }
    kept
}

impl Session {
    /// The reviews that the recipe names.
    ///
    /// # Errors
    /// A file that cannot be read, or has a line that is no review.
    pub fn reviews(&self) -> Result<Option<AppliedReviews>, PipelineError> {
        let file = self.recipe.sections.reviews.as_deref();
        let reviews = file.map(|file| self.read_reviews(file)).transpose()?;
        Ok(reviews.map(|reviews| AppliedReviews { counts: ReviewCounts { elsewhere: reviews.len() as u64, ..ReviewCounts::default() }, reviews }))
    }

    /// Reads the reviews that the recipe names, before any work, only to see whether they can be read.
    ///
    /// # Errors
    /// As [`Session::reviews`].
    pub fn check_reviews(&self) -> Result<(), PipelineError> {
        self.recipe.sections.reviews.as_deref().map_or(Ok(()), |file| self.parsed(file).map(drop))
    }

    fn parsed(&self, file: &Path) -> Result<Reviews, PipelineError> {
        let read = Reviews::read(file, &self.samples.classes);
        read.map_err(|source| PipelineError::Reviews { file: file.to_owned(), source: source.into() })
    }

    /// Reads reviews of this run, and warns of those without effect.
    ///
    /// # Errors
    /// As [`Session::reviews`].
    pub fn read_reviews(&self, file: &Path) -> Result<Reviews, PipelineError> {
        let reviews = self.parsed(file)?;
        if let Some(ignored) = reviews.ignored().describe() {
            tracing::warn!("{}: {ignored}", file.display());
        }
        Ok(reviews)
    }

    /// What reviews say of the run's labels as they were before review, above a threshold: by default the one that counts in the run.
    ///
    /// # Errors
    /// As [`Session::calibration`].
    pub fn review_figures(&self, reviews: &Reviews, threshold: Option<f32>) -> Result<ReviewFigures, PipelineError> {
        let calibration = self.calibration()?;
        let threshold = threshold.unwrap_or_else(|| calibration.as_ref().and_then(Calibration::threshold).unwrap_or(0.5));
        let mut tally = ReviewTally::new(threshold);
        self.for_each_stored(self.plan.stage_of(Action::Labels)?, |index, row: ImageLabels| {
            let sample = &self.samples.list[index];
            let Some(image) = reviews.of(&sample.id) else { return Ok(()) };
            let labels = calibration.as_ref().map_or(Ok(row.labels.clone()), |calibration| calibration.labels(sample.label, &row.labels))?;
            tally.add(image, sample.label, labels.entries().iter().map(|entry| (entry.class, entry.probability.get())));
            Ok(())
        })?;
        Ok(tally.figures())
    }
}

//! Asymmetric thresholds for ambiguous pairs (paper E.2, equation 6).

use std::path::Path;

use convert_formats::label_sets::{Cooccurrence, PairCount, PredictedImage, Predictions};
use convert_sdk::tracing::{debug, info};
use convert_sdk::{ClassScore, Context, Error, InputFile, LabelVector, LabelledRegion, Plugin, Postprocessor, Result, config};

use crate::pairs::PairsConfig;
use crate::upgrade::Counts;

/// Adds the other class of an ambiguous pair where it is nearly as likely, as often as people say both (paper E.2, equation 6).
///
/// For each pair (a, b) the calibration says how many images that our labels call b alone must also be a, so that the share of a with b becomes the truth's. Of
/// these images, ranked by their score on a, the last one that is needed gives the threshold: wherever b is the most probable class and a reaches it, a gets b's
/// probability; and the same the other way round. An image without any score on a is never given it, so a threshold is above 0.
#[config]
#[derive(Clone, Debug)]
pub struct AsymmetricThresholdConfig {
    /// Calibration: the pairs and how often they belong together.
    pub calibration: PairsConfig,
    /// OUR labels of the calibration images, as soft labels: a multilabel tsv (the authors' or of `recipes/imagenet-val.yaml`), training JSON or COCO export.
    pub labels: InputFile,
    /// An image counts as labelled with a class whose probability is above this.
    #[serde(default = "default_threshold")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f32,
}

fn default_threshold() -> f32 {
    0.5
}

/// Where `top` is the most probable class and `added` reaches `threshold`, `added` gets the probability of `top`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rule {
    top: u32,
    added: u32,
    threshold: f32,
}

/// See [`AsymmetricThresholdConfig`].
#[derive(Debug)]
pub struct AsymmetricThreshold {
    rules: Vec<Rule>,
}

/// Our labels of the calibration images.
struct Calibration {
    images: Vec<PredictedImage>,
    counts: Cooccurrence,
    threshold: f32,
}

impl Calibration {
    fn read(file: &Path, threshold: f32) -> Result<Self> {
        let images = Predictions::read(file)?.images;
        let mut counts = Cooccurrence::default();
        for image in &images {
            counts.add(&image.scores.iter().filter(|score| score.probability.get() > threshold).map(|score| score.class).collect::<Vec<_>>())?;
        }
        Ok(Self { images, counts, threshold })
    }

    /// The rules of a pair.
    fn rules(&self, truth: &PairCount) -> impl Iterator<Item = Rule> {
        let ours = self.counts.pair(truth.a, truth.b);
        let upgrades = Counts { a: ours.images_a, b: ours.images_b, together: ours.together }.upgrades(truth.b_given_a(), truth.a_given_b());
        let rule = |top: u32, added: u32, wanted: u64| {
            let threshold = self.lowest_taken(top, added, wanted)?;
            debug!("{wanted} images of class {top} lack class {added}: threshold {threshold}");
            Some(Rule { top, added, threshold })
        };
        [rule(ours.b, ours.a, upgrades.of_b), rule(ours.a, ours.b, upgrades.of_a)].into_iter().flatten()
    }

    /// Of the images labelled with `with` and not with `without`, ranked by their score on `without`, the score of the last of the first `wanted`.
    fn lowest_taken(&self, with: u32, without: u32, wanted: u64) -> Option<f32> {
        let candidate = |image: &PredictedImage| {
            let missing = score(&image.scores, without);
            (score(&image.scores, with) > self.threshold && missing <= self.threshold && missing > 0.0).then_some(missing)
        };
        let mut scores: Vec<f32> = self.images.iter().filter_map(candidate).collect();
        scores.sort_unstable_by(|a, b| b.total_cmp(a));
        scores.truncate(wanted as usize);
        scores.last().copied()
    }
}

/// The probability of a class in a list sorted by class.
fn score(scores: &[ClassScore], class: u32) -> f32 {
    scores.binary_search_by_key(&class, |score| score.class).map_or(0.0, |at| scores[at].probability.get())
}

impl Plugin for AsymmetricThreshold {
    type Config = AsymmetricThresholdConfig;

    fn new(config: Self::Config, context: Context) -> Result<Self> {
        if !(0.0..=1.0).contains(&config.threshold) {
            return Err(Error::config(format!("threshold is {}: give a probability from 0 to 1", config.threshold)));
        }
        let pairs = config.calibration.choose(&context)?;
        let calibration = Calibration::read(&config.labels, config.threshold)?;
        let rules: Vec<Rule> = pairs.iter().flat_map(|pair| calibration.rules(pair)).collect();
        info!("asymmetric-threshold: {} pairs of classes, {} images, {} thresholds", pairs.len(), calibration.images.len(), rules.len());
        Ok(Self { rules })
    }
}

impl Postprocessor for AsymmetricThreshold {
    fn adjust(&self, _label: u32, labels: &LabelVector, _regions: &[LabelledRegion]) -> Result<LabelVector> {
        let mut adjusted = labels.clone();
        // Of equally probable classes the one with the lowest index is the top one.
        let top = labels.entries().iter().rev().max_by(|a, b| a.probability.get().total_cmp(&b.probability.get()));
        if let Some(top) = top {
            for rule in self.rules.iter().filter(|rule| rule.top == top.class && labels.get(rule.added) >= rule.threshold) {
                adjusted.raise(rule.added, top.probability);
            }
        }
        Ok(adjusted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::tests::{config, folder};
    use convert_sdk::Probability;

    fn vector(scores: &[(u32, f32)]) -> LabelVector {
        let score = |(class, p): &(u32, f32)| ClassScore { class: *class, probability: Probability::new(*p).unwrap() };
        LabelVector::from(scores.iter().map(score).collect::<Vec<_>>())
    }

    /// Ten calibration images: the truth says a in all ten and b in five of them (P(b|a) = 0.5, P(a|b) = 1). Our labels: four a alone, six b alone.
    ///
    /// M_b = (0.5·4 − 0) / 0.5 = 4 of the six b must get a; P(a|b) = 1, so all M_a = 4 of the a must get b.
    fn calibrated(scores_on_a: &[f32], scores_on_b: &[f32]) -> (tempfile::TempDir, AsymmetricThreshold) {
        let (both, a): (&[u32], &[u32]) = (&[0, 1], &[0]);
        let folder = folder(&[both, both, both, both, both, a, a, a, a, a], "class_a\tclass_b\n0\t1\n");
        let mut text = String::new();
        for (at, score) in scores_on_b.iter().enumerate() {
            text += &format!("a{at}.jpg\t0\t0,1\t0.9000,{score:.4}\n");
        }
        for (at, score) in scores_on_a.iter().enumerate() {
            text += &format!("b{at}.jpg\t0\t0,1\t{score:.4},0.8000\n");
        }
        let labels = folder.path().join("ours.tsv");
        std::fs::write(&labels, text).unwrap();
        let config = AsymmetricThresholdConfig { calibration: config(&folder, true), labels: labels.into(), threshold: 0.5 };
        (folder, AsymmetricThreshold::new(config, Context::for_tests(&["a", "b", "c"])).unwrap())
    }

    #[test]
    fn the_last_image_that_is_needed_gives_the_threshold() {
        let (_folder, plugin) = calibrated(&[0.30, 0.05, 0.20, 0.10, 0.40, 0.02], &[0.30, 0.25, 0.20, 0.15]);
        assert_eq!(plugin.rules, [Rule { top: 1, added: 0, threshold: 0.10 }, Rule { top: 0, added: 1, threshold: 0.15 }]);
        let adjusted = |scores: &[(u32, f32)]| plugin.adjust(2, &vector(scores), &[]).unwrap();
        assert_eq!(adjusted(&[(0, 0.10), (1, 0.8)]), vector(&[(0, 0.8), (1, 0.8)]));
        assert_eq!(adjusted(&[(0, 0.09), (1, 0.8)]), vector(&[(0, 0.09), (1, 0.8)]));
        assert_eq!(adjusted(&[(0, 0.9), (1, 0.15)]), vector(&[(0, 0.9), (1, 0.9)]));
        assert_eq!(adjusted(&[(0, 0.3), (1, 0.3), (2, 0.9)]), vector(&[(0, 0.3), (1, 0.3), (2, 0.9)]));
        assert_eq!(adjusted(&[]), vector(&[]));
    }

    #[test]
    fn an_image_without_a_score_on_the_missing_class_never_sets_a_threshold() {
        let (_folder, plugin) = calibrated(&[0.30, 0.0, 0.0, 0.0, 0.0, 0.0], &[0.0; 4]);
        assert_eq!(plugin.rules, [Rule { top: 1, added: 0, threshold: 0.30 }]);
    }
}

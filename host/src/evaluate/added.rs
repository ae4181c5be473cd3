//! The labels that a run adds to the original ones, ranked over all images.

use convert_sdk::{AddedLabels, CurvePoint, ReliabilityCounter};

use super::average_precision::average_precision_of_listed;

/// Less probable labels are too many and too surely wrong to say anything of the others' reliability.
const RELIABILITY_FROM: f32 = 0.05;
/// Points of a curve, besides those at whole tenths of probability.
const POINTS: usize = 100;

/// Gathers added labels: five bytes each.
#[derive(Default)]
pub struct Added {
    listed: Vec<(f32, bool)>,
    positives: usize,
}

impl Added {
    /// Adds an image's labels besides the original one, each with whether it is true, and how many there truly are.
    pub fn add(&mut self, labels: impl Iterator<Item = (f32, bool)>, positives: usize) {
        self.listed.extend(labels);
        self.positives += positives;
    }

    /// Precision and recall of the labels above a threshold; `None` where there is nothing to divide by.
    pub fn above(&self, threshold: f32) -> (Option<f64>, Option<f64>) {
        let above = self.listed.iter().filter(|(probability, _)| *probability > threshold);
        let (hits, all) = above.fold((0usize, 0usize), |(hits, all), (_, right)| (hits + usize::from(*right), all + 1));
        let share = |whole: usize| (whole > 0).then(|| hits as f64 / whole as f64);
        (share(all), share(self.positives))
    }

    /// The figures; `None` where no image has a second label.
    pub fn scores(&self) -> Option<AddedLabels> {
        let mut listed = self.listed.clone();
        let mut counter = ReliabilityCounter::default();
        for (probability, right) in listed.iter().filter(|(probability, _)| *probability >= RELIABILITY_FROM) {
            counter.add(f64::from(*probability), *right);
        }
        // True labels that are not listed are not found at any probability: they come after everything and add nothing to the area.
        let found = listed.iter().filter(|(_, right)| *right).count();
        let (positives, missed) = (self.positives, self.positives - found.min(self.positives));
        let area = average_precision_of_listed(&mut listed, self.listed.len(), found)? * found as f64 / (found + missed) as f64;
        Some(AddedLabels { area, curve: curve(&listed, positives), reliability_from: RELIABILITY_FROM, reliability: counter.reliability() })
    }
}

/// The curve of labels that are sorted, surest first.
fn curve(listed: &[(f32, bool)], positives: usize) -> Vec<CurvePoint> {
    let (mut points, mut hits, mut seen) = (Vec::new(), 0usize, 0usize);
    let groups: Vec<&[(f32, bool)]> = listed.chunk_by(|a, b| a.0 == b.0).collect();
    for (at, group) in groups.iter().enumerate() {
        hits += group.iter().filter(|(_, right)| *right).count();
        seen += group.len();
        let next = groups.get(at + 1).map_or(0.0, |group| group[0].0);
        // The last one of its share of the labels, and the last one above a whole tenth.
        let ends_share = seen * POINTS / listed.len() != (seen + groups.get(at + 1).map_or(1, |group| group.len())) * POINTS / listed.len();
        let ends_tenth = (group[0].0 * 10.0).floor() != (next * 10.0).floor();
        if ends_share || ends_tenth || at + 1 == groups.len() {
            let (precision, recall) = (hits as f64 / seen as f64, hits as f64 / positives.max(1) as f64);
            points.push(CurvePoint { threshold: group[0].0, precision, recall });
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed_adds_nothing_to_the_area() {
        let mut added = Added::default();
        // Three are true, of which one is not listed: it adds nothing.
        added.add([(0.9, true), (0.8, false)].into_iter(), 2);
        added.add([(0.7, true), (0.3, false)].into_iter(), 1);
        let scores = added.scores().unwrap();
        assert!((scores.area - (1.0 / 3.0 + 2.0 / 3.0 / 3.0)).abs() < 1e-12, "{}", scores.area);
        let points: Vec<(f32, f64, f64)> = scores.curve.iter().map(|point| (point.threshold, point.precision, point.recall)).collect();
        assert_eq!(points, [(0.9, 1.0, 1.0 / 3.0), (0.8, 0.5, 1.0 / 3.0), (0.7, 2.0 / 3.0, 2.0 / 3.0), (0.3, 0.5, 2.0 / 3.0)]);
        assert_eq!(scores.reliability.unwrap().bins.iter().map(|bin| bin.count).sum::<u64>(), 4);
        assert_eq!(added.above(0.7), (Some(0.5), Some(1.0 / 3.0)));
        assert_eq!(added.above(0.9), (None, Some(0.0)));
        assert_eq!((Added::default().scores(), Added::default().above(0.0)), (None, (None, None)));
    }

    #[test]
    fn a_long_curve_has_a_hundred_points_or_little_more() {
        let mut added = Added::default();
        added.add((0..5_000).map(|at| (1.0 - at as f32 / 5_000.0, at % 3 == 0)), 1_667);
        let curve = added.scores().unwrap().curve;
        assert!((100..115).contains(&curve.len()), "{}", curve.len());
        assert!((curve.last().unwrap().recall - 1.0).abs() < 1e-12);
    }
}

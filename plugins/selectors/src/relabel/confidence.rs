//! From a label map and a mask's weights to class probabilities, over the classes that occur.

use std::collections::BTreeMap;

use convert_sdk::{ClassScore, LabelMap};

/// How sure something is of a region's label, and of its best class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Support {
    /// Of the image's label.
    pub of_label: f64,
    /// The best class.
    pub best: u32,
    /// Of the best class.
    pub of_best: f64,
}

impl Support {
    /// By a label map: the softmax over all `classes` of the weighted mean logits, absent classes at 0.
    pub fn of_map(map: &LabelMap, weights: &[f64], label: u32, classes: usize) -> Self {
        let mut logits: BTreeMap<u32, f64> = BTreeMap::new();
        for (cell, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            for (class, logit) in map.cell(cell) {
                *logits.entry(class).or_default() += weight * f64::from(logit);
            }
        }
        let absent = classes.saturating_sub(logits.len());
        let highest = logits.values().copied().fold(if absent > 0 { 0.0 } else { f64::NEG_INFINITY }, f64::max);
        let sum: f64 = logits.values().map(|logit| (logit - highest).exp()).sum::<f64>() + absent as f64 * (-highest).exp();
        let probability = |logit: f64| (logit - highest).exp() / sum;
        // Of equal classes the first is best, as in an argmax over the dense vector.
        let first_absent = (0..).find(|class| !logits.contains_key(class)).filter(|_| absent > 0).map(|class| (class, 0.0));
        let candidates = logits.iter().map(|(class, logit)| (*class, *logit)).chain(first_absent);
        let best = candidates.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).unwrap_or((0, 0.0));
        Self { of_label: probability(logits.get(&label).copied().unwrap_or(0.0)), best: best.0, of_best: probability(best.1) }
    }

    /// By a labeler's class scores, best first.
    pub fn of_scores(scores: &[ClassScore], label: u32) -> Self {
        let of_label = scores.iter().find(|score| score.class == label).map_or(0.0, |score| f64::from(score.probability.get()));
        let best = scores.first().map_or((label, 0.0), |score| (score.class, f64::from(score.probability.get())));
        Self { of_label, best: best.0, of_best: best.1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_classes_share_what_is_left_and_can_be_the_best() {
        let map = |logit| LabelMap::new(1, 1, 1, vec![logit], vec![2]).unwrap();
        let support = Support::of_map(&map(27.0f32.ln()), &[1.0], 2, 10);
        assert!((support.of_label - 0.75).abs() < 1e-7 && support.best == 2, "{support:?}"); // ln(3 (K - 1)): method 3
        let support = Support::of_map(&map(-5.0), &[1.0], 2, 4);
        assert_eq!(support.best, 0);
        assert!((support.of_best - 1.0 / (3.0 + (-5f64).exp())).abs() < 1e-9);
        let huge = Support::of_map(&map(1e30), &[1.0], 2, 4);
        assert_eq!((huge.of_label, huge.of_best), (1.0, 1.0));
    }
}

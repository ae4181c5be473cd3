//! Average precision of a ranking.

/// Average precision of a ranking as scikit-learn's `average_precision_score` computes it: the sum over distinct scores, highest first, of the
/// gain in recall times the precision there; equal scores count together. `None` without a positive.
///
/// `scores` and `positive` are by class; both have the same length.
pub fn average_precision(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let positives = positive.iter().filter(|positive| **positive).count();
    let mut listed: Vec<(f32, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    average_precision_of_listed(&mut listed, scores.len(), positives)
}

/// The same of a ranking of `all` things, `positives` of them true, whose unlisted ones rank together behind all `listed` (score, true) ones.
pub fn average_precision_of_listed(listed: &mut [(f32, bool)], all: usize, positives: usize) -> Option<f64> {
    if positives == 0 {
        return None;
    }
    listed.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut seen, mut sum) = (0usize, 0usize, 0.0);
    let mut add = |gained: usize, size: usize| {
        hits += gained;
        seen += size;
        if gained > 0 {
            sum += gained as f64 / positives as f64 * (hits as f64 / seen as f64);
        }
        hits
    };
    let mut found = 0;
    for group in listed.chunk_by(|a, b| a.0 == b.0) {
        found = add(group.iter().filter(|(_, positive)| *positive).count(), group.len());
    }
    add(positives - found, all - listed.len());
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn average_precision_is_scikit_learns() {
        // sklearn.metrics.average_precision_score, the last two with ties
        let check = |scores: &[f32], positive: &[u8], expected: f64| {
            let positive: Vec<bool> = positive.iter().map(|p| *p == 1).collect();
            let got = average_precision(scores, &positive).unwrap();
            assert!((got - expected).abs() < 1e-9, "{got} instead of {expected}");
        };
        check(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1], 0.833_333_333_333);
        check(&[1.0, 0.0, 0.0, 0.0], &[1, 1, 0, 0], 0.75);
        check(&[0.5, 0.5, 0.2, 0.2, 0.9], &[1, 0, 1, 0, 0], 0.366_666_666_667);
        assert_eq!(average_precision(&[0.3, 0.4], &[false, false]), None);
    }
}

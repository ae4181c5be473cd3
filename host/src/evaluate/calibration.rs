//! From labels whose truth is known to probabilities that mean what they say: isotonic regression, with an offset a class.

/// Each step of the curve counts as this many labels more, as right as their own probability says: few labels change little.
const PRIOR_LABELS: f64 = 2.0;
/// The penalty on the square of a class's offset in log-odds; half of it, as in ridge regression. A class with few labels stays near the others.
const OFFSET_PENALTY: f64 = 3.0;
/// Log-odds end here.
const CLIP: f64 = 1e-6;

/// A label whose truth is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownLabel {
    /// Its class.
    pub class: u32,
    /// Its probability.
    pub probability: f32,
    /// Whether it is true.
    pub right: bool,
}

/// A curve from probabilities to probabilities, and an offset for each class.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibrator {
    /// Rising both ways.
    curve: Vec<(f64, f64)>,
    /// In log-odds, by class; empty where classes do not differ.
    offsets: Vec<f64>,
}

impl Calibrator {
    /// Fits one to labels. The curve is a centred isotonic regression (Oron and Flournoy 2017): pooled steps, joined by lines between their middles. With `per_class` of
    /// so many classes, each class is then moved in log-odds by what its own labels say, under a penalty.
    pub fn fit(labels: &[KnownLabel], per_class: Option<usize>) -> Self {
        let mut calibrator = Self { curve: curve(labels), offsets: Vec::new() };
        if let Some(classes) = per_class {
            let mut of_class: Vec<Vec<(f64, f64)>> = vec![Vec::new(); classes];
            for label in labels {
                let odds = log_odds(calibrator.on_curve(f64::from(label.probability)));
                of_class[label.class as usize].push((odds, f64::from(u8::from(label.right))));
            }
            calibrator.offsets = of_class.iter().map(|labels| offset(labels)).collect();
        }
        calibrator
    }

    /// The probability that a label of this class and probability is true, in (0, 1).
    pub fn probability(&self, class: u32, probability: f32) -> f32 {
        let odds = log_odds(self.on_curve(f64::from(probability)));
        let offset = self.offsets.get(class as usize).copied().unwrap_or(0.0);
        sigmoid(odds + offset) as f32
    }

    /// Linear between the curve's points, level outside.
    fn on_curve(&self, probability: f64) -> f64 {
        let above = self.curve.partition_point(|(x, _)| *x <= probability);
        match (above.checked_sub(1).map(|below| self.curve[below]), self.curve.get(above)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (probability - x0) / (x1 - x0),
            (Some((_, y)), None) => y,
            (None, Some((_, y))) => *y,
            (None, None) => probability,
        }
    }
}

fn log_odds(probability: f64) -> f64 {
    let probability = probability.clamp(CLIP, 1.0 - CLIP);
    (probability / (1.0 - probability)).ln()
}

fn sigmoid(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

/// A step of the curve: the sums of probabilities and of right labels, and how many labels there are.
#[derive(Clone, Copy)]
struct Step {
    x: f64,
    y: f64,
    weight: f64,
}

fn curve(labels: &[KnownLabel]) -> Vec<(f64, f64)> {
    let mut sorted = labels.to_vec();
    sorted.sort_unstable_by(|a, b| a.probability.total_cmp(&b.probability));
    let steps = sorted.chunk_by(|a, b| a.probability == b.probability).map(|equal| Step {
        x: equal.iter().map(|label| f64::from(label.probability)).sum(),
        y: equal.iter().filter(|label| label.right).count() as f64,
        weight: equal.len() as f64,
    });
    let with_prior = pooled(steps).into_iter().map(|step| {
        let mean = step.x / step.weight;
        Step { x: step.x + PRIOR_LABELS * mean, y: step.y + PRIOR_LABELS * mean, weight: step.weight + PRIOR_LABELS }
    });
    let means = pooled(with_prior).into_iter().map(|step| (step.x / step.weight, step.y / step.weight));
    let mut points: Vec<(f64, f64)> = means.filter(|(x, _)| *x > 0.0).collect();
    if !points.is_empty() {
        points.insert(0, (0.0, 0.0));
    }
    points
}

/// Pools neighbours until their shares of right labels rise (the pool adjacent violators algorithm).
fn pooled(steps: impl Iterator<Item = Step>) -> Vec<Step> {
    let mut pools: Vec<Step> = Vec::new();
    for step in steps {
        let mut step = step;
        while let Some(before) = pools.pop_if(|before| before.y / before.weight >= step.y / step.weight) {
            step = Step { x: before.x + step.x, y: before.y + step.y, weight: before.weight + step.weight };
        }
        pools.push(step);
    }
    pools
}

/// The offset of a class's (log-odds, truth), by Newton's method; 0 without labels.
fn offset(labels: &[(f64, f64)]) -> f64 {
    let mut offset = 0.0;
    for _ in 0..50 {
        let (mut gradient, mut curvature) = (OFFSET_PENALTY * offset, OFFSET_PENALTY);
        for (odds, truth) in labels {
            let probability = sigmoid(odds + offset);
            gradient += probability - truth;
            curvature += probability * (1.0 - probability);
        }
        let step = (gradient / curvature).clamp(-1.0, 1.0);
        offset -= step;
        if step.abs() < 1e-9 {
            break;
        }
    }
    offset
}

/// Bins of a [`Probabilities`].
const BINS: usize = 10_000;

/// How many labels there are at each ten-thousandth of probability.
#[derive(Clone, Debug)]
pub struct Probabilities {
    counts: Vec<u64>,
    sums: Vec<f64>,
}

impl Default for Probabilities {
    fn default() -> Self {
        Self { counts: vec![0; BINS], sums: vec![0.0; BINS] }
    }
}

/// The lower edge of a bin.
fn edge(bin: usize) -> f32 {
    (bin as f64 / BINS as f64) as f32
}

/// A threshold, and what is to be expected of the labels above it if their probabilities mean what they say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Labels above it count.
    pub threshold: f32,
    /// The mean probability of these labels; 1 without any.
    pub precision: f64,
    /// How many they are.
    pub labels: u64,
}

impl Probabilities {
    /// Adds a label.
    pub fn add(&mut self, probability: f32) {
        let below = ((f64::from(probability) * BINS as f64) as usize).min(BINS - 1);
        // A label at a bin's lower edge is not above it.
        let bin = if edge(below) < probability { below } else { below.saturating_sub(1) };
        self.counts[bin] += 1;
        self.sums[bin] += f64::from(probability);
    }

    /// The threshold just below the last label above which at least this share of the labels is to be expected to be true.
    pub fn threshold_for(&self, precision: f64) -> Choice {
        let (mut sum, mut count) = (0.0, 0);
        let mut best = Choice { threshold: 1.0, precision: 1.0, labels: 0 };
        for bin in (0..BINS).rev() {
            sum += self.sums[bin];
            count += self.counts[bin];
            if self.counts[bin] > 0 && sum / count as f64 >= precision {
                best = Choice { threshold: edge(bin), precision: sum / count as f64, labels: count };
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(class: u32, probability: f32, right: bool) -> KnownLabel {
        KnownLabel { class, probability, right }
    }

    #[test]
    fn the_curve_is_a_centred_isotonic_regression_with_a_prior() {
        // Pools: 0.2 (wrong); 0.4 right and 0.6 wrong, together 0.5; 0.9 three times right. Each with two labels more at its own mean.
        let labels = [(0.2, false), (0.4, true), (0.6, false), (0.9, true), (0.9, true), (0.9, true)].map(|(p, right)| known(0, p, right));
        let calibrator = Calibrator::fit(&labels, None);
        let expected = [(0.0, 0.0), (0.2, 0.4 / 3.0), (0.5, 2.0 / 4.0), (0.9, 4.8 / 5.0)];
        assert_eq!(calibrator.curve.len(), expected.len());
        for ((x, y), (ex, ey)) in calibrator.curve.iter().zip(expected) {
            assert!((x - ex).abs() < 1e-6 && (y - ey).abs() < 1e-6, "{x} {y} instead of {ex} {ey}");
        }
        // Between the middles, and beyond the last.
        for (from, to) in [(0.1, 0.2 / 3.0), (0.35, (0.4 / 3.0 + 0.5) / 2.0), (0.7, (0.5 + 0.96) / 2.0), (1.0, 0.96)] {
            assert!((calibrator.probability(0, from) - to as f32).abs() < 1e-5, "{from}: {}", calibrator.probability(0, from));
        }
    }

    #[test]
    fn without_labels_nothing_changes() {
        let calibrator = Calibrator::fit(&[], Some(2));
        assert!((calibrator.probability(1, 0.3) - 0.3).abs() < 1e-6, "{}", calibrator.probability(1, 0.3));
    }

    #[test]
    fn a_class_that_is_often_wrong_is_moved_and_one_without_labels_is_not() {
        let mut labels: Vec<KnownLabel> = (0..40).map(|at| known(0, 0.8, at % 10 != 0)).collect();
        labels.extend((0..40).map(|at| known(1, 0.8, at % 10 < 3)));
        let calibrator = Calibrator::fit(&labels, Some(3));
        let [high, low, unknown] = [0, 1, 2].map(|class| calibrator.probability(class, 0.8));
        // The shares are 0.9 and 0.3, the mean 0.6; the penalty keeps each a little on the mean's side. The figures are those of a bisection of the gradient.
        assert!((high - 0.81881).abs() < 1e-4 && (low - 0.37140).abs() < 1e-4, "{high} {low}");
        assert!((unknown - (48.0 + 1.6) / 82.0).abs() < 1e-4, "{unknown}");
    }

    #[test]
    fn the_threshold_is_the_lowest_that_keeps_the_mean() {
        let mut probabilities = Probabilities::default();
        for probability in [0.95, 0.9, 0.8, 0.5, 0.2] {
            probabilities.add(probability);
        }
        let choice = probabilities.threshold_for(0.85);
        assert_eq!(choice.labels, 3);
        assert!((choice.precision - 2.65 / 3.0).abs() < 1e-6 && choice.threshold < 0.8 && choice.threshold > 0.79, "{choice:?}");
        assert_eq!(probabilities.threshold_for(0.99), Choice { threshold: 1.0, precision: 1.0, labels: 0 });
        assert_eq!(probabilities.threshold_for(0.1).labels, 5);
    }
}

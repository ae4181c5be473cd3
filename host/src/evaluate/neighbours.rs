//! What the nearest neighbours of feature vectors say of them (paper F.2).

use rayon::prelude::*;
use serde::Serialize;

/// The figures of a set of vectors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Neighbours {
    /// How many vectors there are.
    pub vectors: usize,
    /// Numbers a vector, d.
    pub width: usize,
    /// The differential entropy of their distribution in nats, as Kozachenko and Leonenko estimate it from the Euclidean distance to the k-th neighbour; `None` where it has
    /// no value, since more than k vectors are equal.
    pub entropy: Option<f64>,
    /// The mean entropy, in bits, of the classes among a vector's k nearest neighbours: 0 where they are always of one class, at most log2 k.
    pub class_entropy: f64,
    /// The share of the k nearest neighbours that are of the vector's own class.
    pub same_class: f64,
}

/// Vectors `[labels.len(), width]` and their classes, each compared with all others; `None` where there are not more than `k`.
pub fn neighbours(values: &[f32], labels: &[u32], k: usize) -> Option<Neighbours> {
    let (count, width) = (labels.len(), values.len().checked_div(labels.len())?);
    if count <= k || k == 0 {
        return None;
    }
    let found: Vec<(f64, f64, f64)> = (0..count)
        .into_par_iter()
        .map(|at| {
            let nearest = nearest(values, width, at, k);
            let classes: Vec<u32> = nearest.iter().map(|(_, other)| labels[*other]).collect();
            let same = classes.iter().filter(|class| **class == labels[at]).count() as f64 / k as f64;
            (nearest[k - 1].0.sqrt(), entropy_in_bits(classes), same)
        })
        .collect();
    let mean = |of: fn(&(f64, f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / count as f64;
    let log_distance = mean(|(distance, ..)| distance.ln());
    let entropy = digamma(count) - digamma(k) + log_unit_ball(width) + width as f64 * log_distance;
    Some(Neighbours {
        vectors: count,
        width,
        entropy: entropy.is_finite().then_some(entropy),
        class_entropy: mean(|found| found.1),
        same_class: mean(|found| found.2),
    })
}

/// Two vectors that are almost the same, by their places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearDuplicates {
    /// The place of the one, ...
    pub first: usize,
    /// ... that of the other, which comes later, ...
    pub second: usize,
    /// ... and the cosine of the angle between them, each dimension taken from its mean.
    pub cosine: f64,
}

/// The pairs among `count` vectors whose cosine is at least `least`, most alike first.
pub fn near_duplicates(values: &[f32], count: usize, least: f64) -> Vec<NearDuplicates> {
    let Some(width) = values.len().checked_div(count).filter(|width| *width > 0) else { return Vec::new() };
    let mut mean = vec![0.0f64; width];
    values.chunks_exact(width).for_each(|vector| mean.iter_mut().zip(vector).for_each(|(mean, value)| *mean += f64::from(*value) / count as f64));
    let mut unit: Vec<f32> = values.iter().zip(mean.iter().cycle()).map(|(value, mean)| (f64::from(*value) - mean) as f32).collect();
    for vector in unit.chunks_exact_mut(width) {
        let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
        }
    }
    let of_one = |first: usize| {
        let own = &unit[first * width..(first + 1) * width];
        // Of unit vectors the squared distance is 2 - 2 cos.
        let cosines = (first + 1..count).map(|second| (second, 1.0 - squared_distance(own, &unit[second * width..(second + 1) * width]) / 2.0));
        cosines.filter(|(_, cosine)| *cosine >= least).map(|(second, cosine)| NearDuplicates { first, second, cosine }).collect::<Vec<_>>()
    };
    let mut pairs: Vec<NearDuplicates> = (0..count).into_par_iter().flat_map_iter(of_one).collect();
    pairs.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then((a.first, a.second).cmp(&(b.first, b.second))));
    pairs
}

/// The k nearest others of a vector, nearest first, with their squared distances; of equal ones the earlier first.
fn nearest(values: &[f32], width: usize, at: usize, k: usize) -> Vec<(f64, usize)> {
    let own = &values[at * width..(at + 1) * width];
    let mut best: Vec<(f64, usize)> = Vec::with_capacity(k + 1);
    for (other, vector) in values.chunks_exact(width).enumerate().filter(|(other, _)| *other != at) {
        let distance = squared_distance(own, vector);
        if best.len() < k || distance < best[k - 1].0 {
            let place = best.partition_point(|(known, _)| *known <= distance);
            best.insert(place, (distance, other));
            best.truncate(k);
        }
    }
    best
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    // Eight sums side by side, which the compiler makes one instruction of.
    let mut sums = [0.0f32; 8];
    let (a_parts, b_parts) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a_parts.0.iter().zip(b_parts.0) {
        for lane in 0..8 {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    let rest: f32 = a_parts.1.iter().zip(b_parts.1).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.into_iter().map(f64::from).sum::<f64>() + f64::from(rest)
}

fn entropy_in_bits(mut classes: Vec<u32>) -> f64 {
    classes.sort_unstable();
    let all = classes.len() as f64;
    classes.chunk_by(|a, b| a == b).map(|group| group.len() as f64 / all).map(|share| -share * share.log2()).sum()
}

/// ψ of a positive integer.
fn digamma(n: usize) -> f64 {
    const EULER_MASCHERONI: f64 = 0.577_215_664_901_532_9;
    (1..n).map(|i| 1.0 / i as f64).sum::<f64>() - EULER_MASCHERONI
}

/// The logarithm of the volume of the unit ball in so many dimensions, by V(d) = V(d - 2) · 2π / d.
fn log_unit_ball(dimensions: usize) -> f64 {
    let first = if dimensions.is_multiple_of(2) { 0.0 } else { 2f64.ln() };
    let from = if dimensions.is_multiple_of(2) { 2 } else { 3 };
    (from..=dimensions).step_by(2).map(|d| (2.0 * std::f64::consts::PI / d as f64).ln()).sum::<f64>() + first
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform numbers in [0, 1), by a generator of a line.
    fn uniform(count: usize) -> Vec<f32> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn the_entropy_of_a_uniform_square_is_the_logarithm_of_its_area() {
        let points: Vec<f32> = uniform(8_000).into_iter().map(|value| value * 3.0).collect();
        let found = neighbours(&points, &[0; 4_000], 3).unwrap();
        let entropy = found.entropy.unwrap();
        assert!((entropy - 9f64.ln()).abs() < 0.06, "{entropy}");
        assert_eq!((found.vectors, found.width, found.class_entropy, found.same_class), (4_000, 2, 0.0, 1.0));
    }

    #[test]
    fn classes_of_neighbours_are_counted() {
        // On a line: two of class 0 and one of class 1 close together, three of class 1 far away.
        let found = neighbours(&[0.0, 1.0, 2.1, 100.0, 101.0, 102.1], &[0, 0, 1, 1, 1, 1], 2).unwrap();
        // The first has 0 and 1, the second 0 and 1, the third 0 and 0, the others 1 and 1.
        assert!((found.class_entropy - 2.0 / 6.0).abs() < 1e-12 && (found.same_class - (0.5 + 0.5 + 3.0) / 6.0).abs() < 1e-12, "{found:?}");
        assert_eq!(neighbours(&[0.0, 1.0], &[0, 1], 2), None);
        assert_eq!(neighbours(&[1.0; 5], &[0; 5], 3).unwrap().entropy, None);
    }

    #[test]
    fn near_duplicates_are_found_whatever_they_have_in_common_with_all() {
        // All share a large first number, as features do; the first and the last are the same but for a hair.
        let vectors = [9.0, 1.0, 0.0, 9.0, -1.0, 0.1, 9.0, 0.0, -1.0, 9.0, 1.0, 0.001];
        let pairs = near_duplicates(&vectors, 4, 0.99);
        assert_eq!(pairs.iter().map(|pair| (pair.first, pair.second)).collect::<Vec<_>>(), [(0, 3)]);
        assert!(pairs[0].cosine > 0.99999 && near_duplicates(&[], 0, 0.5).is_empty());
    }

    #[test]
    fn unit_balls_and_digamma_are_the_known_ones() {
        for (dimensions, volume) in [(1, 2.0), (2, std::f64::consts::PI), (3, 4.0 / 3.0 * std::f64::consts::PI), (5, 5.263_789_014)] {
            assert!((log_unit_ball(dimensions).exp() - volume).abs() < 1e-8, "{dimensions}");
        }
        assert!((digamma(1) + 0.577_215_664_9).abs() < 1e-9 && (digamma(10) - 2.251_752_589).abs() < 1e-8);
    }
}

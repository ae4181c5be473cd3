//! The cut's eigenvector: the second smallest λ of (D − A)x = λDx (SPEC 1.4).
//!
//! With N = D^-½·A·D^-½ and v = D^½·x the problem is N·v = (1 − λ)·v, whose largest eigenvalue 1 belongs to v = D^½·1. The second largest is found
//! by Lanczos' iteration in the space orthogonal to that vector, with full reorthogonalisation. Nothing is cut off: when the iteration
//! does not converge earlier, it ends with the whole space, which is the dense solution.

use crate::affinity::Affinity;
use crate::sign::is_flipped;
use crate::tridiagonal::Tridiagonal;
use crate::vectors::{dot, norm, subtract_projection};

/// Residual ‖Nv − (1 − λ)v‖ that counts as converged.
const TOLERANCE: f64 = 1e-12;
/// The same for the third vector, of which only λ₃ is wanted: its error is of the order of the square.
const GAP_TOLERANCE: f64 = 1e-6;
/// A gap λ₃ − λ₂ below this leaves the eigenvector to chance: rounding of the features moves it.
const DEGENERATE_GAP: f64 = 1e-6;

/// The solution of the generalised eigenproblem and how well it is determined.
#[derive(Clone, Debug, PartialEq)]
pub struct SecondEigenvector {
    /// x, one number a patch, with the sign that LAPACK gives it.
    pub vector: Vec<f64>,
    /// λ₂, in [0, 2].
    pub lambda: f64,
    /// λ₃ − λ₂, not negative; 0 where every vector is an eigenvector.
    pub gap: f64,
    /// ‖(D − A)x − λDx‖ / ‖Dx‖.
    pub residual: f64,
    /// Lanczos steps taken for it.
    pub steps: usize,
    /// Whether the gap is so small that other solvers may give another vector.
    pub degenerate: bool,
}

/// Solves for the second smallest eigenvalue. `None` where no cut is better than another: fewer than two patches, or all vectors but the
/// trivial one share one eigenvalue (all patches alike, or each like none).
pub fn second_eigenvector(affinity: &Affinity) -> Option<SecondEigenvector> {
    let patches = affinity.patches();
    let normalised = Normalised::new(affinity);
    let mut found = vec![normalised.trivial()];
    let first = lanczos(&normalised, &found, TOLERANCE)?;
    if first.steps == 1 && patches > 2 {
        return None;
    }
    found.push(first.vector.clone());
    let (mut best, mut next) = (first, lanczos(&normalised, &found, GAP_TOLERANCE));
    // A start that happens to lack the best vector converges to the one after it: the second search then finds the best.
    while let Some(better) = next.as_ref().filter(|next| next.value > best.value + GAP_TOLERANCE) {
        let vector = better.vector.clone();
        found.truncate(1);
        let Some(again) = lanczos_from(&normalised, &found, TOLERANCE, vector) else { break };
        best = again;
        found.push(best.vector.clone());
        next = lanczos(&normalised, &found, GAP_TOLERANCE);
    }
    let gap = next.map_or(f64::INFINITY, |next| (best.value - next.value).max(0.0));
    let gap = if gap.is_finite() { gap } else { 2.0 };
    Some(normalised.solution(best, gap))
}

/// N as an operator.
struct Normalised<'a> {
    affinity: &'a Affinity,
    degrees: Vec<f64>,
    /// D^-½.
    scale: Vec<f64>,
}

/// A Ritz pair and what it cost.
struct Ritz {
    value: f64,
    vector: Vec<f64>,
    steps: usize,
}

impl<'a> Normalised<'a> {
    fn new(affinity: &'a Affinity) -> Self {
        let degrees = affinity.degrees();
        let scale = degrees.iter().map(|degree| 1.0 / degree.sqrt()).collect();
        Self { affinity, degrees, scale }
    }

    fn size(&self) -> usize {
        self.scale.len()
    }

    /// D^½·1 at unit length.
    fn trivial(&self) -> Vec<f64> {
        let mut vector: Vec<f64> = self.degrees.iter().map(|degree| degree.sqrt()).collect();
        let length = norm(&vector);
        vector.iter_mut().for_each(|value| *value /= length);
        vector
    }

    fn multiply(&self, vector: &[f64], scaled: &mut [f64], product: &mut [f64]) {
        for ((scaled, value), scale) in scaled.iter_mut().zip(vector).zip(&self.scale) {
            *scaled = value * scale;
        }
        self.affinity.multiply(scaled, product);
        product.iter_mut().zip(&self.scale).for_each(|(value, scale)| *value *= scale);
    }

    fn solution(&self, pair: Ritz, gap: f64) -> SecondEigenvector {
        let lambda = 1.0 - pair.value;
        let mut scaled = vec![0.0; self.size()];
        let flipped = is_flipped(&pair.vector, |input, product| {
            self.multiply(input, &mut scaled, product);
            product.iter_mut().zip(input).for_each(|(product, input)| *product = input - *product);
        });
        let sign = if flipped { -1.0 } else { 1.0 };
        let vector: Vec<f64> = pair.vector.iter().zip(&self.scale).map(|(value, scale)| sign * value * scale).collect();
        let mut product = vec![0.0; self.size()];
        self.affinity.multiply(&vector, &mut product);
        let weighted: Vec<f64> = vector.iter().zip(&self.degrees).map(|(value, degree)| value * degree).collect();
        let rest: Vec<f64> = weighted.iter().zip(&product).map(|(weighted, product)| weighted - product - lambda * weighted).collect();
        let residual = norm(&rest) / norm(&weighted);
        SecondEigenvector { vector, lambda, gap, residual, steps: pair.steps, degenerate: gap < DEGENERATE_GAP }
    }
}

/// Starts anew for every vector: a multiple eigenvalue's second vector cannot be reached from what the first was reached from.
fn lanczos(operator: &Normalised<'_>, deflated: &[Vec<f64>], tolerance: f64) -> Option<Ritz> {
    lanczos_from(operator, deflated, tolerance, start(operator.size(), deflated.len()))
}

/// The largest eigenvalue of N in the space orthogonal to `deflated`, and its vector; `None` where that space is empty.
fn lanczos_from(operator: &Normalised<'_>, deflated: &[Vec<f64>], tolerance: f64, mut vector: Vec<f64>) -> Option<Ritz> {
    let size = operator.size();
    let room = size.checked_sub(deflated.len()).filter(|room| *room > 0)?;
    deflate(&mut vector, deflated)?;
    let mut basis: Vec<Vec<f64>> = vec![vector];
    let mut tridiagonal = Tridiagonal::default();
    let (mut scaled, mut next) = (vec![0.0; size], vec![0.0; size]);
    loop {
        let steps = basis.len();
        let last = &basis[steps - 1];
        operator.multiply(last, &mut scaled, &mut next);
        let alpha = dot(last, &next);
        // Full reorthogonalisation also does the recurrence's two subtractions; the second pass removes the first one's rounding.
        for _ in 0..2 {
            deflated.iter().chain(&basis).for_each(|known| subtract_projection(&mut next, known));
        }
        let beta = norm(&next);
        tridiagonal.push_diagonal(alpha);
        let exhausted = steps == room || beta < 1e-13;
        if exhausted || steps.is_multiple_of(4) {
            let (value, weights) = tridiagonal.largest();
            if exhausted || beta * weights[steps - 1].abs() <= tolerance {
                return Some(Ritz { value, vector: combine(&basis, &weights), steps });
            }
        }
        tridiagonal.push_off_diagonal(beta);
        basis.push(next.iter().map(|value| value / beta).collect());
    }
}

/// Makes a vector orthogonal to others and of unit length; `None` when nothing is left of it.
fn deflate(vector: &mut [f64], deflated: &[Vec<f64>]) -> Option<()> {
    for _ in 0..2 {
        deflated.iter().for_each(|known| subtract_projection(vector, known));
    }
    let length = norm(vector);
    vector.iter_mut().for_each(|value| *value /= length);
    (length > 1e-9).then_some(())
}

fn combine(basis: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut vector = vec![0.0; basis[0].len()];
    for (known, weight) in basis.iter().zip(weights) {
        vector.iter_mut().zip(known).for_each(|(value, known)| *value += weight * known);
    }
    let length = norm(&vector);
    vector.iter_mut().for_each(|value| *value /= length);
    vector
}

/// A fixed vector without structure (a Weyl sequence through a mixing step): the same for every run.
fn start(size: usize, number: usize) -> Vec<f64> {
    (1..=size as u64)
        .map(|index| index + ((number as u64) << 32))
        .map(|index| {
            let mixed = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Patches in `groups` directions; groups share nothing.
    fn grouped(groups: &[usize]) -> Affinity {
        let values: Vec<f32> = groups.iter().flat_map(|group| (0..groups.len()).map(move |axis| f32::from(u8::from(axis == *group)))).collect();
        Affinity::new(&values, groups.len(), 0.5, 1e-5).unwrap()
    }

    #[test]
    fn two_groups_are_told_apart_with_the_eigenvalue_of_theory() {
        let affinity = grouped(&[0, 0, 0, 1, 1, 1, 1, 1]);
        let solution = second_eigenvector(&affinity).unwrap();
        // x is constant on a group; the cut of a graph of two cliques has λ = cut·(1/vol₁ + 1/vol₂).
        let (cut, one, two) = (15e-5, 3.0 * (3.0 + 5e-5), 5.0 * (5.0 + 3e-5));
        assert!((solution.lambda - cut * (1.0 / one + 1.0 / two)).abs() < 1e-10, "{}", solution.lambda);
        assert!(solution.residual < 1e-9 && !solution.degenerate, "{solution:?}");
        let [one, two] = [0, 3].map(|patch| solution.vector[patch].signum());
        assert!(one != two);
        assert!(solution.vector[..3].iter().all(|v| v.signum() == one) && solution.vector[3..].iter().all(|v| v.signum() == two));
    }

    #[test]
    fn three_equal_groups_are_degenerate() {
        let solution = second_eigenvector(&grouped(&[0, 0, 0, 1, 1, 1, 2, 2, 2])).unwrap();
        assert!(solution.degenerate && solution.gap < 1e-9, "{solution:?}");
    }

    #[test]
    fn patches_that_are_all_alike_or_all_different_or_all_zero_have_no_cut() {
        assert_eq!(second_eigenvector(&grouped(&[0; 9])), None);
        assert_eq!(second_eigenvector(&grouped(&[0, 1, 2, 3, 4])), None);
        assert_eq!(second_eigenvector(&Affinity::new(&[0.0; 60], 20, 0.5, 1e-5).unwrap()), None);
        assert_eq!(second_eigenvector(&grouped(&[0])), None);
    }

    #[test]
    fn two_patches_have_the_one_cut_there_is() {
        let solution = second_eigenvector(&grouped(&[0, 1])).unwrap();
        assert!((solution.vector[0] + solution.vector[1]).abs() < 1e-9);
    }
}

//! The cut's eigenvector: the second smallest λ of (D − A)x = λDx (method 1.4).
//!
//! With N = D^-½·A·D^-½ and v = D^½·x the problem is N·v = (1 − λ)·v, whose largest eigenvalue 1 belongs to v = D^½·1. The second largest is found
//! by Lanczos' iteration in the space orthogonal to that vector, with full reorthogonalisation. On photos that takes some twenty steps. Where the spectrum
//! is so crowded that it takes very many, a dense solver is asked instead.

mod dense;

use convert_sdk::Result;

use crate::affinity::Affinity;
use crate::sign::is_flipped;
use crate::tridiagonal::Tridiagonal;
use crate::vectors::{dot, norm, subtract_projection};

/// Residual ‖Nv − (1 − λ)v‖ that counts as converged.
const TOLERANCE: f64 = 1e-12;
/// The same for the third vector, of which only λ₃ is wanted: its error is of the order of the square, and at most this.
const GAP_TOLERANCE: f64 = 1e-6;
/// What is enough of it where λ₃ turns out to be far from λ₂.
const COARSE_GAP_TOLERANCE: f64 = 1e-4;
/// How much of the start without structure is added to a given one, which may lack what is looked for.
const START_SHARE: f64 = 0.1;
/// A gap λ₃ − λ₂ below this leaves the eigenvector to chance: rounding of the features moves it.
const DEGENERATE_GAP: f64 = 1e-6;

/// The solution of the generalised eigenproblem and how well it is determined.
#[derive(Clone, Debug, PartialEq)]
pub struct SecondEigenvector {
    /// x, one number a patch, with the sign that LAPACK gives it.
    pub vector: Vec<f64>,
    /// λ₂, in [0, 2].
    pub lambda: f64,
    /// λ₃ − λ₂, not negative, within 1e-4; within 1e-6 where it is below 1e-3.
    pub gap: f64,
    /// ‖(D − A)x − λDx‖ / ‖Dx‖.
    pub residual: f64,
    /// Lanczos steps taken for it; 0 where it comes from the dense solver.
    pub steps: usize,
    /// Whether the gap is so small that other solvers may give another vector.
    pub degenerate: bool,
    /// N's third eigenvector, roughly: where the search for the next cut's vector begins.
    pub(crate) third: Vec<f64>,
}

/// Solves for the second smallest eigenvalue. `None` where no cut is better than another: fewer than two patches, or all vectors but the
/// trivial one share one eigenvalue (all patches alike, or each like none). `guess` is where to look for it (in the terms of N), or empty.
///
/// # Errors
/// What libtorch says of the dense problem.
pub fn second_eigenvector(affinity: &Affinity, guess: &[f64]) -> Result<Option<SecondEigenvector>> {
    let normalised = Normalised::new(affinity);
    Ok(match iterate(&normalised, guess) {
        Outcome::Found(best, next) => Some(normalised.solution(best, next)),
        Outcome::NoCut => None,
        Outcome::Crowded => dense::solve(&normalised)?.map(|(best, next)| normalised.solution(best, next)),
    })
}

/// What the iteration came to.
enum Outcome {
    /// The second eigenvector and, roughly, the third; that is missing where there are two patches.
    Found(Ritz, Option<Ritz>),
    /// All vectors but the trivial one share one eigenvalue.
    NoCut,
    /// No convergence within the steps that pay.
    Crowded,
}

fn iterate(operator: &Normalised<'_>, guess: &[f64]) -> Outcome {
    let mut found = vec![operator.trivial()];
    let mut best = match lanczos(operator, &found, TOLERANCE, guess) {
        Search::Found(first) if first.steps == 1 && operator.size() > 2 => return Outcome::NoCut,
        Search::Found(first) => first,
        Search::Empty => return Outcome::NoCut,
        Search::Crowded => return Outcome::Crowded,
    };
    loop {
        found.truncate(1);
        found.push(best.vector.clone());
        let mut next = lanczos(operator, &found, COARSE_GAP_TOLERANCE, &[]);
        if let Search::Found(rough) = &next
            && best.value - rough.value < 10.0 * COARSE_GAP_TOLERANCE
        {
            next = lanczos(operator, &found, GAP_TOLERANCE, &rough.vector);
        }
        match next {
            Search::Crowded => return Outcome::Crowded,
            Search::Empty => return Outcome::Found(best, None),
            // A start that happens to lack the best vector converges to the one after it: the second search then finds the best.
            Search::Found(better) if better.value > best.value + GAP_TOLERANCE => {
                found.truncate(1);
                match lanczos(operator, &found, TOLERANCE, &better.vector) {
                    Search::Found(again) if again.value > best.value => best = again,
                    _ => return Outcome::Crowded,
                }
            }
            Search::Found(next) => return Outcome::Found(best, Some(next)),
        }
    }
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
    pub value: f64,
    pub vector: Vec<f64>,
    pub steps: usize,
}

impl<'a> Normalised<'a> {
    pub fn new(affinity: &'a Affinity) -> Self {
        let degrees = affinity.degrees();
        let scale = degrees.iter().map(|degree| 1.0 / degree.sqrt()).collect();
        Self { affinity, degrees, scale }
    }

    pub fn size(&self) -> usize {
        self.scale.len()
    }

    /// D^½·1 at unit length.
    pub fn trivial(&self) -> Vec<f64> {
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

    pub fn solution(&self, pair: Ritz, next: Option<Ritz>) -> SecondEigenvector {
        let gap = next.as_ref().map_or(2.0, |next| (pair.value - next.value).max(0.0));
        let third = next.map_or_else(Vec::new, |next| next.vector);
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
        SecondEigenvector { vector, lambda, gap, residual, steps: pair.steps, degenerate: gap < DEGENERATE_GAP, third }
    }
}

/// What a search for an eigenvector came to.
enum Search {
    Found(Ritz),
    /// Nothing is orthogonal to the known vectors.
    Empty,
    /// It takes more steps than the dense solver is worth.
    Crowded,
}

/// After how many steps a dense solver is the better choice: the cost of a step grows with their number.
fn most_steps(size: usize) -> usize {
    100.max(size / 8)
}

/// The largest eigenvalue of N in the space orthogonal to `deflated`, and its vector. The search begins at `guess` with a little of everything added, or
/// without one anywhere; it begins anew for every vector, since a multiple eigenvalue's second vector cannot be reached from what the first was reached from.
fn lanczos(operator: &Normalised<'_>, deflated: &[Vec<f64>], tolerance: f64, guess: &[f64]) -> Search {
    let size = operator.size();
    let Some(room) = size.checked_sub(deflated.len()).filter(|room| *room > 0) else { return Search::Empty };
    let Some(vector) = begin(size, deflated, guess) else { return Search::Empty };
    let mut basis: Vec<Vec<f64>> = vec![vector];
    let mut tridiagonal = Tridiagonal::default();
    let (mut scaled, mut next) = (vec![0.0; size], vec![0.0; size]);
    loop {
        let steps = basis.len();
        let last = &basis[steps - 1];
        operator.multiply(last, &mut scaled, &mut next);
        tridiagonal.push_diagonal(dot(last, &next));
        let beta = orthogonalise(&mut next, deflated, &basis);
        let exhausted = steps == room || beta < 1e-13;
        if exhausted || steps < 64 || steps.is_multiple_of(4) {
            let (value, weights) = tridiagonal.largest();
            if exhausted || beta * weights[steps - 1].abs() <= tolerance {
                return Search::Found(Ritz { value, vector: combine(&basis, &weights), steps });
            }
        }
        if steps >= most_steps(size) {
            return Search::Crowded;
        }
        tridiagonal.push_off_diagonal(beta);
        basis.push(next.iter().map(|value| value / beta).collect());
    }
}

/// Makes a vector orthogonal to all others, which also does the recurrence's two subtractions, and gives the length that is left. A second pass removes the
/// first one's rounding where much was subtracted (Daniel, Gragg, Kaufman & Stewart 1976).
fn orthogonalise(vector: &mut [f64], deflated: &[Vec<f64>], basis: &[Vec<f64>]) -> f64 {
    let before = norm(vector);
    let pass = |vector: &mut [f64]| deflated.iter().chain(basis).for_each(|known| subtract_projection(vector, known));
    pass(vector);
    let after = norm(vector);
    if after > 0.1 * before {
        return after;
    }
    pass(vector);
    norm(vector)
}

/// The unit vector that a search begins with; `None` where nothing is orthogonal to the known ones.
fn begin(size: usize, deflated: &[Vec<f64>], guess: &[f64]) -> Option<Vec<f64>> {
    let mut vector = start(size, deflated.len());
    deflate(&mut vector, deflated)?;
    if guess.len() == size {
        let mut guess = guess.to_vec();
        if deflate(&mut guess, deflated).is_some() {
            vector.iter_mut().zip(&guess).for_each(|(value, guess)| *value = START_SHARE * *value + guess);
            deflate(&mut vector, deflated)?;
        }
    }
    Some(vector)
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
        let solution = second_eigenvector(&affinity, &[]).unwrap().unwrap();
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
        let solution = second_eigenvector(&grouped(&[0, 0, 0, 1, 1, 1, 2, 2, 2]), &[]).unwrap().unwrap();
        assert!(solution.degenerate && solution.gap < 1e-9, "{solution:?}");
    }

    #[test]
    fn patches_that_are_all_alike_or_all_different_or_all_zero_have_no_cut() {
        assert_eq!(second_eigenvector(&grouped(&[0; 9]), &[]).unwrap(), None);
        assert_eq!(second_eigenvector(&grouped(&[0, 1, 2, 3, 4]), &[]).unwrap(), None);
        assert_eq!(second_eigenvector(&Affinity::new(&[0.0; 60], 20, 0.5, 1e-5).unwrap(), &[]).unwrap(), None);
        assert_eq!(second_eigenvector(&grouped(&[0]), &[]).unwrap(), None);
    }

    #[test]
    fn two_patches_have_the_one_cut_there_is() {
        let solution = second_eigenvector(&grouped(&[0, 1]), &[]).unwrap().unwrap();
        assert!((solution.vector[0] + solution.vector[1]).abs() < 1e-9);
    }

    /// Patches around a circle, each like its nearest few: eigenvalues in crowded pairs.
    fn circle(patches: usize) -> Affinity {
        let angle = |patch: usize| patch as f32 / patches as f32 * std::f32::consts::TAU;
        let values: Vec<f32> = (0..patches).flat_map(|patch| [angle(patch).cos(), angle(patch).sin()]).collect();
        Affinity::new(&values, patches, (2.5 / patches as f32 * std::f32::consts::TAU).cos(), 1e-12).unwrap()
    }

    #[test]
    fn a_crowded_spectrum_is_solved_densely_with_the_eigenvalue_of_theory() {
        let patches = 600;
        let solution = second_eigenvector(&circle(patches), &[]).unwrap().unwrap();
        assert_eq!(solution.steps, 0, "the dense solver should have been asked");
        assert!(solution.degenerate && solution.residual < 1e-9, "{solution:?}");
        // A circulant matrix of five ones a row: its eigenvalues are cosine sums.
        let angle = std::f64::consts::TAU / patches as f64;
        let expected = 1.0 - (1.0 + 2.0 * angle.cos() + 2.0 * (2.0 * angle).cos()) / 5.0;
        assert!((solution.lambda - expected).abs() < 1e-8, "{} {expected}", solution.lambda);
    }

    #[test]
    fn the_dense_solver_and_a_guess_give_what_the_iteration_gives() {
        let values: Vec<f32> = (0..90 * 4).map(|i| ((i * 7919 + i * i % 31) % 101) as f32 / 50.0 - 1.0).collect();
        let affinity = Affinity::new(&values, 90, 0.2, 1e-5).unwrap();
        let plain = second_eigenvector(&affinity, &[]).unwrap().unwrap();
        let guessed = second_eigenvector(&affinity, &plain.third).unwrap().unwrap();
        let normalised = Normalised::new(&affinity);
        let (best, next) = dense::solve(&normalised).unwrap().unwrap();
        let dense = normalised.solution(best, next);
        for other in [guessed, dense] {
            assert!((plain.lambda - other.lambda).abs() < 1e-10 && (plain.gap - other.gap).abs() < 1e-4, "{} {}", plain.gap, other.gap);
            assert!(plain.vector.iter().zip(&other.vector).all(|(a, b)| (a - b).abs() < 1e-8));
        }
    }
}

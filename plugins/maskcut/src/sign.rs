//! The sign of an eigenvector as LAPACK gives it.
//!
//! The sign of an eigenvector is arbitrary, yet method 1.5 can end on either side of a cut when one side holds three corners and the seed as well, which on real
//! photos happens to a third of all masks. The reference's masks are those of `scipy.linalg.eigh(D - A, D, subset_by_index=[1, 2])`, which is LAPACK's `dsygvx`, and
//! its choice follows from its algorithm: the matrix C = D^-½(D − A)D^-½ is brought to tridiagonal form by Householder reflections from the first column on
//! (`dsytrd`), and the tridiagonal matrix's eigenvector is returned with its largest entry positive (`dstein`). Only the reflections up to that entry are needed;
//! on photos they are two to ten.

use crate::vectors::{dot, norm};

/// How many reflections are tried; the sign is left as it is when the largest entry is not among them.
const MAX_STEPS: usize = 200;

/// Whether LAPACK would return −`vector` for the unit eigenvector `vector` of a symmetric matrix C, given by its products.
pub(crate) fn is_flipped(vector: &[f64], mut multiply: impl FnMut(&[f64], &mut [f64])) -> bool {
    let size = vector.len();
    let mut reflections: Vec<Reflection> = Vec::new();
    let mut product = vec![0.0; size];
    let (mut largest, mut rest) = (0.0f64, 1.0f64);
    for step in 0..size.min(MAX_STEPS) {
        // Column `step` of the product of the reflections so far, and the eigenvector's entry in that basis.
        let mut column = vec![0.0; size];
        column[step] = 1.0;
        reflections.iter().rev().for_each(|reflection| reflection.apply(&mut column));
        let entry = dot(&column, vector);
        if entry.abs() > largest.abs() {
            largest = entry;
        }
        rest -= entry * entry;
        if largest * largest > rest || step + 1 == size {
            return largest < 0.0;
        }
        multiply(&column, &mut product);
        reflections.iter().for_each(|reflection| reflection.apply(&mut product));
        match Reflection::of(&product, step + 1) {
            Some(reflection) => reflections.push(reflection),
            None => break,
        }
    }
    largest < 0.0
}

/// H = I − τ·h·hᵀ, LAPACK's elementary reflector: h is 0 before `start` and 1 at it.
struct Reflection {
    start: usize,
    vector: Vec<f64>,
    tau: f64,
}

impl Reflection {
    /// The reflector that maps the entries of `column` from `start` on to a multiple of the first unit vector (`dlarfg`); `None` where they vanish.
    fn of(column: &[f64], start: usize) -> Option<Self> {
        let mut vector = column[start..].to_vec();
        let (alpha, length) = (vector[0], norm(&vector));
        if length < 1e-13 {
            return None;
        }
        if vector.len() == 1 {
            return Some(Self { start, vector, tau: 0.0 }); // LAPACK leaves a single entry as it is
        }
        let beta = -length.copysign(alpha);
        vector.iter_mut().for_each(|value| *value /= alpha - beta);
        vector[0] = 1.0;
        Some(Self { start, vector, tau: (beta - alpha) / beta })
    }

    fn apply(&self, target: &mut [f64]) {
        let target = &mut target[self.start..];
        let share = self.tau * dot(target, &self.vector);
        target.iter_mut().zip(&self.vector).for_each(|(value, reflector)| *value -= share * reflector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_those_of_lapack() {
        // scipy.linalg.eigh(C, subset_by_index=[1, 1], driver="evx"), for C_ij = cos(1 + (i + 1)(j + 1)·k) + [i = j]·i
        let expected = include!("../tests/data/lapack_signs.in");
        for (k, eigenvector) in expected.into_iter().enumerate() {
            let size = eigenvector.len();
            let entry = |i: usize, j: usize| (1.0 + ((i + 1) * (j + 1) * (k + 1)) as f64).cos() + if i == j { i as f64 } else { 0.0 };
            for sign in [1.0, -1.0] {
                let vector = eigenvector.map(|value| sign * value);
                let flipped = is_flipped(&vector, |input, product| {
                    product.iter_mut().enumerate().for_each(|(i, product)| *product = (0..size).map(|j| entry(i, j) * input[j]).sum());
                });
                assert_eq!(flipped, sign < 0.0, "matrix {k}");
            }
        }
    }
}

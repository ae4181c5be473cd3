//! The largest eigenvalue of a symmetric tridiagonal matrix and its vector.

/// A symmetric tridiagonal matrix that grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tridiagonal {
    diagonal: Vec<f64>,
    off_diagonal: Vec<f64>,
}

impl Tridiagonal {
    pub fn push_diagonal(&mut self, value: f64) {
        self.diagonal.push(value);
    }

    pub fn push_off_diagonal(&mut self, value: f64) {
        self.off_diagonal.push(value);
    }

    /// The largest eigenvalue, by bisection, and its unit vector, by inverse iteration.
    pub fn largest(&self) -> (f64, Vec<f64>) {
        let size = self.diagonal.len();
        let off = |index: usize| self.off_diagonal.get(index).copied().unwrap_or(0.0);
        // Gershgorin's discs hold all eigenvalues.
        let reach = |i: usize| self.diagonal[i] + off(i).abs() + if i > 0 { off(i - 1).abs() } else { 0.0 };
        let mut high = (0..size).map(reach).fold(f64::NEG_INFINITY, f64::max);
        let mut low = self.diagonal.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        while high - low > 4.0 * f64::EPSILON * high.abs().max(low.abs()).max(1e-30) {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if self.is_above_all(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        (0.5 * (low + high), self.vector_near(high))
    }

    /// Whether every eigenvalue is below `shift`: whether `shift`·I − T is positive definite.
    fn is_above_all(&self, shift: f64) -> bool {
        let mut pivot = shift - self.diagonal[0];
        for (diagonal, off) in self.diagonal[1..].iter().zip(&self.off_diagonal) {
            if pivot <= 0.0 {
                return false;
            }
            pivot = shift - diagonal - off * off / pivot;
        }
        pivot > 0.0
    }

    /// Inverse iteration with (`shift`·I − T), positive definite but for rounding.
    fn vector_near(&self, shift: f64) -> Vec<f64> {
        let size = self.diagonal.len();
        let shift = shift + 1e-15 * shift.abs().max(1e-3);
        let mut pivots = Vec::with_capacity(size);
        let mut pivot = shift - self.diagonal[0];
        for (diagonal, off) in self.diagonal[1..].iter().zip(&self.off_diagonal) {
            pivots.push(pivot.max(1e-18));
            pivot = shift - diagonal - off * off / pivot.max(1e-18);
        }
        pivots.push(pivot.max(1e-18));
        let mut vector = vec![1.0 / (size as f64).sqrt(); size];
        for _ in 0..4 {
            // (shift·I − T) has −off on its off-diagonals: L has −off / pivot below a diagonal of ones.
            for i in 1..size {
                vector[i] += self.off_diagonal[i - 1] / pivots[i - 1] * vector[i - 1];
            }
            vector[size - 1] /= pivots[size - 1];
            for i in (0..size - 1).rev() {
                vector[i] = (vector[i] + self.off_diagonal[i] * vector[i + 1]) / pivots[i];
            }
            let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
            vector.iter_mut().for_each(|value| *value /= length);
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_difference_matrix_has_its_known_largest_pair() {
        let size = 60;
        let mut matrix = Tridiagonal::default();
        for index in 0..size {
            matrix.push_diagonal(2.0);
            if index + 1 < size {
                matrix.push_off_diagonal(-1.0);
            }
        }
        let (value, vector) = matrix.largest();
        let angle = std::f64::consts::PI / (size + 1) as f64;
        assert!((value - (2.0 + 2.0 * angle.cos())).abs() < 1e-13, "{value}");
        let scale = (2.0 / (size + 1) as f64).sqrt();
        for (index, entry) in vector.iter().enumerate() {
            let expected = scale * ((index + 1) as f64 * angle).sin() * if index % 2 == 0 { 1.0 } else { -1.0 };
            assert!((entry.abs() - expected.abs()).abs() < 1e-9 && (entry * expected * vector[0]) > 0.0, "{index}: {entry} {expected}");
        }
    }

    #[test]
    fn a_single_number_is_its_own_eigenvalue() {
        let mut matrix = Tridiagonal::default();
        matrix.push_diagonal(-0.25);
        assert_eq!(matrix.largest(), (-0.25, vec![1.0]));
    }
}

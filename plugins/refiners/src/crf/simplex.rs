//! Where points lie in the permutohedral lattice, with pydensecrf's rounding and ties.

#![allow(clippy::needless_range_loop, reason = "lanes and axes index several arrays at once")]

use super::packing::Packing;
use super::table::Key;

/// Points whose simplices are found together: a vector register or two.
pub(super) const LANES: usize = 8;

/// The simplices of [`LANES`] points.
pub(super) struct Simplices<K, const V: usize> {
    /// Of each point, the packed coordinates of the corners by colour.
    pub corners: [[K; V]; LANES],
    /// Of each point, the barycentric coordinates by corner.
    pub weights: [[f32; V]; LANES],
}

/// The diagonal part of the elevation matrix (Adams et al., p. 5), times the expected standard deviation of splat, blur and slice (p. 6).
pub(super) fn scales<const D: usize>() -> [f32; D] {
    let deviation = ((2.0f64 / 3.0).sqrt() * (D + 1) as f64) as f32;
    std::array::from_fn(|i| (1.0 / (((i + 1) * (i + 2)) as f64).sqrt() * f64::from(deviation)) as f32)
}

impl<K: Key, const V: usize> Simplices<K, V> {
    /// The simplices around points whose features, axis by axis, are in units of the filter's standard deviation.
    #[inline(always)]
    pub fn around<const D: usize>(features: &[[f32; LANES]; D], scales: &[f32; D], packing: &Packing<K, V>) -> Self {
        let elevated = elevate::<D, V>(features, scales);
        let inverse = const { 1.0 / V as f32 };
        // The nearest multiples of V, and how far their sum is off the plane.
        let mut rounded = elevated;
        let mut off = [0.0f32; LANES];
        for (row, elevated) in rounded.iter_mut().zip(&elevated) {
            for lane in 0..LANES {
                row[lane] = round(elevated[lane] * inverse);
                off[lane] += row[lane];
            }
        }
        let mut difference = elevated;
        for (difference, rounded) in difference.iter_mut().zip(&rounded) {
            for lane in 0..LANES {
                difference[lane] -= rounded[lane] * V as f32;
            }
        }
        // The order of the differences, 0 for the greatest.
        let mut rank = [off; V];
        for i in 0..V {
            for j in i + 1..V {
                for lane in 0..LANES {
                    let less = if difference[i][lane] < difference[j][lane] { 1.0 } else { 0.0 };
                    rank[i][lane] += less;
                    rank[j][lane] += 1.0 - less;
                }
            }
        }
        // Back onto the plane. Where rounding errors leave a rank outside its range, the point lies on the border and the nearest rank is as good.
        let mut share = elevated;
        let last = (V - 1) as f32;
        for i in 0..V {
            for lane in 0..LANES {
                let below = if rank[i][lane] < 0.0 { 1.0 } else { 0.0 };
                let above = if rank[i][lane] > last { 1.0 } else { 0.0 };
                rounded[i][lane] += below - above;
                rank[i][lane] = (rank[i][lane] + (below - above) * V as f32).clamp(0.0, last);
                share[i][lane] = (elevated[i][lane] - rounded[i][lane] * V as f32) * inverse;
            }
        }
        Self { corners: corners(&rounded, &rank, packing), weights: weights(share) }
    }
}

/// Corner 0 is the origin; the next one is one step on along all axes and V steps back along that of the lowest rank left.
#[inline(always)]
fn corners<K: Key, const V: usize>(origin: &[[f32; LANES]; V], rank: &[[f32; LANES]; V], packing: &Packing<K, V>) -> [[K; V]; LANES] {
    let mut key = [packing.origin; LANES];
    for axis in 0..V - 1 {
        for lane in 0..LANES {
            key[lane] = key[lane].plus(packing.steps[axis].times(integer(origin[axis][lane])));
        }
    }
    let mut corners = [[K::EMPTY; V]; LANES];
    for colour in 0..V {
        for lane in 0..LANES {
            corners[lane][colour] = key[lane];
            key[lane] = key[lane].plus(packing.ones);
        }
        for axis in 0..V - 1 {
            for lane in 0..LANES {
                let turned = rank[axis][lane] == (V - 1 - colour) as f32;
                key[lane] = key[lane].minus(if turned { packing.steps[axis] } else { K::ZERO });
            }
        }
    }
    corners
}

/// The barycentric coordinates by corner: differences of shares that follow one another in order.
#[inline(always)]
fn weights<const V: usize>(mut shares: [[f32; LANES]; V]) -> [[f32; V]; LANES] {
    // Bubble sort has no branch that depends on the values.
    for end in (1..V).rev() {
        for at in 0..end {
            for lane in 0..LANES {
                let (one, other) = (shares[at][lane], shares[at + 1][lane]);
                shares[at][lane] = if one > other { one } else { other };
                shares[at + 1][lane] = if one > other { other } else { one };
            }
        }
    }
    let mut weights = [[0.0; V]; LANES];
    for lane in 0..LANES {
        for k in 0..V - 1 {
            weights[lane][V - 1 - k] = shares[k][lane] - shares[k + 1][lane];
        }
        weights[lane][0] = shares[V - 1][lane] + (1.0 - shares[0][lane]);
    }
    weights
}

/// Onto the plane where the coordinates sum to zero.
#[inline(always)]
fn elevate<const D: usize, const V: usize>(features: &[[f32; LANES]; D], scales: &[f32; D]) -> [[f32; LANES]; V] {
    const { assert!(V == D + 1) };
    let mut elevated = [[0.0; LANES]; V];
    let mut sum = [0.0f32; LANES];
    for j in (1..V).rev() {
        for lane in 0..LANES {
            let scaled = features[j - 1][lane] * scales[j - 1];
            elevated[j][lane] = sum[lane] - j as f32 * scaled;
            sum[lane] += scaled;
        }
    }
    elevated[0] = sum;
    elevated
}

/// 1.5 * 2^23: a sum with it has no bits left for a fraction.
const SHIFT: f32 = 12_582_912.0;

/// To the nearest integer, ties to even, for magnitudes below 2^22; an instruction or two on every machine.
#[inline(always)]
fn round(value: f32) -> f32 {
    (value + SHIFT) - SHIFT
}

/// A whole number of a magnitude below 2^22 as an integer: the lowest bits of the sum.
#[inline(always)]
fn integer(value: f32) -> i32 {
    (value + SHIFT).to_bits().wrapping_sub(SHIFT.to_bits()) as i32
}

#[cfg(test)]
mod tests {
    use super::super::packing::Digits;
    use super::*;

    #[test]
    fn weights_are_barycentric_and_corners_differ() {
        let packing = Digits::<6>::new(&scales::<5>().map(|scale| 143.0 * f64::from(scale))).packing();
        for block in 0..125 {
            let features = std::array::from_fn(|axis| std::array::from_fn(|lane| (((block * LANES + lane) * 37 + axis * 101) % 997) as f32 / 7.0));
            let simplices = Simplices::<u128, 6>::around::<5>(&features, &scales(), &packing);
            for (corners, weights) in simplices.corners.iter().zip(&simplices.weights) {
                assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-4);
                assert!(weights.iter().all(|weight| (-1e-4..=1.0001).contains(weight)), "{weights:?}");
                let mut corners = corners.to_vec();
                corners.sort_unstable();
                corners.dedup();
                assert_eq!(corners.len(), 6);
            }
        }
    }

    #[test]
    fn whole_numbers_become_integers() {
        for value in [-300, -1, 0, 1, 7, 4_000_000] {
            assert_eq!(integer(value as f32), value);
        }
        assert_eq!((round(2.5), round(-1.5), round(0.49)), (2.0, -2.0, 0.0));
    }
}

//! Where points lie in the permutohedral lattice, with pydensecrf's rounding and ties.

use super::lanes::{LANES, Lanes};
use super::packing::Packing;
use super::table::Key;

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
    pub fn around<const D: usize>(features: &[Lanes; D], scales: &[f32; D], packing: &Packing<K, V>) -> Self {
        let elevated = elevate::<D, V>(features, scales);
        let (inverse, length) = (Lanes::all(const { 1.0 / V as f32 }), Lanes::all(V as f32));
        // The nearest multiples of V, and how far their sum is off the plane.
        let mut rounded = elevated.map(|elevated| (elevated * inverse).round());
        let off = rounded.iter().fold(Lanes::all(0.0), |off, rounded| off + *rounded);
        // The order of the differences, 0 for the greatest.
        let difference: [Lanes; V] = std::array::from_fn(|i| elevated[i] - rounded[i] * length);
        let mut rank = [off; V];
        for i in 0..V {
            for j in i + 1..V {
                let less = difference[i].is_below(difference[j]);
                rank[i] = rank[i] + less;
                rank[j] = rank[j] + (Lanes::all(1.0) - less);
            }
        }
        // Back onto the plane. Where rounding errors leave a rank outside its range, the point lies on the border and the nearest rank is as good.
        let (first, last) = (Lanes::all(0.0), Lanes::all((V - 1) as f32));
        for i in 0..V {
            let turn = rank[i].is_below(first) - last.is_below(rank[i]);
            rounded[i] = rounded[i] + turn;
            rank[i] = (rank[i] + turn * length).max(first).min(last);
        }
        let share = std::array::from_fn(|i| (elevated[i] - rounded[i] * length) * inverse);
        Self { corners: corners(&rounded, &rank, packing), weights: weights(share) }
    }
}

/// Corner 0 is the origin; the next one is one step on along all axes and V steps back along that of the lowest rank left.
#[inline(always)]
fn corners<K: Key, const V: usize>(origin: &[Lanes; V], rank: &[Lanes; V], packing: &Packing<K, V>) -> [[K; V]; LANES] {
    let (origin, rank) = (origin.map(Lanes::integers), rank.map(Lanes::integers));
    let mut corners = [[K::EMPTY; V]; LANES];
    for lane in 0..LANES {
        let mut key = packing.origin;
        let mut steps = [packing.ones; V];
        for axis in 0..V - 1 {
            key = key.plus(packing.steps[axis].times(origin[axis][lane]));
            let turned = &mut steps[V - 1 - rank[axis][lane] as usize];
            *turned = turned.minus(packing.steps[axis]);
        }
        for colour in 0..V {
            corners[lane][colour] = key;
            key = key.plus(steps[colour]);
        }
    }
    corners
}

/// The barycentric coordinates by corner: differences of shares that follow one another in order.
#[inline(always)]
fn weights<const V: usize>(mut shares: [Lanes; V]) -> [[f32; V]; LANES] {
    // Bubble sort has no branch that depends on the values.
    for end in (1..V).rev() {
        for at in 0..end {
            (shares[at], shares[at + 1]) = (shares[at].max(shares[at + 1]), shares[at].min(shares[at + 1]));
        }
    }
    let mut weights = [[0.0; V]; LANES];
    for corner in 0..V {
        let weight = match corner {
            0 => shares[V - 1] + (Lanes::all(1.0) - shares[0]),
            _ => shares[V - 1 - corner] - shares[V - corner],
        };
        (0..LANES).for_each(|lane| weights[lane][corner] = weight.0[lane]);
    }
    weights
}

/// Onto the plane where the coordinates sum to zero.
#[inline(always)]
fn elevate<const D: usize, const V: usize>(features: &[Lanes; D], scales: &[f32; D]) -> [Lanes; V] {
    const { assert!(V == D + 1) };
    let mut elevated = [Lanes::all(0.0); V];
    let mut sum = Lanes::all(0.0);
    for j in (1..V).rev() {
        let scaled = features[j - 1] * Lanes::all(scales[j - 1]);
        elevated[j] = sum - Lanes::all(j as f32) * scaled;
        sum = sum + scaled;
    }
    elevated[0] = sum;
    elevated
}

#[cfg(test)]
mod tests {
    use super::super::packing::Digits;
    use super::*;

    #[test]
    fn weights_are_barycentric_and_corners_differ() {
        let packing = Digits::<6>::new(&scales::<5>().map(|scale| 143.0 * f64::from(scale))).packing();
        for block in 0..250 {
            let features =
                std::array::from_fn(|axis| Lanes(std::array::from_fn(|lane| (((block * LANES + lane) * 37 + axis * 101) % 997) as f32 / 7.0)));
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
}

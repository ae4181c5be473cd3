//! The permutohedral lattice (Adams, Baek & Davis 2010), with pydensecrf's rounding and ties.

use super::table::{PointTable, pack, shift};

/// A Gaussian filter over points in `D` dimensions, `V = D + 1`: every point spreads its value over the `V` corners of the simplex it lies in
/// (splat), the lattice is blurred along its `V` axes, and the point reads its corners back (slice).
pub(super) struct Lattice<const V: usize> {
    /// Of each point, the slots of its simplex's corners.
    corners: Vec<[u32; V]>,
    /// Of each point, the corners' weights: barycentric coordinates times the normalisation.
    weights: Vec<[f32; V]>,
    /// For each axis and lattice point, the slots of its two neighbours; slot 0 holds zeros and stands for a missing one.
    neighbours: Vec<[u32; 2]>,
    /// Lattice points.
    size: usize,
}

/// Values on a lattice's points, `C` channels each, and a second buffer of the same size to blur into.
pub(super) struct Values<const C: usize> {
    current: Vec<[f32; C]>,
    spare: Vec<[f32; C]>,
}

impl<const V: usize> Lattice<V> {
    /// The lattice of `points` points, whose features are in units of the filter's standard deviation.
    pub fn new<const D: usize>(points: usize, feature: impl Fn(usize) -> [f32; D]) -> Self {
        const { assert!(V == D + 1) };
        let mut table = PointTable::with_capacity(points / 2);
        let mut corners = Vec::with_capacity(points);
        let mut weights = Vec::with_capacity(points);
        let scales = scales::<D>();
        // Neighbouring pixels often share corners: the last point's are tried before the table.
        let mut last = ([0u128; V], [0u32; V]);
        for point in 0..points {
            let simplex = Simplex::<V>::around(feature(point), &scales);
            for remainder in 0..V {
                let key = simplex.corner(remainder);
                if key != last.0[remainder] || last.1[remainder] == 0 {
                    last.0[remainder] = key;
                    last.1[remainder] = table.insert(key);
                }
            }
            corners.push(last.1);
            weights.push(simplex.weights);
        }
        let neighbours = neighbours::<V>(&table);
        let mut lattice = Self { corners, weights, neighbours, size: table.keys().len() };
        lattice.normalise();
        lattice
    }

    /// Makes the filter K into N^½·K·N^½ with N = diag(1 / K·1) (pydensecrf's `NORMALIZE_SYMMETRIC`), by weights.
    fn normalise(&mut self) {
        let mut values = self.values::<1>();
        for point in 0..self.corners.len() {
            self.splat(&mut values, point, [1.0]);
        }
        self.blur(&mut values);
        let norms: Vec<f32> = (0..self.corners.len()).map(|point| 1.0 / (self.slice(&values, point)[0] + 1e-20).sqrt()).collect();
        for (weights, norm) in self.weights.iter_mut().zip(norms) {
            *weights = weights.map(|weight| weight * norm);
        }
    }

    /// Zeros on the lattice's points.
    pub fn values<const C: usize>(&self) -> Values<C> {
        Values { current: vec![[0.0; C]; self.size + 1], spare: vec![[0.0; C]; self.size + 1] }
    }

    /// Adds a point's value to its corners.
    #[inline(always)]
    pub fn splat<const C: usize>(&self, values: &mut Values<C>, point: usize, value: [f32; C]) {
        for (corner, weight) in self.corners[point].iter().zip(&self.weights[point]) {
            let target = &mut values.current[*corner as usize];
            for channel in 0..C {
                target[channel] += weight * value[channel];
            }
        }
    }

    /// A point's filtered value, from its corners.
    #[inline(always)]
    fn slice<const C: usize>(&self, values: &Values<C>, point: usize) -> [f32; C] {
        self.slice_from(&values.current, point)
    }

    /// A point's filtered value out of what [`Values::restart`] put aside.
    #[inline(always)]
    pub fn slice_blurred<const C: usize>(&self, values: &Values<C>, point: usize) -> [f32; C] {
        self.slice_from(&values.spare, point)
    }

    #[inline(always)]
    fn slice_from<const C: usize>(&self, values: &[[f32; C]], point: usize) -> [f32; C] {
        let mut sum = [0.0; C];
        for (corner, weight) in self.corners[point].iter().zip(&self.weights[point]) {
            let source = &values[*corner as usize];
            for channel in 0..C {
                sum[channel] += weight * source[channel];
            }
        }
        let alpha = const { 1.0 / (1.0 + 1.0 / (1u32 << (V - 1)) as f32) };
        sum.map(|value| value * alpha)
    }

    /// Blurs along every axis with the weights ½, 1, ½.
    pub fn blur<const C: usize>(&self, values: &mut Values<C>) {
        for axis in self.neighbours.chunks_exact(self.size.max(1)) {
            let (from, to) = (&values.current, &mut values.spare);
            for ((target, own), [one, two]) in to[1..].iter_mut().zip(&from[1..]).zip(axis) {
                let (one, two) = (&from[*one as usize], &from[*two as usize]);
                for channel in 0..C {
                    target[channel] = own[channel] + 0.5 * (one[channel] + two[channel]);
                }
            }
            std::mem::swap(&mut values.current, &mut values.spare);
        }
    }
}

impl<const C: usize> Values<C> {
    /// Puts the blurred values aside and starts from zeros.
    pub fn restart(&mut self) {
        std::mem::swap(&mut self.current, &mut self.spare);
        self.current.fill([0.0; C]);
    }
}

/// The diagonal part of the elevation matrix (Adams et al., p. 5), times the expected standard deviation of splat, blur and slice (p. 6).
fn scales<const D: usize>() -> [f32; D] {
    let deviation = ((2.0f64 / 3.0).sqrt() * (D + 1) as f64) as f32;
    std::array::from_fn(|i| (1.0 / (((i + 1) * (i + 2)) as f64).sqrt() * f64::from(deviation)) as f32)
}

/// The simplex that a point lies in.
struct Simplex<const V: usize> {
    /// The nearest point of colour 0, of which the last coordinate is implied by the others.
    origin: [i32; V],
    /// The order of the differences to it: 0 is the greatest.
    rank: [i32; V],
    /// Barycentric coordinates, by corner.
    weights: [f32; V],
}

impl<const V: usize> Simplex<V> {
    fn around<const D: usize>(feature: [f32; D], scales: &[f32; D]) -> Self {
        // Elevation onto the plane where the coordinates sum to zero.
        let mut elevated = [0.0; V];
        let mut sum = 0.0;
        for j in (1..V).rev() {
            let scaled = feature[j - 1] * scales[j - 1];
            elevated[j] = sum - j as f32 * scaled;
            sum += scaled;
        }
        elevated[0] = sum;

        // The nearest multiples of V, and how far their sum is off the plane.
        let inverse = const { 1.0 / V as f32 };
        let rounded = elevated.map(|value| round(value * inverse));
        let off = rounded.iter().sum::<f32>() as i32;
        let mut rest = rounded.map(|value| value * V as f32);
        let difference: [f32; V] = std::array::from_fn(|i| elevated[i] - rest[i]);
        let mut rank = [off; V];
        for i in 0..V {
            for j in i + 1..V {
                let less = i32::from(difference[i] < difference[j]);
                rank[i] += less;
                rank[j] += 1 - less;
            }
        }

        // Back onto the plane.
        for i in 0..V {
            let wrap = i32::from(rank[i] < 0) - i32::from(rank[i] >= V as i32);
            rank[i] += wrap * V as i32;
            rest[i] += (wrap * V as i32) as f32;
        }

        // Where rounding errors leave a rank outside its range, the point lies on the border and the nearest rank is as good.
        let rank = rank.map(|rank| rank.clamp(0, V as i32 - 1));
        let mut weights = [0.0; V];
        let mut wrapped = 0.0;
        for i in 0..V {
            let share = (elevated[i] - rest[i]) * inverse;
            let at = V - 1 - rank[i] as usize;
            weights[at] += share;
            match weights.get_mut(at + 1) {
                Some(next) => *next -= share,
                None => wrapped -= share,
            }
        }
        weights[0] += 1.0 + wrapped;
        Self { origin: rest.map(|value| value as i32), rank, weights }
    }

    /// The packed coordinates of the corner of a colour: the origin moved along the canonical simplex.
    #[inline(always)]
    fn corner(&self, colour: usize) -> u128 {
        let mut coordinates = [0; V];
        for (i, coordinate) in coordinates.iter_mut().enumerate() {
            let turned = i32::from(self.rank[i] as usize > V - 1 - colour);
            *coordinate = self.origin[i] + colour as i32 - turned * V as i32;
        }
        pack(&coordinates[..V - 1])
    }
}

/// To the nearest integer, ties to even, for magnitudes below 2^22; an instruction or two on every machine.
#[inline(always)]
fn round(value: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: the sum has no bits left for a fraction
    (value + SHIFT) - SHIFT
}

/// The two neighbours of every lattice point along every axis, axis by axis.
fn neighbours<const V: usize>(table: &PointTable) -> Vec<[u32; 2]> {
    let keys = table.keys();
    let mut neighbours = vec![[0; 2]; keys.len() * V];
    for axis in 0..V {
        let mut step = [-1; V];
        step[axis] = V as i32 - 1;
        let step = shift(&step[..V - 1]);
        let neighbours = &mut neighbours[axis * keys.len()..][..keys.len()];
        for (index, key) in keys.iter().enumerate() {
            let other = table.find(key.wrapping_add(step));
            neighbours[index][0] = other;
            if other != 0 {
                neighbours[other as usize - 1][1] = index as u32 + 1;
            }
        }
    }
    neighbours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_barycentric_and_corners_differ() {
        for point in 0..1000 {
            let feature: [f32; 5] = std::array::from_fn(|i| ((point * 37 + i * 101) % 997) as f32 / 7.0);
            let simplex = Simplex::<6>::around(feature, &scales());
            assert!((simplex.weights.iter().sum::<f32>() - 1.0).abs() < 1e-4);
            assert!(simplex.weights.iter().all(|weight| (-1e-4..=1.0001).contains(weight)), "{:?}", simplex.weights);
            let mut corners: Vec<u128> = (0..6).map(|colour| simplex.corner(colour)).collect();
            corners.sort_unstable();
            corners.dedup();
            assert_eq!(corners.len(), 6);
        }
    }

    #[test]
    fn the_normalised_filter_is_a_smooth_positive_kernel() {
        let lattice = Lattice::<3>::new(400, |point| [(point % 20) as f32 / 3.0, (point / 20) as f32 / 3.0]);
        let mut values = lattice.values::<1>();
        lattice.splat(&mut values, 20 * 10 + 10, [1.0]);
        lattice.blur(&mut values);
        let filtered = |x: usize, y: usize| lattice.slice(&values, y * 20 + x)[0];
        assert!(filtered(10, 10) > filtered(12, 10) && filtered(12, 10) > filtered(15, 10) && filtered(19, 10) < 1e-3);
        // A Gaussian of σ = 3: at a distance of 3 the value is e^-½ of the middle's.
        assert!((filtered(13, 10) / filtered(10, 10) - 0.61).abs() < 0.12, "{}", filtered(13, 10) / filtered(10, 10));
    }
}

//! The permutohedral lattice (Adams, Baek & Davis 2010).

use super::lanes::{LANES, Lanes};
use super::packing::{Digits, Packing};
use super::simplex::{Simplices, scales};
use super::table::{Key, PointTable, sorted};

/// Bytes of a table that has room for two lattice points a pixel from the beginning, at most: sparse tables are searched fastest.
const MAX_SPARSE_TABLE: usize = 1 << 25;

/// A Gaussian filter over points in `D` dimensions, `V = D + 1`: every point spreads its value over the `V` corners of the simplex it lies in
/// (splat), the lattice is blurred along its `V` axes, and the point reads its corners back (slice).
#[derive(Default)]
pub(super) struct Lattice<const V: usize> {
    /// Of each point, the corners of its simplex.
    corners: Vec<[u32; V]>,
    /// Of each point, the corners' weights: barycentric coordinates times the normalisation.
    weights: Vec<[f32; V]>,
    /// For each axis the two neighbours of every lattice point; the point after the last stands for a missing one.
    neighbours: Vec<Vec<[u32; 2]>>,
    /// Lattice points, which are numbered in the order of their keys: along every axis the neighbours of consecutive points are consecutive but for gaps, so
    /// that blurring reads memory forwards.
    size: usize,
}

impl<const V: usize> Lattice<V> {
    /// What a sliced value is multiplied by for the blurs to preserve sums.
    pub const ALPHA: f32 = 1.0 / (1.0 + 1.0 / (1u32 << (V - 1)) as f32);

    /// The lattice of `points` points, whose features are in units of the filter's standard deviation and lie between 0 and `reach`. It is made in the memory of
    /// one that is done with: fresh pages from the system would cost a fifth of its time.
    pub fn new<const D: usize>(memory: Self, points: usize, reach: [f64; D], feature: impl Fn(usize) -> [f32; D]) -> Self {
        let scales = scales::<D>();
        let digits = Digits::<V>::new::<D>(&std::array::from_fn(|axis| reach[axis] * f64::from(scales[axis])));
        if digits.fit::<u32>() {
            memory.build::<u32, D>(points, &digits.packing(), feature)
        } else if digits.fit::<u64>() {
            memory.build::<u64, D>(points, &digits.packing(), feature)
        } else {
            memory.build::<u128, D>(points, &digits.packing(), feature)
        }
    }

    fn build<K: Key, const D: usize>(mut self, points: usize, packing: &Packing<K, V>, feature: impl Fn(usize) -> [f32; D]) -> Self {
        let mut table = PointTable::<K>::with_capacity((2 * points).min(MAX_SPARSE_TABLE / 4 / size_of::<(K, u32)>()));
        self.corners.clear();
        self.weights.clear();
        self.corners.reserve_exact(points);
        self.weights.reserve_exact(points);
        let scales = scales::<D>();
        for start in (0..points).step_by(LANES) {
            let count = LANES.min(points - start);
            let mut features = [Lanes::all(0.0); D];
            for (lane, point) in (start..start + count).enumerate() {
                let feature = feature(point);
                (0..D).for_each(|axis| features[axis].0[lane] = feature[axis]);
            }
            let simplices = Simplices::<K, V>::around(&features, &scales, packing);
            // All places are read before any is compared, so that the memory's delays overlap.
            let mut found = [[(K::EMPTY, 0); V]; LANES];
            for (found, keys) in found.iter_mut().zip(&simplices.corners) {
                for (found, key) in found.iter_mut().zip(keys) {
                    *found = table.candidate(*key);
                }
            }
            for ((keys, found), weights) in simplices.corners.iter().zip(&found).zip(&simplices.weights).take(count) {
                let mut slots = [0; V];
                for ((slot, key), found) in slots.iter_mut().zip(keys).zip(found) {
                    *slot = if found.0 == *key { found.1 } else { table.insert(*key) };
                }
                self.corners.push(slots);
                self.weights.push(*weights);
            }
        }
        let order = sorted(table.into_keys());
        let mut rank = vec![0u32; order.len()];
        order.iter().zip(0..).for_each(|((_, slot), place)| rank[*slot as usize] = place);
        self.corners.as_flattened_mut().iter_mut().for_each(|corner| *corner = rank[*corner as usize]);
        let keys: Vec<K> = order.into_iter().map(|(key, _)| key).collect();
        self.size = keys.len();
        self.neighbours.resize_with(V, Vec::new);
        find_neighbours(&keys, packing.steps.map(|step| step.minus(packing.ones)), &mut self.neighbours);
        self.normalise();
        self
    }

    /// Makes the filter K into N^½·K·N^½ with N = diag(1 / K·1) (pydensecrf's `NORMALIZE_SYMMETRIC`), by weights.
    fn normalise(&mut self) {
        let (mut values, mut spare) = Default::default();
        self.clear::<1>(&mut values);
        for point in 0..self.corners.len() {
            self.splat(channels_mut(&mut values), point, [1.0]);
        }
        self.blur::<1>(&mut values, &mut spare);
        for (corners, weights) in self.corners.iter().zip(&mut self.weights) {
            let norm = 1.0 / (slice::<1, V>(corners, weights, channels(&values))[0] * Self::ALPHA + 1e-20).sqrt();
            *weights = weights.map(|weight| weight * norm);
        }
    }

    /// Makes `values` zeros on the lattice's points, `C` channels each, and on the point that stands for missing neighbours.
    pub fn clear<const C: usize>(&self, values: &mut Vec<f32>) {
        values.clear();
        values.resize((self.size + 1) * C, 0.0);
    }

    /// Adds a point's value to its corners.
    #[inline(always)]
    pub fn splat<const C: usize>(&self, values: &mut [[f32; C]], point: usize, value: [f32; C]) {
        for (corner, weight) in self.corners[point].iter().zip(&self.weights[point]) {
            add_scaled(&mut values[*corner as usize], *weight, &value);
        }
    }

    /// A point's filtered value, from its corners.
    #[inline(always)]
    pub fn slice<const C: usize>(&self, values: &[[f32; C]], point: usize) -> [f32; C] {
        slice(&self.corners[point], &self.weights[point], values)
    }

    /// Blurs `C` channels along every axis with the weights ½, 1, ½. What `spare` holds does not matter.
    pub fn blur<const C: usize>(&self, values: &mut Vec<f32>, spare: &mut Vec<f32>) {
        // The last point is zero, and nothing is written there.
        spare.truncate(self.size * C);
        spare.resize((self.size + 1) * C, 0.0);
        for axis in &self.neighbours {
            blur_along::<C>(axis, channels(values), channels_mut(spare));
            std::mem::swap(values, spare);
        }
    }
}

/// Values as points of `C` channels.
#[inline(always)]
pub(super) fn channels<const C: usize>(values: &[f32]) -> &[[f32; C]] {
    values.as_chunks().0
}

/// The same, to be changed.
#[inline(always)]
pub(super) fn channels_mut<const C: usize>(values: &mut [f32]) -> &mut [[f32; C]] {
    values.as_chunks_mut().0
}

#[inline(always)]
fn slice<const C: usize, const V: usize>(corners: &[u32; V], weights: &[f32; V], values: &[[f32; C]]) -> [f32; C] {
    let mut sum = [0.0; C];
    for (corner, weight) in corners.iter().zip(weights) {
        add_scaled(&mut sum, *weight, &values[*corner as usize]);
    }
    sum
}

/// Blurs along the axis of these neighbours.
fn blur_along<const C: usize>(neighbours: &[[u32; 2]], from: &[[f32; C]], to: &mut [[f32; C]]) {
    for ((target, own), [one, two]) in to.iter_mut().zip(from).zip(neighbours) {
        let (one, two) = (&from[*one as usize], &from[*two as usize]);
        for channel in 0..C {
            target[channel] = own[channel] + 0.5 * (one[channel] + two[channel]);
        }
    }
}

/// Of each axis, the points that are one step away, in the order of their keys.
fn find_neighbours<K: Key, const V: usize>(keys: &[K], steps: [K; V], neighbours: &mut [Vec<[u32; 2]>]) {
    let mut merges: Vec<Merge<'_, K>> = neighbours.iter_mut().zip(steps).map(|(neighbours, step)| Merge::begin(keys, step, neighbours)).collect();
    // In turns, since each waits for what it read last.
    loop {
        let together = merges.iter().map(Merge::sure_steps).min().unwrap_or(0);
        if together == 0 {
            break;
        }
        for _ in 0..together {
            merges.iter_mut().for_each(Merge::advance);
        }
    }
    for mut merge in merges {
        while merge.sure_steps() > 0 {
            merge.advance();
        }
        merge.neighbours.truncate(keys.len());
    }
}

/// The search for the neighbours along an axis: the step adds the same number to every key, so that the wanted keys ascend as the keys do.
struct Merge<'a, K> {
    keys: &'a [K],
    step: K,
    neighbours: &'a mut Vec<[u32; 2]>,
    index: usize,
    candidate: usize,
}

impl<'a, K: Key> Merge<'a, K> {
    /// The point after the last takes what is written where nothing was found.
    fn begin(keys: &'a [K], step: K, neighbours: &'a mut Vec<[u32; 2]>) -> Self {
        neighbours.clear();
        neighbours.resize(keys.len() + 1, [keys.len() as u32; 2]);
        Self { keys, step, neighbours, index: 0, candidate: 0 }
    }

    /// It can advance at least this many times.
    fn sure_steps(&self) -> usize {
        self.keys.len() - self.index.max(self.candidate)
    }

    /// Free of branches that depend on the keys.
    #[inline(always)]
    fn advance(&mut self) {
        let (wanted, key) = (self.keys[self.index].plus(self.step), self.keys[self.candidate]);
        let none = self.keys.len();
        let found = wanted == key;
        self.neighbours[self.index][1] = if found { self.candidate } else { none } as u32;
        self.neighbours[if found { self.candidate } else { none }][0] = self.index as u32;
        self.index += usize::from(wanted <= key);
        self.candidate += usize::from(key <= wanted);
    }
}

/// `sum` += `weight`·`value`, channel by channel.
#[inline(always)]
pub(super) fn add_scaled<const C: usize>(sum: &mut [f32; C], weight: f32, value: &[f32; C]) {
    for (sum, value) in sum.iter_mut().zip(value) {
        *sum += weight * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normalised_filter_is_a_smooth_positive_kernel() {
        let lattice = Lattice::<3>::new(Lattice::default(), 400, [7.0; 2], |point| [(point % 20) as f32 / 3.0, (point / 20) as f32 / 3.0]);
        let mut values = Vec::new();
        lattice.clear::<1>(&mut values);
        lattice.splat(channels_mut(&mut values), 20 * 10 + 10, [1.0]);
        lattice.blur::<1>(&mut values, &mut vec![7.0; 3]);
        let filtered = |x: usize, y: usize| lattice.slice::<1>(channels(&values), y * 20 + x)[0];
        assert!(filtered(10, 10) > filtered(12, 10) && filtered(12, 10) > filtered(15, 10) && filtered(19, 10) < 1e-3);
        // A Gaussian of σ = 3: at a distance of 3 the value is e^-½ of the middle's.
        assert!((filtered(13, 10) / filtered(10, 10) - 0.61).abs() < 0.12, "{}", filtered(13, 10) / filtered(10, 10));
    }

    #[test]
    fn narrow_and_wide_keys_give_the_same_lattice() {
        let feature = |point: usize| std::array::from_fn(|axis| ((point * 37 + axis * 101) % 997) as f32 / 90.0);
        let digits = Digits::<6>::new(&scales::<5>().map(|scale| 12.0 * f64::from(scale)));
        assert!(digits.fit::<u32>());
        let narrow = Lattice::<6>::default().build::<u32, 5>(997, &digits.packing(), feature);
        for wide in [
            Lattice::<6>::default().build::<u64, 5>(997, &digits.packing(), feature),
            Lattice::<6>::default().build::<u128, 5>(997, &digits.packing(), feature),
        ] {
            assert_eq!((&narrow.corners, &narrow.weights, &narrow.neighbours), (&wide.corners, &wide.weights, &wide.neighbours));
        }
    }

    #[test]
    fn neighbours_are_the_points_one_step_away_along_each_axis() {
        let lattice = Lattice::<3>::new(Lattice::default(), 900, [15.0; 2], |point| [(point % 30) as f32 / 2.0, (point / 30) as f32 / 2.0]);
        for axis in &lattice.neighbours {
            for (index, [one, two]) in axis.iter().enumerate() {
                assert!(*one as usize == lattice.size || axis[*one as usize][1] as usize == index);
                assert!(*two as usize == lattice.size || axis[*two as usize][0] as usize == index);
            }
            // Inside of a filled area hardly a point lacks a neighbour.
            assert!(axis.iter().flatten().filter(|neighbour| **neighbour as usize == lattice.size).count() < lattice.size / 4);
        }
    }
}

//! How the coordinates of a lattice's points become keys.

use super::table::Key;

/// A key is a number of mixed radix whose digits stand for the coordinates, so that moving a point is one addition. The digits have room for whatever an
/// image of a size may hold, so that none overflows into the next one.
///
/// The V = D + 1 coordinates of a lattice point sum to 0 and differ by multiples of V. So the digits are (c₀ − c₁)/V, (c₁ − c₂)/V, c₂, (c₃ − c₂)/V and (c₄ − c₃)/V,
/// the first one highest: for features (x, y, …) the first two say where in the image a point lies, and points that are near in the image are near in the
/// order of keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packing<K, const V: usize> {
    /// The key of the point whose coordinates are all 0.
    pub origin: K,
    /// What moves a point by V along an axis; the last coordinate is implied by the others.
    pub steps: [K; V],
    /// What moves a point by 1 along each axis but the last.
    pub ones: K,
}

/// The least value of each digit, and how many it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits<const V: usize> {
    least: [i128; V],
    radix: [i128; V],
}

impl<const V: usize> Digits<V> {
    /// The axis whose coordinate itself is a digit.
    const PIVOT: usize = if V > 3 { 2 } else { V - 2 };

    /// The digits for points whose scaled features lie between 0 and `reach`.
    pub fn new<const D: usize>(reach: &[f64; D]) -> Self {
        const { assert!(V == D + 1) };
        let (mut least, mut radix) = ([0; V], [1; V]);
        for axis in 0..D {
            let nearer = nearer_axis::<V>(axis);
            let (mut low, mut high) = (0.0, 0.0);
            for (feature, reach) in reach.iter().enumerate() {
                let factor = coefficient(axis, feature) - nearer.map_or(0.0, |nearer| coefficient(nearer, feature));
                let term = factor * reach / if nearer.is_some() { V as f64 } else { 1.0 };
                low += f64::min(term, 0.0);
                high += f64::max(term, 0.0);
            }
            // A corner of a point's simplex is less than V away from it along each axis, and so is a neighbour from the corner; the rest is for rounding.
            let margin = if nearer.is_some() { 5 } else { 3 * V as i128 };
            least[axis] = low.floor() as i128 - margin;
            radix[axis] = high.ceil() as i128 + margin + 1 - least[axis];
        }
        Self { least, radix }
    }

    /// Whether every point has a key of this width.
    pub fn fit<K: Key>(&self) -> bool {
        self.radix.iter().try_fold(1i128, |count, radix| count.checked_mul(*radix)).is_some_and(|count| count < K::COUNT)
    }

    /// The packing, whose keys are right where the digits [fit](Self::fit).
    pub fn packing<K: Key>(&self) -> Packing<K, V> {
        let mut places = [0i128; V];
        let mut place = 1i128;
        for axis in (0..V - 1).rev() {
            places[axis] = place;
            place = place.wrapping_mul(self.radix[axis]);
        }
        let origin = (0..V - 1).fold(0i128, |sum, axis| sum.wrapping_sub(places[axis].wrapping_mul(self.least[axis])));
        let mut steps = places;
        steps[Self::PIVOT] = places[Self::PIVOT].wrapping_mul(V as i128);
        // A coordinate is also taken off in the digits of the axes whose nearer axis is its own.
        for (axis, place) in places.iter().enumerate().take(V - 1) {
            if let Some(nearer) = nearer_axis::<V>(axis) {
                steps[nearer] = steps[nearer].wrapping_sub(*place);
            }
        }
        Packing { origin: K::of(origin), steps: steps.map(K::of), ones: K::of(places[Self::PIVOT]) }
    }
}

/// The axis whose coordinate is taken off in the digit of an axis: the next one on the way to the pivot, which has none.
fn nearer_axis<const V: usize>(axis: usize) -> Option<usize> {
    match axis.cmp(&Digits::<V>::PIVOT) {
        std::cmp::Ordering::Less => Some(axis + 1),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(axis - 1),
    }
}

/// How often a scaled feature counts in a coordinate: the sum of the features from that axis on, less `axis` times the one before.
fn coefficient(axis: usize, feature: usize) -> f64 {
    match (feature + 1).cmp(&axis) {
        std::cmp::Ordering::Less => 0.0,
        std::cmp::Ordering::Equal => -(axis as f64),
        std::cmp::Ordering::Greater => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACH: [f64; 5] = [33.0, 19.0, 72.0, 56.0, 46.0];

    /// The digits of a lattice point, by their definition.
    fn digits(point: [i128; 5]) -> [i128; 5] {
        let [a, b, c, d, e] = point;
        [(a - b) / 6, (b - c) / 6, c, (d - c) / 6, (e - d) / 6]
    }

    #[test]
    fn keys_are_the_digits_in_order_and_steps_are_sums() {
        let (fields, packing) = (Digits::<6>::new(&REACH), Digits::<6>::new(&REACH).packing::<u128>());
        let key = |point: [i128; 5]| {
            digits(point).iter().enumerate().fold(0, |key, (axis, digit)| {
                assert!((0..fields.radix[axis]).contains(&(digit - fields.least[axis])), "{point:?}");
                key * fields.radix[axis] + digit - fields.least[axis]
            }) as u128
        };
        assert_eq!(packing.origin, key([0; 5]));
        for point in [[6, 0, -6, 12, 0], [25, 19, -5, -35, -29], [2, 8, 14, -4, -10]] {
            for axis in 0..5 {
                let mut moved = point;
                moved[axis] += 6;
                assert_eq!(key(moved), key(point).plus(packing.steps[axis]), "{point:?} along {axis}");
            }
            assert_eq!(key(point.map(|coordinate| coordinate + 1)), key(point).plus(packing.ones));
        }
        assert!(key([6, 0, 0, 0, 0]) > key([0, 0, -30, -60, -60]), "c0 - c1 leads");
    }

    #[test]
    fn digits_have_room_for_every_corner_and_neighbour_of_a_point_within_reach() {
        let digits = Digits::<6>::new(&REACH);
        for corner in 0..32u32 {
            // An extreme point; its coordinates are linear in the features, so no other one reaches further.
            let feature: [f64; 5] = std::array::from_fn(|axis| if corner >> axis & 1 == 1 { REACH[axis] } else { 0.0 });
            let coordinate = |axis: usize| feature.iter().enumerate().map(|(at, value)| coefficient(axis, at) * value).sum::<f64>();
            for axis in 0..5 {
                let nearer = nearer_axis::<6>(axis);
                let (value, reach) = match nearer {
                    Some(nearer) => ((coordinate(axis) - coordinate(nearer)) / 6.0, 4.0),
                    None => (coordinate(axis), 12.0),
                };
                let (least, most) = (digits.least[axis] as f64, (digits.least[axis] + digits.radix[axis] - 1) as f64);
                assert!(least <= value - reach && value + reach <= most, "{feature:?}: {value} in {least}..{most}");
            }
        }
    }

    #[test]
    fn an_image_of_480x480_has_narrow_keys_and_finer_filters_wider_ones() {
        assert!(Digits::<6>::new(&REACH).fit::<u32>());
        let fine = Digits::<6>::new(&REACH.map(|reach| reach * 100.0));
        assert!(!fine.fit::<u32>() && fine.fit::<u64>());
        assert!(Digits::<6>::new(&[4e6; 5]).fit::<u128>());
    }
}

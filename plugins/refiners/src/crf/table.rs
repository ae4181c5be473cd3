//! The lattice's points by their coordinates.

/// The coordinates of a lattice point, five at most, in one number. Moving a point is one addition: no field can overflow into the next one while the
/// coordinates stay in range.
///
/// The fields hold c₀ − c₁, c₁ − c₂, c₂, c₃ and c₄, the first one highest: for features (x, y, …) the first two say where in the image a point lies, so points that
/// are near in the image are near in the order of keys.
pub(super) trait Key: Copy + Ord {
    /// Bits of a coordinate.
    const BITS: u32;
    /// No point's key.
    const EMPTY: Self;
    /// The key of the point whose coordinates are all 0.
    const ORIGIN: Self;
    /// Moves nothing.
    const ZERO: Self;
    /// The largest magnitude of a coordinate: differences take a bit more.
    const LIMIT: f64 = ((1u32 << (Self::BITS - 2)) - 32) as f64;

    /// What moves a point by 1 along an axis.
    fn unit(axis: usize) -> Self;
    /// What moves a point by 1 along each of the first axes.
    fn ones(axes: usize) -> Self;
    /// `self`, `factor` times.
    fn times(self, factor: i32) -> Self;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The difference.
    fn minus(self, other: Self) -> Self;
    /// Well-mixed bits.
    fn hash(self) -> u64;
}

macro_rules! key {
    ($type:ty, $signed:ty, $bits:expr, $hash:expr) => {
        impl Key for $type {
            const BITS: u32 = $bits;
            const EMPTY: Self = Self::MAX;
            const ORIGIN: Self = {
                let (mut origin, mut axis) = (0, 0);
                while axis < 5 && (axis + 1) * $bits <= Self::BITS {
                    origin |= 1 << (axis * $bits + $bits - 1);
                    axis += 1;
                }
                origin
            };
            const ZERO: Self = 0;

            #[inline(always)]
            fn unit(axis: usize) -> Self {
                let field = |field: usize| 1 << ((4 - field) as u32 * $bits);
                let own: Self = field(axis);
                if axis == 1 || axis == 2 { own.wrapping_sub(field(axis - 1)) } else { own }
            }

            #[inline(always)]
            fn ones(axes: usize) -> Self {
                (0..axes).fold(0, |ones: Self, axis| ones.wrapping_add(Self::unit(axis)))
            }

            #[inline(always)]
            fn times(self, factor: i32) -> Self {
                self.wrapping_mul(<$signed>::from(factor) as $type)
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }

            #[inline(always)]
            fn hash(self) -> u64 {
                let hash: fn($type) -> u64 = $hash;
                hash(self)
            }
        }
    };
}

/// A multiplier of the hash: the fractional part of the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

key!(u64, i64, 12, |key| (key ^ (key >> 31)).wrapping_mul(GOLDEN));
key!(u128, i128, 25, |key| {
    let mixed = (key as u64).wrapping_mul(GOLDEN) ^ ((key >> 64) as u64).wrapping_mul(0x6a09_e667_f3bc_c909).rotate_left(32);
    (mixed ^ (mixed >> 29)).wrapping_mul(GOLDEN)
});

/// An open-addressing hash table from keys to slots, numbered from 0 in the order of insertion.
pub(super) struct PointTable<K> {
    places: Vec<(K, u32)>,
    keys: Vec<K>,
    bits: u32,
}

impl<K: Key> PointTable<K> {
    pub fn with_capacity(points: usize) -> Self {
        let bits = (points.max(8) * 2).next_power_of_two().trailing_zeros();
        Self { places: vec![(K::EMPTY, 0); 1 << bits], keys: Vec::with_capacity(points), bits }
    }

    /// The key of every point, by slot.
    pub fn into_keys(self) -> Vec<K> {
        self.keys
    }

    /// What stands where the search for a key begins. Asked for many keys before any of them is inserted, the memory's delays overlap.
    #[inline(always)]
    pub fn candidate(&self, key: K) -> (K, u32) {
        self.places[self.start(key)]
    }

    /// The slot of a point, which is added where it is new.
    #[inline(always)]
    pub fn insert(&mut self, key: K) -> u32 {
        let at = self.probe(key);
        if self.places[at].0 == key { self.places[at].1 } else { self.add(key, at) }
    }

    fn add(&mut self, key: K, at: usize) -> u32 {
        let slot = self.keys.len() as u32;
        self.keys.push(key);
        self.places[at] = (key, slot);
        if self.keys.len() * 2 > self.places.len() {
            self.grow();
        }
        slot
    }

    #[inline(always)]
    fn start(&self, key: K) -> usize {
        (key.hash() >> (64 - self.bits)) as usize & (self.places.len() - 1)
    }

    /// Where a key stands in the table, or the empty place where it belongs.
    #[inline(always)]
    fn probe(&self, key: K) -> usize {
        let mask = self.places.len() - 1;
        let mut at = self.start(key);
        while self.places[at].0 != key && self.places[at].0 != K::EMPTY {
            at = (at + 1) & mask;
        }
        at
    }

    #[cold]
    fn grow(&mut self) {
        self.bits += 1;
        self.places = vec![(K::EMPTY, 0); 1 << self.bits];
        for (index, key) in self.keys.iter().enumerate() {
            let at = self.probe(*key);
            self.places[at] = (*key, index as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<K: Key + std::fmt::Debug>() {
        let key = |point: [i32; 5]| point.iter().enumerate().fold(K::ORIGIN, |key, (axis, c)| key.plus(K::unit(axis).times(*c)));
        let mut table = PointTable::with_capacity(1);
        let points: Vec<[i32; 5]> = (0..5000).map(|i| [i % 17 - 8, i / 17 - 100, -i / 5, i % 5, 900 - i % 1800]).collect();
        for (slot, point) in (0..).zip(&points) {
            assert_eq!(table.insert(key(*point)), slot);
        }
        for (slot, point) in (0..).zip(&points) {
            assert_eq!(table.insert(key(*point)), slot);
            let moved = K::unit(1).times(7).minus(K::ones(3).times(2));
            assert_eq!(key([point[0] - 2, point[1] + 5, point[2] - 2, point[3], point[4]]), key(*point).plus(moved));
        }
        assert_eq!(table.into_keys().len(), 5000);
        assert!(key([3, 1, 900, 900, 900]) < key([4, 1, -900, -900, -900]), "c0 - c1 leads");
    }

    #[test]
    fn points_keep_their_slots_while_the_table_grows_and_steps_are_sums() {
        check::<u64>();
        check::<u128>();
    }
}

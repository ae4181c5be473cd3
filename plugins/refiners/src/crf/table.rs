//! The lattice's points by their keys.

/// The coordinates of a lattice point in one number, packed by a [`Packing`](super::packing::Packing); the narrower, the more of them a cache holds.
pub(super) trait Key: Copy + Ord {
    /// No point's key.
    const EMPTY: Self;
    /// Moves nothing.
    const ZERO: Self;
    /// How many numbers may be keys.
    const COUNT: i128;
    /// Bits of a key.
    const BITS: u32;
    /// A number, or a step that may be negative: the sum of a key and a step wraps around.
    fn of(number: i128) -> Self;
    /// `self`, `factor` times.
    fn times(self, factor: i32) -> Self;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The difference.
    fn minus(self, other: Self) -> Self;
    /// Well-mixed bits, the upper ones best.
    fn hash(self) -> u32;
    /// The bits from `shift` on; [`RADIX_BITS`] of them make a digit.
    fn above(self, shift: u32) -> Self;
    /// The lowest [`RADIX_BITS`] bits.
    fn digit(self) -> usize;
}

/// Bits of a digit by which keys are sorted: its counts fit into the nearest cache.
const RADIX_BITS: u32 = 11;

/// The keys in their order, each with its place in the list.
///
/// Digit by digit, the lowest first, each pass keeping the order of the one before.
pub(super) fn sorted<K: Key>(keys: Vec<K>) -> Vec<(K, u32)> {
    let mut list: Vec<(K, u32)> = keys.into_iter().zip(0..).collect();
    let highest = list.iter().map(|(key, _)| *key).max().unwrap_or(K::ZERO);
    let mut other = list.clone();
    for shift in (0..K::BITS).step_by(RADIX_BITS as usize).take_while(|shift| *shift == 0 || highest.above(*shift) != K::ZERO) {
        let mut starts = [0u32; 1 << RADIX_BITS];
        list.iter().for_each(|(key, _)| starts[key.above(shift).digit()] += 1);
        let mut sum = 0;
        starts.iter_mut().for_each(|start| sum += std::mem::replace(start, sum));
        for entry in &list {
            let start = &mut starts[entry.0.above(shift).digit()];
            other[*start as usize] = *entry;
            *start += 1;
        }
        std::mem::swap(&mut list, &mut other);
    }
    list
}

macro_rules! key {
    ($type:ty, $hash:expr) => {
        impl Key for $type {
            const EMPTY: Self = Self::MAX;
            const ZERO: Self = 0;
            const BITS: u32 = <$type>::BITS;
            const COUNT: i128 = if Self::BITS < 128 { Self::MAX as i128 } else { i128::MAX };

            fn of(number: i128) -> Self {
                number as $type
            }

            #[inline(always)]
            fn times(self, factor: i32) -> Self {
                self.wrapping_mul(factor as $type)
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
            fn above(self, shift: u32) -> Self {
                self >> shift
            }

            #[inline(always)]
            fn digit(self) -> usize {
                self as usize % (1 << RADIX_BITS)
            }

            #[inline(always)]
            fn hash(self) -> u32 {
                let hash: fn($type) -> u32 = $hash;
                hash(self)
            }
        }
    };
}

/// A multiplier of the hash: the fractional part of the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

key!(u32, |key| (key ^ (key >> 15)).wrapping_mul((GOLDEN >> 32) as u32));
key!(u64, |key| ((key ^ (key >> 31)).wrapping_mul(GOLDEN) >> 32) as u32);
key!(u128, |key| {
    let mixed = (key as u64).wrapping_mul(GOLDEN) ^ ((key >> 64) as u64).wrapping_mul(0x6a09_e667_f3bc_c909).rotate_left(32);
    ((mixed ^ (mixed >> 29)).wrapping_mul(GOLDEN) >> 32) as u32
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
        (u64::from(key.hash()) << self.bits >> 32) as usize & (self.places.len() - 1)
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
        let mut table = PointTable::with_capacity(1);
        let keys: Vec<K> = (0..5000).map(|index| K::of(index * 7919 % 65_521)).collect();
        for (slot, key) in (0..).zip(&keys) {
            assert_eq!(table.insert(*key), slot);
        }
        for (slot, key) in (0..).zip(&keys) {
            assert_eq!(table.insert(*key), slot);
        }
        assert_eq!(table.into_keys(), keys);
    }

    #[test]
    fn keys_are_sorted_with_their_places() {
        fn check<K: Key + std::fmt::Debug>(most: i128) {
            let keys: Vec<K> = (0..3000).map(|index: i128| K::of((index * 7919 % 65_521 * index * index) % most)).collect();
            let mut expected: Vec<(K, u32)> = keys.iter().copied().zip(0..).collect();
            expected.sort();
            assert_eq!(sorted(keys), expected);
        }
        check::<u32>(100);
        check::<u32>(1 << 31);
        check::<u64>(1 << 50);
        check::<u128>(1 << 90);
        assert_eq!(sorted::<u32>(Vec::new()), []);
    }

    #[test]
    fn points_keep_their_slots_while_the_table_grows() {
        check::<u32>();
        check::<u64>();
        check::<u128>();
    }
}

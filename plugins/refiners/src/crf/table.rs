//! The lattice's points by their coordinates.

/// Bits of a coordinate in a packed key; five of them fit.
const BITS: u32 = 25;
/// Added to a coordinate so that it packs as an unsigned number.
const BIAS: i32 = 1 << (BITS - 1);
/// Multipliers of the hash: the fractional parts of the golden ratio and of the square root of 2.
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x6a09_e667_f3bc_c909];

/// Up to five coordinates in one number, each in ±2^24. Shifting a point by a vector is one addition of [`shift`]: no field can overflow
/// into the next one while the coordinates stay in range.
pub(super) fn pack(coordinates: &[i32]) -> u128 {
    coordinates.iter().fold(0, |key, coordinate| (key << BITS) | u128::from((coordinate + BIAS) as u32))
}

/// What to add to a packed key to move the point by a vector.
pub(super) fn shift(vector: &[i32]) -> u128 {
    pack(vector).wrapping_sub(pack(&[0; 5][..vector.len()]))
}

/// An open-addressing hash table from packed coordinates to slots, numbered from 1 in the order of insertion.
pub(super) struct PointTable {
    slots: Vec<u32>,
    keys: Vec<u128>,
    bits: u32,
}

impl PointTable {
    pub fn with_capacity(points: usize) -> Self {
        let bits = (points.max(8) * 2).next_power_of_two().trailing_zeros();
        let mut keys = Vec::with_capacity(points + 1);
        keys.push(0); // slot 0 stands for "no such point"
        Self { slots: vec![0; 1 << bits], keys, bits }
    }

    /// The packed coordinates of every point, from slot 1 on.
    pub fn keys(&self) -> &[u128] {
        &self.keys[1..]
    }

    /// The slot of a point, 0 where there is none.
    pub fn find(&self, key: u128) -> u32 {
        self.slots[self.probe(key)]
    }

    /// The slot of a point, which is added where it is new.
    pub fn insert(&mut self, key: u128) -> u32 {
        let at = self.probe(key);
        if self.slots[at] != 0 {
            return self.slots[at];
        }
        let slot = self.keys.len() as u32;
        self.slots[at] = slot;
        self.keys.push(key);
        if self.keys.len() * 2 > self.slots.len() {
            self.grow();
        }
        slot
    }

    /// Where a key stands in the table, or the empty place where it belongs.
    fn probe(&self, key: u128) -> usize {
        let (low, high) = (key as u64, (key >> 64) as u64);
        let mixed = low.wrapping_mul(MIX[0]) ^ high.wrapping_mul(MIX[1]).rotate_left(32);
        let mut at = ((mixed ^ (mixed >> 29)).wrapping_mul(MIX[0]) >> (64 - self.bits)) as usize;
        while self.slots[at] != 0 && self.keys[self.slots[at] as usize] != key {
            at = (at + 1) & (self.slots.len() - 1);
        }
        at
    }

    fn grow(&mut self) {
        self.bits += 1;
        self.slots = vec![0; 1 << self.bits];
        for slot in 1..self.keys.len() {
            let at = self.probe(self.keys[slot]);
            self.slots[at] = slot as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_keep_their_slots_while_the_table_grows_and_shifts_find_neighbours() {
        let mut table = PointTable::with_capacity(1);
        let points: Vec<[i32; 3]> = (0..5000).map(|i| [i % 17 - 8, i / 17 - 100, -i]).collect();
        for (index, point) in points.iter().enumerate() {
            assert_eq!(table.insert(pack(point)), index as u32 + 1);
        }
        for (index, point) in points.iter().enumerate() {
            assert_eq!(table.find(pack(point)), index as u32 + 1);
            let moved = point.map(|c| c - 2);
            assert_eq!(pack(&[moved[0] + 7, moved[1], moved[2]]), pack(point).wrapping_add(shift(&[5, -2, -2])));
        }
        assert_eq!(table.find(pack(&[9000, 0, 0])), 0);
        assert_eq!(table.keys().len(), 5000);
    }
}

//! The binary affinity of patches (method 1.3) and fast products with its normalised form.

use convert_backbones::torch;
use convert_sdk::{Error, Result};
use tch::{Kind, TchError, Tensor};

/// Rows of cosines that are computed together; a multiple of 8.
const BLOCK: usize = 256;
/// PyTorch's normalize divides by at least this.
const SHORTEST: f64 = 1e-12;

/// A = ε·11ᵀ + (1 − ε)·B with B_ij = 1 where the cosine of patches i and j is above τ, packed into bits.
///
/// Memory: n²/8 bytes.
#[derive(Clone, Debug)]
pub struct Affinity {
    patches: usize,
    epsilon: f64,
    /// Plane by plane: byte `i` of plane `p` holds B's row `i`, columns `8p` to `8p + 7`.
    planes: Vec<u8>,
    /// Whether a patch takes part; the others' rows and columns of B are zero.
    active: Vec<bool>,
}

impl Affinity {
    /// The affinity of `patches` vectors, stored one after the other. A vector of zeros is like no patch, not even itself.
    ///
    /// # Errors
    /// Values that are not a whole number of vectors; what libtorch says.
    pub fn new(values: &[f32], patches: usize, tau: f32, epsilon: f64) -> Result<Self> {
        let (mut affinity, unit, zero) = Self::unset(values, patches, epsilon)?;
        torch(|| affinity.compare(&unit, values.len() / patches, tau))?;
        affinity.remove(&zero);
        Ok(affinity)
    }

    /// The same of a tensor `[patches, d]` of floats, computed where it lies; its bits alone come to the machine's memory. Takes 8·n² bytes there for a moment.
    ///
    /// # Errors
    /// What libtorch says, as when the device's memory is used up.
    pub fn of_tensor(features: &Tensor, tau: f32, epsilon: f64) -> Result<Self> {
        let patches = features.size()[0] as usize;
        if patches == 0 {
            return Self::new(&[], 0, tau, epsilon);
        }
        let count = patches.div_ceil(8);
        let (planes, zero) = torch(|| {
            let device = features.device();
            let exact = features.f_to_kind(Kind::Double)?;
            let norms = exact.f_square()?.f_sum_dim_intlist(1i64, true, Kind::Double)?.f_sqrt()?;
            let zero = Vec::<bool>::try_from(&norms.f_le(SHORTEST)?.f_view([-1])?)?;
            let unit = exact.f_mul(&norms.f_clamp_min(SHORTEST)?.f_reciprocal()?)?.f_to_kind(Kind::Float)?;
            let lower = unit.f_mm(&unit.f_tr()?)?.f_gt(f64::from(tau))?.f_tril(0)?;
            let alike = lower.f_logical_or(&lower.f_tr()?)?.f_to_kind(Kind::Uint8)?;
            // Eight columns a byte, the first in the lowest bit; plane by plane.
            let bits = alike.f_constant_pad_nd([0, (8 * count - patches) as i64])?.f_view([patches as i64, count as i64, 8])?;
            let weights = Tensor::f_from_slice(&[1u8, 2, 4, 8, 16, 32, 64, 128])?.f_to_device(device)?;
            let bytes = bits.f_mul(&weights)?.f_sum_dim_intlist(-1i64, false, Kind::Uint8)?.f_tr()?.f_contiguous()?;
            Ok((Vec::<u8>::try_from(&bytes.f_view([-1])?)?, zero))
        })?;
        let mut affinity = Self { patches, epsilon, planes, active: vec![true; patches] };
        affinity.remove(&zero);
        Ok(affinity)
    }

    /// Without any patches that are alike; besides it the unit vectors, and which of them are zero.
    fn unset(values: &[f32], patches: usize, epsilon: f64) -> Result<(Self, Vec<f32>, Vec<bool>)> {
        if patches == 0 || !values.len().is_multiple_of(patches) {
            return Err(Error::invalid(format!("{} feature values are not whole vectors for {patches} patches", values.len())));
        }
        let (unit, active) = normalise(values, patches, values.len() / patches);
        let zero = active.iter().map(|active| !active).collect();
        Ok((Self { patches, epsilon, planes: vec![0u8; patches * patches.div_ceil(8)], active: vec![true; patches] }, unit, zero))
    }

    /// Sets B from unit vectors: blocks of rows of cosines, of which those right of the diagonal are computed and mirrored.
    fn compare(&mut self, unit: &[f32], dimension: usize, tau: f32) -> Result<(), TchError> {
        let patches = self.patches;
        let features = Tensor::f_from_slice(unit)?.f_view([patches as i64, dimension as i64])?;
        let mut above = vec![0u8; BLOCK.min(patches) * patches];
        for start in (0..patches).step_by(BLOCK) {
            let (rows, columns) = (BLOCK.min(patches - start), patches - start);
            let part = |count: usize| features.f_narrow(0, start as i64, count as i64);
            let cosines = part(rows)?.f_mm(&part(columns)?.f_tr()?)?;
            cosines.f_gt(f64::from(tau))?.f_copy_data_u8(&mut above, rows * columns)?;
            for (index, rows) in above[..rows * columns].chunks(8 * columns).enumerate() {
                self.set_rows(start + 8 * index, rows, columns);
            }
        }
        Ok(())
    }

    /// Sets up to eight rows of B from `first` on, and the columns that mirror them. Each of the rows ends with the last column and has `columns` of 0 or 1.
    fn set_rows(&mut self, first: usize, rows: &[u8], columns: usize) {
        let patches = self.patches;
        let skipped = columns - (patches - first);
        let plane = &mut self.planes[first / 8 * patches..][first..patches];
        for (bit, row) in rows.chunks_exact(columns).enumerate() {
            plane.iter_mut().zip(&row[skipped..]).for_each(|(byte, above)| *byte |= above << bit);
        }
        for column in (first..patches).step_by(8) {
            let width = 8.min(patches - column);
            let place = first / 8 * patches + column;
            let mut bytes = [0u8; 8];
            bytes[..width].copy_from_slice(&self.planes[place..place + width]);
            let block = u64::from_le_bytes(bytes);
            if column == first {
                // The diagonal's block is made symmetric, whatever rounding did to one half of it.
                const LOWER: u64 = 0xff7f_3f1f_0f07_0301;
                let lower = block & LOWER;
                self.planes[place..place + width].copy_from_slice(&(lower | transpose(lower)).to_le_bytes()[..width]);
            } else {
                self.planes[column / 8 * patches + first..][..8].copy_from_slice(&transpose(block).to_le_bytes());
            }
        }
    }

    /// n, the number of patches.
    pub fn patches(&self) -> usize {
        self.patches
    }

    /// Whether any patch is left to be cut.
    pub fn has_active(&self) -> bool {
        self.active.contains(&true)
    }

    /// Takes patches out as if their features were zero (method 1.8).
    pub fn remove(&mut self, mask: &[bool]) {
        for (patch, _) in mask.iter().enumerate().filter(|(_, removed)| **removed) {
            self.active[patch] = false;
            for plane in self.planes.chunks_exact_mut(self.patches) {
                plane[patch] = 0;
            }
            for byte in &mut self.planes[patch / 8 * self.patches..][..self.patches] {
                *byte &= !(1 << (patch % 8));
            }
        }
    }

    /// Which patches take part.
    pub fn active(&self) -> &[bool] {
        &self.active
    }

    /// Which patches are alike to a patch; none, not even itself, where it takes no part.
    pub fn alike(&self, patch: usize) -> Vec<bool> {
        let plane = &self.planes[patch / 8 * self.patches..][..self.patches];
        plane.iter().map(|byte| byte >> (patch % 8) & 1 == 1).collect()
    }

    /// The normalised cut between the patches of a mask and the others (Shi and Malik 2000, equation 2), in [0, 2]; none where either side is empty.
    pub fn normalised_cut(&self, mask: &[bool]) -> Option<f64> {
        let inside: Vec<f64> = mask.iter().map(|inside| f64::from(u8::from(*inside))).collect();
        let mut within = vec![0.0; self.patches];
        self.multiply(&inside, &mut within);
        let dot = |numbers: &[f64]| inside.iter().zip(numbers).map(|(inside, number)| inside * number).sum::<f64>();
        let degrees = self.degrees();
        let (kept, part, whole) = (dot(&within), dot(&degrees), degrees.iter().sum::<f64>());
        let cut = part - kept;
        (part > 0.0 && mask.contains(&false)).then(|| cut / part + cut / (whole - part))
    }

    /// The affinity of the patches that take part alone.
    pub fn active_part(&self) -> Self {
        let places: Vec<usize> = (0..self.patches).filter(|patch| self.active[*patch]).collect();
        let mut planes = vec![0u8; places.len() * places.len().div_ceil(8)];
        for (column, from) in places.iter().enumerate() {
            let source = &self.planes[from / 8 * self.patches..][..self.patches];
            let target = &mut planes[column / 8 * places.len()..][..places.len()];
            for (byte, place) in target.iter_mut().zip(&places) {
                *byte |= (source[*place] >> (from % 8) & 1) << (column % 8);
            }
        }
        Self { patches: places.len(), epsilon: self.epsilon, planes, active: vec![true; places.len()] }
    }

    /// D's diagonal: the row sums of A.
    pub fn degrees(&self) -> Vec<f64> {
        let mut counts = vec![0u32; self.patches];
        for plane in self.planes.chunks_exact(self.patches) {
            for (count, byte) in counts.iter_mut().zip(plane) {
                *count += byte.count_ones();
            }
        }
        let everywhere = self.epsilon * self.patches as f64;
        counts.into_iter().map(|count| everywhere + (1.0 - self.epsilon) * f64::from(count)).collect()
    }

    /// `product` = A·`vector`. The vector is taken eight entries at a time, whose 256 sums are looked up.
    pub fn multiply(&self, vector: &[f64], product: &mut [f64]) {
        let everywhere = self.epsilon * vector.iter().sum::<f64>();
        product.fill(0.0);
        let mut sums = [0.0f64; 256];
        for (plane, entries) in self.planes.chunks_exact(self.patches).zip(vector.chunks(8)) {
            for (bit, entry) in entries.iter().enumerate() {
                let half = 1 << bit;
                let (known, new) = sums.split_at_mut(half);
                for (new, known) in new[..half].iter_mut().zip(known) {
                    *new = *known + entry;
                }
            }
            for (value, byte) in product.iter_mut().zip(plane) {
                *value += sums[usize::from(*byte)];
            }
        }
        for value in product {
            *value = everywhere + (1.0 - self.epsilon) * *value;
        }
    }
}

/// Unit vectors, and which of them are not zero.
fn normalise(values: &[f32], patches: usize, dimension: usize) -> (Vec<f32>, Vec<bool>) {
    let mut unit = values.to_vec();
    let mut active = vec![false; patches];
    for (vector, active) in unit.chunks_exact_mut(dimension.max(1)).zip(&mut active) {
        let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        *active = norm > SHORTEST;
        let inverse = 1.0 / norm.max(SHORTEST);
        vector.iter_mut().for_each(|value| *value = (f64::from(*value) * inverse) as f32);
    }
    (unit, active)
}

/// Transposes 8x8 bits, one row a byte (Hacker's Delight, 7-3).
fn transpose(mut bits: u64) -> u64 {
    for (shift, mask) in [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let swapped = (bits ^ (bits >> shift)) & mask;
        bits ^= swapped ^ (swapped << shift);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(patches: usize) -> Vec<f32> {
        (0..patches * 3).map(|i| ((i * 7919 + 13) % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn dense(values: &[f32], tau: f32) -> Vec<Vec<f64>> {
        let vectors: Vec<&[f32]> = values.chunks(3).collect();
        let cosine = |a: &[f32], b: &[f32]| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        vectors.iter().map(|a| vectors.iter().map(|b| if cosine(a, b) > f64::from(tau) { 1.0 } else { 1e-5 }).collect()).collect()
    }

    #[test]
    fn products_and_degrees_are_those_of_the_dense_matrix() {
        let values = features(37);
        let affinity = Affinity::new(&values, 37, 0.3, 1e-5).unwrap();
        let vector: Vec<f64> = (0..37).map(|i| (i as f64 * 0.7).sin()).collect();
        let mut product = vec![0.0; 37];
        affinity.multiply(&vector, &mut product);
        for ((row, value), degree) in dense(&values, 0.3).iter().zip(&product).zip(affinity.degrees()) {
            assert!((row.iter().zip(&vector).map(|(a, v)| a * v).sum::<f64>() - value).abs() < 1e-12);
            assert!((row.iter().sum::<f64>() - degree).abs() < 1e-12);
        }
    }

    #[test]
    fn several_blocks_and_any_remainder_give_the_dense_matrix() {
        for patches in [1, 7, 8, 255, 300, 517] {
            let values = features(patches);
            let affinity = Affinity::new(&values, patches, 0.3, 1e-5).unwrap();
            let bit = |row: usize, column: usize| affinity.planes[column / 8 * patches + row] >> (column % 8) & 1 == 1;
            for (row, expected) in dense(&values, 0.3).iter().enumerate() {
                for (column, expected) in expected.iter().enumerate() {
                    assert_eq!(bit(row, column), *expected == 1.0, "{patches} patches, row {row}, column {column}");
                }
            }
        }
    }

    #[test]
    fn the_affinity_of_a_tensor_is_that_of_its_values() {
        for patches in [1, 7, 8, 255, 300, 517] {
            let mut values = features(patches);
            values[..3].fill(0.0);
            let tensor = torch(|| Tensor::f_from_slice(&values)?.f_view([patches as i64, 3])).unwrap();
            let [of_values, of_tensor] = [Affinity::new(&values, patches, 0.3, 1e-5).unwrap(), Affinity::of_tensor(&tensor, 0.3, 1e-5).unwrap()];
            assert_eq!((of_tensor.patches, &of_tensor.active), (patches, &of_values.active));
            assert!(of_tensor.planes == of_values.planes, "{patches} patches");
        }
    }

    #[test]
    fn rows_and_normalised_cuts_are_those_of_the_dense_matrix() {
        let values = features(37);
        let affinity = Affinity::new(&values, 37, 0.3, 1e-5).unwrap();
        let dense = dense(&values, 0.3);
        let mask = affinity.alike(9);
        assert_eq!(mask, dense[9].iter().map(|value| *value == 1.0).collect::<Vec<_>>());
        // By the definition: cut(A, B) / assoc(A, V) + cut(A, B) / assoc(B, V).
        let sum = |from: bool, to: &[bool]| {
            let pairs = (0..37).flat_map(|i| (0..37).map(move |j| (i, j)));
            pairs.filter(|(i, j)| mask[*i] == from && to.contains(&mask[*j])).map(|(i, j)| dense[i][j]).sum::<f64>()
        };
        let expected = sum(true, &[false]) / sum(true, &[true, false]) + sum(true, &[false]) / sum(false, &[true, false]);
        assert!((affinity.normalised_cut(&mask).unwrap() - expected).abs() < 1e-12, "{expected}");
        assert_eq!([vec![true; 37], vec![false; 37]].map(|one_side| affinity.normalised_cut(&one_side)), [None, None]);
    }

    #[test]
    fn removed_patches_are_as_patches_of_zeros() {
        let mut values = features(37);
        let mut removed = Affinity::new(&values, 37, 0.3, 1e-5).unwrap();
        let mask: Vec<bool> = (0..37).map(|i| i % 3 == 0).collect();
        removed.remove(&mask);
        values.chunks_mut(3).zip(&mask).filter(|(_, removed)| **removed).for_each(|(vector, _)| vector.fill(0.0));
        let zeroed = Affinity::new(&values, 37, 0.3, 1e-5).unwrap();
        assert_eq!((removed.planes, removed.active), (zeroed.planes, zeroed.active));
    }

    #[test]
    fn the_active_part_is_the_affinity_of_the_patches_left() {
        let values = features(37);
        let mut affinity = Affinity::new(&values, 37, 0.3, 1e-5).unwrap();
        let mask: Vec<bool> = (0..37).map(|i| i % 3 == 0).collect();
        affinity.remove(&mask);
        let left: Vec<f32> = values.chunks(3).zip(&mask).filter(|(_, removed)| !**removed).flat_map(|(vector, _)| vector.to_vec()).collect();
        assert_eq!(affinity.active_part().planes, Affinity::new(&left, left.len() / 3, 0.3, 1e-5).unwrap().planes);
    }
}

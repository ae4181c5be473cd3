//! Where a tensor lies in a file.

use safetensors::Dtype;

/// Where a tensor lies in its file. Little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The type of its elements, a whole number of bytes each.
    pub dtype: Dtype,
    /// Its sides.
    pub shape: Vec<usize>,
    /// The distance between neighbours along each side, in elements.
    pub strides: Vec<usize>,
    /// The place of its first element, in bytes from the file's beginning.
    pub offset: u64,
}

impl Entry {
    /// How many elements it has.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes an element.
    pub fn element_size(&self) -> usize {
        self.dtype.bitsize() / 8
    }

    /// Whether its elements lie one after the other in row order.
    pub fn is_contiguous(&self) -> bool {
        if self.elements() == 0 {
            return true;
        }
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(side, stride)| {
            let fits = *side == 1 || *stride == expected;
            expected *= side;
            fits
        })
    }

    /// How many elements lie from its first to its last one, both included.
    pub(crate) fn extent(&self) -> Option<usize> {
        if self.elements() == 0 {
            return Some(0);
        }
        let sides = self.shape.iter().zip(&self.strides);
        sides.map(|(side, stride)| (side - 1).checked_mul(*stride)).try_fold(1usize, |sum, part| sum.checked_add(part?))
    }

    /// Strides of a tensor in row order.
    pub(crate) fn row_order(shape: &[usize]) -> Vec<usize> {
        let mut strides = vec![1usize; shape.len()];
        for side in (1..shape.len()).rev() {
            strides[side - 1] = strides[side].saturating_mul(shape[side]);
        }
        strides
    }
}

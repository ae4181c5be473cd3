//! Where a tensor of a pickle lies.

use std::rc::Rc;

use safetensors::Dtype;

/// A run of numbers that tensors lie in.
#[derive(Clone, Debug)]
pub struct Storage {
    pub dtype: Dtype,
    pub key: Rc<str>,
    pub elements: usize,
}

/// A tensor before its storage is found.
#[derive(Debug)]
pub struct TensorPlace {
    pub storage: Rc<Storage>,
    /// The index of its first element in the storage.
    pub first: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl Storage {
    /// Bytes an element.
    pub fn element_size(&self) -> usize {
        self.dtype.bitsize() / 8
    }
}

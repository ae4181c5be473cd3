//! What a backbone gives of an image.

/// The feature vectors of an image's patches.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Patches down the image, h'.
    pub rows: usize,
    /// Patches across the image, w'.
    pub columns: usize,
    /// Numbers a patch, d.
    pub dimension: usize,
    /// `[rows * columns, dimension]`, row by row; finite.
    pub values: Vec<f32>,
}

impl Features {
    /// The vector of a patch, counted row by row.
    pub fn patch(&self, index: usize) -> &[f32] {
        &self.values[index * self.dimension..(index + 1) * self.dimension]
    }
}

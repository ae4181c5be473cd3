//! The form of a model's blocks.

use tch::Kind;

/// What every block of a model has alike.
#[derive(Clone, Copy, Debug)]
pub struct BlockForm {
    pub width: i64,
    pub heads: i64,
    pub epsilon: f64,
    /// The numbers of matrix products.
    pub kind: Kind,
    /// Whether queries, keys and values may go without a bias: some of DINOv3's do.
    pub may_lack_bias: bool,
}

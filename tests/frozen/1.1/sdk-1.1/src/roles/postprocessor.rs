use super::LabelledRegion;
use crate::{LabelVector, Result};

/// Role `postprocessor`: adjusts image-level labels, for classes that people confuse (paper, supplement E).
pub trait Postprocessor: Send + Sync {
    /// The adjusted labels of an image whose single label is `label`.
    fn adjust(&self, label: u32, labels: &LabelVector, regions: &[LabelledRegion]) -> Result<LabelVector>;
}

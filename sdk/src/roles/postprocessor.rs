use super::{LabelledRegion, PluginConfig};
use crate::{Context, LabelVector, Result};

/// Role `postprocessor`: adjusts image-level labels, for classes that people confuse (paper, supplement E).
pub trait Postprocessor: Send + Sync {
    /// The plugin's section of the recipe.
    type Config: PluginConfig
    where
        Self: Sized;

    /// Builds the postprocessor; calibration files are read here.
    fn new(config: Self::Config, context: Context) -> Result<Self>
    where
        Self: Sized;

    /// The adjusted labels of an image whose single label is `label`.
    fn adjust(&self, label: u32, labels: &LabelVector, regions: &[LabelledRegion]) -> Result<LabelVector>;
}

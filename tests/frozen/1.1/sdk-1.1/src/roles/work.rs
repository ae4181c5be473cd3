use serde::{Deserialize, Serialize};

/// What the work on an image costs, for the estimates of `convert check`; 0 where it is not known or too little to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// Floating-point operations for an image in `propose`, `refine` or `predict`; a multiply-add is two.
    pub flops: u64,
    /// Those for each image of a labeler's `train`, all epochs together.
    pub training_flops: u64,
    /// The most masks that a proposer or refiner makes of an image.
    pub masks: u64,
    /// The pixels of each of them.
    pub mask_pixels: u64,
    /// Bytes of the device's memory that the loaded plugin holds, whatever it works on: its weights.
    pub memory: u64,
}

impl Work {
    /// Work that costs nothing and leaves the masks as they are.
    pub(crate) fn masks_alone(&self) -> Self {
        Self { masks: self.masks, mask_pixels: self.mask_pixels, ..Self::default() }
    }
}

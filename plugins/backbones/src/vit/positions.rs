//! Learned position embeddings for another grid than the one they were trained on.

use tch::{TchError, Tensor};

/// What DINO, and DINOv2 without registers, add to the wanted side before they divide by the stored one, against rounding (facebookresearch/dino#8); it
/// shifts the samples a little.
const OFFSET: f64 = 0.1;

/// How a family resamples its positions, all bicubic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampling {
    /// By the scale (side + 0.1) / grid: DINO's and DINOv2's `interpolate_pos_encoding`.
    Offset,
    /// To the size, antialiased: DINOv2's with registers.
    Antialiased,
}

/// The embeddings `[1, 1 + side², width]` from stored ones `[1, 1 + grid², width]`.
pub fn interpolated(stored: &Tensor, side: i64, resampling: Resampling) -> Result<Tensor, TchError> {
    let (count, width) = (stored.size()[1] - 1, stored.size()[2]);
    let grid = count.isqrt();
    if grid == side {
        return Ok(stored.shallow_clone());
    }
    let patches = stored.f_narrow(1, 1, count)?.f_reshape([1, grid, grid, width])?.f_permute([0, 3, 1, 2])?;
    let patches = match resampling {
        Resampling::Offset => {
            let scale = (side as f64 + OFFSET) / grid as f64;
            patches.f_upsample_bicubic2d([side, side], false, scale, scale)?
        }
        Resampling::Antialiased => patches.f_internal_upsample_bicubic2d_aa([side, side], false, None, None)?,
    };
    let patches = patches.f_permute([0, 2, 3, 1])?.f_reshape([1, side * side, width])?;
    Tensor::f_cat(&[stored.f_narrow(1, 0, 1)?, patches], 1)
}

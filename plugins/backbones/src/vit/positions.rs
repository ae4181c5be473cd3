//! Position embeddings for another grid than the one they were trained on.

use tch::{TchError, Tensor};

/// What DINO adds to the wanted side before it divides by the stored one, against rounding (facebookresearch/dino#8); it shifts the samples a little.
const OFFSET: f64 = 0.1;

/// The embeddings `[1, 1 + side², width]` from stored ones `[1, 1 + grid², width]`: bicubic, as DINO's `interpolate_pos_encoding` has it.
pub fn interpolated(stored: &Tensor, side: i64) -> Result<Tensor, TchError> {
    let (count, width) = (stored.size()[1] - 1, stored.size()[2]);
    let grid = count.isqrt();
    if grid == side {
        return Ok(stored.shallow_clone());
    }
    let scale = (side as f64 + OFFSET) / grid as f64;
    let patches = stored
        .f_narrow(1, 1, count)?
        .f_reshape([1, grid, grid, width])?
        .f_permute([0, 3, 1, 2])?
        .f_upsample_bicubic2d([side, side], false, scale, scale)?
        .f_permute([0, 2, 3, 1])?
        .f_reshape([1, side * side, width])?;
    Tensor::f_cat(&[stored.f_narrow(1, 0, 1)?, patches], 1)
}

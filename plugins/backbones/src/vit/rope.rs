//! DINOv3's rotary position embedding (Siméoni et al. 2025, <https://arxiv.org/abs/2508.10104>; `layers/rope_position_encoding.py` of facebookresearch/dinov3).

use std::f64::consts::TAU;

use tch::{Device, Kind, TchError, Tensor};

/// The base of the periods in all published models.
pub const BASE: f64 = 100.0;

/// The rotation of every token's query and key for one grid. Tokens that are no patches are not turned.
#[derive(Debug)]
pub struct Rotation {
    /// `[tokens, 1, channels]`, over heads.
    cos: Tensor,
    /// `[tokens, 1, channels / 2]`.
    sin: Tensor,
    minus_sin: Tensor,
}

/// base^(4i / channels) for i below channels / 4: one period a pair of channels, for either axis.
pub fn periods(base: f64, channels: i64) -> Vec<f64> {
    (0..channels / 4).map(|index| base.powf(4.0 * index as f64 / channels as f64)).collect()
}

impl Rotation {
    /// For `extra` tokens and then a grid of `side` x `side` patches, whose centres lie at (i + ½) / side, mapped to [-1, 1].
    pub fn new(periods: &[f64], side: i64, extra: i64, device: Device) -> Result<Self, TchError> {
        let half = periods.len() * 2;
        let mut angles = vec![0.0f64; extra as usize * half];
        let centre = |index: i64| 2.0 * (index as f64 + 0.5) / side as f64 - 1.0;
        for (row, column) in (0..side).flat_map(|row| (0..side).map(move |column| (row, column))) {
            for coordinate in [centre(row), centre(column)] {
                angles.extend(periods.iter().map(|period| TAU * coordinate / period));
            }
        }
        let table = |function: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|angle| function(*angle) as f32).collect();
            Tensor::f_from_slice(&values)?.f_view([-1, 1, half as i64])?.f_to_device(device)
        };
        let (cos, sin) = (table(f64::cos)?, table(f64::sin)?);
        Ok(Self { cos: Tensor::f_cat(&[&cos, &cos], 2)?, minus_sin: sin.f_neg()?, sin })
    }

    pub fn handles(&self) -> Self {
        Self { cos: self.cos.shallow_clone(), sin: self.sin.shallow_clone(), minus_sin: self.minus_sin.shallow_clone() }
    }

    /// Turns `[images, tokens, heads, channels]`: channel i together with channel i + channels / 2.
    pub fn apply(&self, vectors: &Tensor) -> Result<Tensor, TchError> {
        let kind = vectors.kind();
        let vectors = vectors.f_to_kind(Kind::Float)?;
        let half = vectors.size()[3] / 2;
        let turned = vectors.f_mul(&self.cos)?;
        let (first, second) = (vectors.f_narrow(3, 0, half)?, vectors.f_narrow(3, half, half)?);
        let _ = turned.f_narrow(3, 0, half)?.f_addcmul_(&second, &self.minus_sin)?;
        let _ = turned.f_narrow(3, half, half)?.f_addcmul_(&first, &self.sin)?;
        turned.f_to_kind(kind)
    }
}

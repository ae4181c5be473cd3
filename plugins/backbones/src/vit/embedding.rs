//! From pixels to tokens: patch embedding, extra tokens, positions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use convert_sdk::Result;
use tch::{Device, Kind, TchError, Tensor};

use super::form::BlockForm;
use super::linear::Linear;
use super::positions::{Resampling, interpolated};
use super::rope::{self, Rotation};
use crate::family::Family;
use crate::torch::torch;
use crate::weights::Weights;

/// The weights in front of the blocks.
#[derive(Debug)]
pub struct Embedding {
    patches: Linear,
    /// The side of a patch in pixels.
    patch: i64,
    cls: Tensor,
    /// Registers, called storage tokens in DINOv3: `[1, count, width]`.
    registers: Option<Tensor>,
    positions: Positions,
    device: Device,
    /// Positions by patches a side, made at the first call.
    known: Arc<Mutex<BTreeMap<i64, Known>>>,
}

#[derive(Debug)]
enum Positions {
    /// Added to the tokens, `[1, 1 + grid², width]`.
    Learned { stored: Tensor, resampling: Resampling },
    /// Turns queries and keys in every block.
    Rotary { periods: Vec<f64> },
}

#[derive(Debug)]
enum Known {
    Added(Tensor),
    Turned(Rotation),
}

impl Embedding {
    pub fn take(weights: &Weights, form: &BlockForm, patch: i64, device: Device) -> Result<Self> {
        let (width, family) = (form.width, weights.family());
        let weight = weights.take("patch_embed.proj.weight", &[width, 3, patch, patch], Kind::Float)?;
        let patches = Linear {
            weight: torch(|| weight.f_view([width, 3 * patch * patch]))?,
            bias: Some(weights.take("patch_embed.proj.bias", &[width], Kind::Float)?),
        };
        let name = if family == Family::Dinov3 { "storage_tokens" } else { "register_tokens" };
        let registers = if weights.has(name) {
            let [_, count, _] = weights.shape(name, "[1, registers, width]")?;
            Some(weights.take(name, &[1, count, width], Kind::Float)?)
        } else {
            None
        };
        let positions = if family == Family::Dinov3 {
            Positions::Rotary { periods: periods(weights, form)? }
        } else {
            let resampling = if registers.is_some() { Resampling::Antialiased } else { Resampling::Offset };
            Positions::Learned { stored: learned(weights, width)?, resampling }
        };
        let cls = weights.take("cls_token", &[1, 1, width], Kind::Float)?;
        Ok(Self { patches, patch, cls, registers, positions, device, known: Arc::default() })
    }

    pub fn handles(&self) -> Self {
        let positions = match &self.positions {
            Positions::Learned { stored, resampling } => Positions::Learned { stored: stored.shallow_clone(), resampling: *resampling },
            Positions::Rotary { periods } => Positions::Rotary { periods: periods.clone() },
        };
        Self {
            patches: self.patches.handles(),
            patch: self.patch,
            cls: self.cls.shallow_clone(),
            registers: self.registers.as_ref().map(Tensor::shallow_clone),
            positions,
            device: self.device,
            known: Arc::clone(&self.known),
        }
    }

    /// Tokens before those of the patches: cls and registers.
    pub fn extra_tokens(&self) -> i64 {
        1 + self.registers.as_ref().map_or(0, |registers| registers.size()[1])
    }

    /// The tokens of images `[images, 3, S, S]` with `side` patches a side: `[images, tokens, width]`.
    pub fn tokens(&self, pixels: &Tensor, side: i64) -> Result<Tensor, TchError> {
        let (images, width) = (pixels.size()[0], self.patches.weight.size()[0]);
        // As a matrix product and not as the convolution that it is: cuDNN would round its numbers to TF32.
        let patches = pixels.f_view([images, 3, side, self.patch, side, self.patch])?.f_permute([0, 2, 4, 1, 3, 5])?;
        let patches = self.patches.forward(&patches.f_reshape([images, side * side, -1])?)?;
        let cls = self.cls.f_expand([images, 1, width], false)?;
        let registers = self.registers.as_ref().map(|registers| registers.f_expand([images, -1, width], false)).transpose()?;
        match self.added(side)? {
            // Registers have no position.
            Some(positions) => {
                let tokens = Tensor::f_cat(&[cls, patches], 1)?.f_add(&positions)?;
                let Some(registers) = registers else { return Ok(tokens) };
                Tensor::f_cat(&[tokens.f_narrow(1, 0, 1)?, registers, tokens.f_narrow(1, 1, side * side)?], 1)
            }
            None => Tensor::f_cat(&std::iter::once(cls).chain(registers).chain([patches]).collect::<Vec<_>>(), 1),
        }
    }

    fn added(&self, side: i64) -> Result<Option<Tensor>, TchError> {
        let Positions::Learned { stored, resampling } = &self.positions else { return Ok(None) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Known::Added(positions)) = known.get(&side) {
            return Ok(Some(positions.shallow_clone()));
        }
        let positions = interpolated(stored, side, *resampling)?;
        known.insert(side, Known::Added(positions.shallow_clone()));
        Ok(Some(positions))
    }

    /// The rotation of queries and keys, in a family that has one.
    pub fn rotation(&self, side: i64) -> Result<Option<Rotation>, TchError> {
        let Positions::Rotary { periods } = &self.positions else { return Ok(None) };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Known::Turned(rotation)) = known.get(&side) {
            return Ok(Some(rotation.handles()));
        }
        let rotation = Rotation::new(periods, side, self.extra_tokens(), self.device)?;
        known.insert(side, Known::Turned(rotation.handles()));
        Ok(Some(rotation))
    }
}

fn learned(weights: &Weights, width: i64) -> Result<Tensor> {
    let [_, tokens, _] = weights.shape("pos_embed", "[1, 1 + patches, width]")?;
    let grid = (tokens - 1).max(0).isqrt();
    if grid == 0 || grid * grid != tokens - 1 {
        return Err(weights.error(format!("tensor pos_embed has {tokens} positions, which is not 1 + a square")));
    }
    weights.take("pos_embed", &[1, tokens, width], Kind::Float)
}

/// The stored periods, or those of the base that the hub's config names.
fn periods(weights: &Weights, form: &BlockForm) -> Result<Vec<f64>> {
    let channels = form.width / form.heads;
    if channels % 4 != 0 {
        return Err(weights.error(format!("its heads have {channels} channels, which rotary positions cannot split into four: set heads")));
    }
    if !weights.has("rope_embed.periods") {
        return Ok(rope::periods(weights.hub().rope_theta.unwrap_or(rope::BASE), channels));
    }
    let stored = weights.take("rope_embed.periods", &[channels / 4], Kind::Double)?;
    torch(|| Vec::<f64>::try_from(&stored.f_to_device(Device::Cpu)?))
}

//! Family `dinov1`: the plain vision transformer under DINO's tensor names (Caron et al. 2021, <https://arxiv.org/abs/2104.14294>).
//!
//! Width, depth, patch size and position grid are read from the weights' shapes. Tensor names and the order of operations are those of
//! `vision_transformer.py` in facebookresearch/dino.

mod block;
mod positions;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use convert_sdk::{Context, Error, Image, Result};
use tch::{Device, TchError, Tensor};

use crate::backbone::Features;
use crate::checkpoint::Checkpoint;
use crate::config::{BackboneConfig, FeatureKind, FeatureRequest};
use crate::torch::{device, torch};
use block::{Block, Linear, Norm};

const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];
/// Channels of a head in every published model of the family.
const HEAD_WIDTH: i64 = 64;

/// A loaded vision transformer.
#[derive(Debug)]
pub struct Vit {
    patch_size: i64,
    width: i64,
    depth: usize,
    heads: i64,
    device: Device,
    normalisation: Normalisation,
    /// A tensor may move between threads but not be shared, so each call takes its own handles to the same memory.
    weights: Mutex<Weights>,
    /// The position embeddings, by patches a side.
    positions: Mutex<BTreeMap<i64, Tensor>>,
}

/// Handles to the weights.
#[derive(Debug)]
struct Weights {
    patches: Linear,
    cls: Tensor,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: Norm,
}

/// What each byte of each channel becomes.
#[derive(Debug)]
struct Normalisation([[f32; 256]; 3]);

impl Vit {
    /// Loads the weights that the config names.
    pub fn load(config: &BackboneConfig, context: &Context) -> Result<Self> {
        if config.patch_size.is_some() {
            return Err(Error::config("family dinov1 takes its patch size from the weights: leave patch_size out"));
        }
        let path = config.weights.as_ref().ok_or_else(|| Error::config("family dinov1 needs weights: name a safetensors file"))?;
        let normalisation = Normalisation::new(config.mean.unwrap_or(IMAGENET_MEAN), config.std.unwrap_or(IMAGENET_STD))?;
        let device = device(context)?;
        let mut file = Checkpoint::open(path, device)?;
        let [width, _, patch_size, _] = file.shape("patch_embed.proj.weight", "[width, 3, patch, patch]")?;
        if width < 1 || patch_size < 1 {
            return Err(file.error(format!("its width {width} and patch size {patch_size} must be at least 1")));
        }
        let heads = config.heads.map_or(width / HEAD_WIDTH, i64::from);
        if heads < 1 || width % heads != 0 {
            return Err(file.error(format!("its width {width} cannot be split into {heads} heads: set heads")));
        }
        let depth = file.count("blocks.", ".norm1.weight");
        if depth == 0 {
            file.shape::<1>("blocks.0.norm1.weight", "[width]")?;
        }
        let weights = Weights::take(&mut file, width, patch_size, depth)?;
        Ok(Self { patch_size, width, depth, heads, device, normalisation, weights: Mutex::new(weights), positions: Mutex::default() })
    }

    /// The patch's side in pixels.
    pub fn patch_size(&self) -> u32 {
        self.patch_size as u32
    }

    /// Numbers a patch.
    pub fn dimension(&self) -> usize {
        self.width as usize
    }

    /// Whether the layer is there.
    pub fn check(&self, request: &FeatureRequest) -> Result<()> {
        match request.layer {
            Some(layer) if layer == 0 || layer as usize > self.depth => {
                Err(Error::config(format!("layer {layer} is not one of the backbone's layers 1 to {}", self.depth)))
            }
            _ => Ok(()),
        }
    }

    /// The features of an image of S×S pixels. Blocks after the needed one are not run.
    pub fn features(&self, image: &Image<'_>, request: &FeatureRequest) -> Result<Features> {
        let layer = request.layer.map_or(self.depth, |layer| layer as usize);
        let side = i64::from(image.width()) / self.patch_size;
        let weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner).handles(layer);
        let pixels = self.normalisation.planes(image);
        let values = torch(|| {
            let positions = self.positions(&weights.positions, side)?;
            let pixels =
                Tensor::f_from_slice(&pixels)?.f_view([1, 3, i64::from(image.height()), i64::from(image.width())])?.f_to_device(self.device)?;
            let tokens = self.forward(&weights, &pixels, &positions, layer, request.kind)?;
            let patches = tokens.f_narrow(1, 1, side * side)?; // without cls
            let patches = patches.f_contiguous()?.f_view([-1])?.f_to_device(Device::Cpu)?;
            Vec::<f32>::try_from(&patches)
        })?;
        Ok(Features { rows: side as usize, columns: side as usize, dimension: self.dimension(), values })
    }

    fn forward(&self, weights: &Weights, pixels: &Tensor, positions: &Tensor, layer: usize, kind: FeatureKind) -> Result<Tensor, TchError> {
        let stride = [self.patch_size; 2];
        let patches = pixels.f_conv2d(&weights.patches.weight, Some(&weights.patches.bias), stride, [0, 0], [1, 1], 1)?;
        let patches = patches.f_flatten(2, 3)?.f_transpose(1, 2)?;
        let mut tokens = Tensor::f_cat(&[&weights.cls, &patches], 1)?.f_add(positions)?;
        let Some((last, before)) = weights.blocks[..layer].split_last() else { return Ok(tokens) };
        for block in before {
            tokens = block.forward(&tokens, self.heads)?;
        }
        match kind {
            FeatureKind::Q => last.projection(&tokens, 0),
            FeatureKind::K => last.projection(&tokens, 1),
            FeatureKind::V => last.projection(&tokens, 2),
            FeatureKind::Patch => weights.norm.forward(&last.forward(&tokens, self.heads)?),
        }
    }

    /// The position embeddings for `side` patches a side, interpolated at the first call.
    fn positions(&self, stored: &Tensor, side: i64) -> Result<Tensor, TchError> {
        let mut known = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(positions) = known.get(&side) {
            return Ok(positions.shallow_clone());
        }
        let positions = positions::interpolated(stored, side)?;
        known.insert(side, positions.shallow_clone());
        Ok(positions)
    }
}

impl Weights {
    fn take(file: &mut Checkpoint, width: i64, patch: i64, depth: usize) -> Result<Self> {
        let [_, tokens, _] = file.shape("pos_embed", "[1, 1 + patches, width]")?;
        let grid = (tokens - 1).max(0).isqrt();
        if grid == 0 || grid * grid != tokens - 1 {
            return Err(file.error(format!("tensor pos_embed has {tokens} positions, which is not 1 + a square")));
        }
        Ok(Self {
            patches: Linear {
                weight: file.take("patch_embed.proj.weight", &[width, 3, patch, patch])?,
                bias: file.take("patch_embed.proj.bias", &[width])?,
            },
            cls: file.take("cls_token", &[1, 1, width])?,
            positions: file.take("pos_embed", &[1, tokens, width])?,
            blocks: (0..depth).map(|index| Block::take(file, &format!("blocks.{index}"), width)).collect::<Result<_>>()?,
            norm: Norm::take(file, "norm", width)?,
        })
    }

    /// New handles to the same memory, of the first `layers` blocks.
    fn handles(&self, layers: usize) -> Self {
        Self {
            patches: self.patches.handles(),
            cls: self.cls.shallow_clone(),
            positions: self.positions.shallow_clone(),
            blocks: self.blocks[..layers].iter().map(Block::handles).collect(),
            norm: self.norm.handles(),
        }
    }
}

impl Normalisation {
    fn new(mean: [f32; 3], std: [f32; 3]) -> Result<Self> {
        if let Some(bad) = std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
            return Err(Error::config(format!("std {bad} is not a positive number")));
        }
        if let Some(bad) = mean.iter().find(|mean| !mean.is_finite()) {
            return Err(Error::config(format!("mean {bad} is not a number")));
        }
        Ok(Self(std::array::from_fn(|channel| std::array::from_fn(|byte| (byte as f32 / 255.0 - mean[channel]) / std[channel]))))
    }

    /// The three normalised planes of an image, one after the other.
    fn planes(&self, image: &Image<'_>) -> Vec<f32> {
        let pixels = image.pixels().as_chunks::<3>().0;
        let mut planes = Vec::with_capacity(pixels.len() * 3);
        for (channel, table) in self.0.iter().enumerate() {
            planes.extend(pixels.iter().map(|pixel| table[pixel[channel] as usize]));
        }
        planes
    }
}

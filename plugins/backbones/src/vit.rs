//! Vision transformers: DINO (Caron et al. 2021, <https://arxiv.org/abs/2104.14294>), DINOv2 (Oquab et al. 2023, <https://arxiv.org/abs/2304.07193>) with
//! registers (Darcet et al. 2023, <https://arxiv.org/abs/2309.16588>), DINOv3 (Siméoni et al. 2025, <https://arxiv.org/abs/2508.10104>).
//!
//! Width, depth, patch size, position grid, registers and kind of feed-forward are read from the weights' shapes. Tensor names and the order of operations
//! are those of `vision_transformer.py` in facebookresearch/dino, dinov2 and dinov3.

mod block;
mod embedding;
mod ffn;
mod form;
mod linear;
mod positions;
mod rope;

use std::sync::{Mutex, PoisonError};

use convert_sdk::{Context, Error, Image, Result};
use tch::{Device, Kind, TchError, Tensor};

use crate::config::{BackboneConfig, FeatureKind, FeatureRequest, Precision};
use crate::device::device;
use crate::family::Family;
use crate::features::FeatureTensor;
use crate::normalisation::Normalisation;
use crate::published;
use crate::torch::torch;
use crate::weights::Weights;
use block::{Block, Norm};
use embedding::Embedding;
use form::BlockForm;

/// Of DINO's and DINOv2's layer norms, and of DINOv3's.
const NORM_EPSILON: f64 = 1e-6;
const DINOV3_NORM_EPSILON: f64 = 1e-5;

/// A loaded vision transformer.
#[derive(Debug)]
pub struct Vit {
    family: Family,
    form: BlockForm,
    depth: usize,
    patch_size: i64,
    device: Device,
    precision: Precision,
    /// Bytes of the weights.
    memory: u64,
    normalisation: Normalisation,
    /// A tensor may move between threads but not be shared, so each call takes its own handles to the same memory.
    model: Mutex<Model>,
}

/// Handles to the weights.
#[derive(Debug)]
struct Model {
    embedding: Embedding,
    blocks: Vec<Block>,
    norm: Norm,
}

impl Vit {
    /// Loads the weights that the config names.
    pub fn load(config: &BackboneConfig, context: &Context) -> Result<Self> {
        let needed = || Error::config(format!("family {} needs weights: name a file, or one of docs/backbones.md", config.family.name()));
        let path = config.weights.as_ref().ok_or_else(needed)?;
        let normalisation = Normalisation::new(config)?;
        let device = device(context)?;
        let weights = Weights::open(path, config.family, device)?;
        let [width, _, patch_size, _] = weights.shape("patch_embed.proj.weight", "[width, 3, patch, patch]")?;
        if width < 1 || patch_size < 1 {
            return Err(weights.error(format!("its width {width} and patch size {patch_size} must be at least 1")));
        }
        if let Some(given) = config.patch_size.filter(|given| i64::from(*given) != patch_size) {
            return Err(weights.error(format!("its patches have {patch_size} pixels a side, not {given}: leave patch_size out")));
        }
        let precision = config.precision.on(device);
        let form = form(config, &weights, width, precision)?;
        let depth = weights.count("blocks.", ".norm1.weight");
        if depth == 0 {
            weights.shape::<1>("blocks.0.norm1.weight", "[width]")?;
        }
        let model = Model {
            embedding: Embedding::take(&weights, &form, patch_size, device)?,
            blocks: (0..depth).map(|index| Block::take(&weights, &format!("blocks.{index}"), form)).collect::<Result<_>>()?,
            norm: Norm::take(&weights, "norm", width, form.epsilon)?,
        };
        let memory = weights.taken();
        Ok(Self { family: weights.family(), form, depth, patch_size, device, precision, memory, normalisation, model: Mutex::new(model) })
    }

    /// The family of the weights.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The patch's side in pixels.
    pub fn patch_size(&self) -> u32 {
        self.patch_size as u32
    }

    /// Numbers a patch.
    pub fn dimension(&self) -> usize {
        self.form.width as usize
    }

    /// The numbers of its matrix products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Bytes of the weights on the device.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Whether several images at once are cheaper than one after the other.
    pub fn batches(&self) -> bool {
        self.device != Device::Cpu
    }

    /// Whether the layer is there.
    pub fn check(&self, request: &FeatureRequest) -> Result<()> {
        match request.layer {
            Some(layer) if layer == 0 || layer as usize > self.depth => {
                let (family, depth) = (self.family.name(), self.depth);
                Err(Error::config(format!("layer {layer} is not one of this {family} backbone's layers 1 to {depth}")))
            }
            _ => Ok(()),
        }
    }

    /// Multiplications and additions for one image.
    pub fn operations(&self, request: &FeatureRequest) -> u64 {
        let model = self.handles(self.layer(request));
        let side = u64::from(request.input_size) / self.patch_size as u64;
        let (width, patch) = (self.form.width as u64, self.patch_size as u64);
        let tokens = side * side + model.embedding.extra_tokens() as u64;
        let whole = model.blocks.len() - usize::from(request.kind != FeatureKind::Patch);
        let blocks: u64 = model.blocks[..whole].iter().map(|block| block.operations(tokens)).sum();
        let projection = if request.kind == FeatureKind::Patch { 0 } else { 2 * tokens * width * width };
        blocks + projection + 2 * side * side * width * 3 * patch * patch
    }

    /// The features of images of S×S pixels. Blocks after the needed one are not run, nor what the needed one does after what is asked for.
    pub fn features(&self, images: &[Image<'_>], request: &FeatureRequest) -> Result<FeatureTensor> {
        let side = i64::from(request.input_size) / self.patch_size;
        let model = self.handles(self.layer(request));
        let (values, class_tokens) = torch(|| {
            let pixels = self.normalisation.tensor(images, self.device)?;
            let tokens = model.forward(&pixels, side, request.kind)?;
            let patches = tokens.f_narrow(1, model.embedding.extra_tokens(), side * side)?;
            let own = |tensor: Tensor| tensor.f_contiguous()?.f_to_kind(Kind::Float);
            Ok((own(patches)?, own(tokens.f_select(1, 0)?)?))
        })?;
        Ok(FeatureTensor { rows: side as usize, columns: side as usize, values, class_tokens: Some(class_tokens) })
    }

    fn layer(&self, request: &FeatureRequest) -> usize {
        request.layer.map_or(self.depth, |layer| layer as usize)
    }

    fn handles(&self, layers: usize) -> Model {
        self.model.lock().unwrap_or_else(PoisonError::into_inner).handles(layers)
    }
}

/// Heads, epsilon and numbers of the blocks.
fn form(config: &BackboneConfig, weights: &Weights, width: i64, precision: Precision) -> Result<BlockForm> {
    let family = weights.family();
    let known = config.heads.map(i64::from).or(weights.hub().num_attention_heads).or_else(|| published::heads(family, width));
    let heads = known.ok_or_else(|| {
        let (family, widths) = (family.name(), published::widths(family));
        weights.error(format!(
            "its width {width} is that of no published model of family {family} ({widths}), so that its heads are not known: set heads"
        ))
    })?;
    if heads < 1 || width % heads != 0 {
        return Err(weights.error(format!("its width {width} cannot be split into {heads} heads: set heads")));
    }
    let epsilon = if family == Family::Dinov3 { DINOV3_NORM_EPSILON } else { NORM_EPSILON };
    let kind = match precision {
        Precision::Auto | Precision::Fp32 => Kind::Float,
        Precision::Bf16 => Kind::BFloat16,
        Precision::Fp16 => Kind::Half,
    };
    Ok(BlockForm { width, heads, epsilon: weights.hub().layer_norm_eps.unwrap_or(epsilon), kind, may_lack_bias: family == Family::Dinov3 })
}

impl Model {
    /// New handles to the same memory, of the first `layers` blocks.
    fn handles(&self, layers: usize) -> Self {
        Self { embedding: self.embedding.handles(), blocks: self.blocks[..layers].iter().map(Block::handles).collect(), norm: self.norm.handles() }
    }

    /// The vectors of all tokens, `[images, tokens, width]`.
    fn forward(&self, pixels: &Tensor, side: i64, kind: FeatureKind) -> Result<Tensor, TchError> {
        let mut tokens = self.embedding.tokens(pixels, side)?;
        let rotation = self.embedding.rotation(side)?;
        let Some((last, before)) = self.blocks.split_last() else { return Ok(tokens) };
        for block in before {
            tokens = block.forward(&tokens, rotation.as_ref())?;
        }
        match kind {
            FeatureKind::Q => last.projection(&tokens, 0),
            FeatureKind::K => last.projection(&tokens, 1),
            FeatureKind::V => last.projection(&tokens, 2),
            FeatureKind::Patch => self.norm.forward(&last.forward(&tokens, rotation.as_ref())?),
        }
    }
}

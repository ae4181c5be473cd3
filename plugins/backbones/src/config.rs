//! What a recipe says of a backbone.

use convert_sdk::{Deserialize, InputPath, JsonSchema, Serialize, config};
use tch::Device;

use crate::family::Family;
use crate::published::{backbone_presets, published_weights};

/// A model that gives one feature vector a patch.
#[config(default)]
#[derive(Clone, Debug, Default)]
#[schemars(extend("x-presets" = backbone_presets()))]
pub struct BackboneConfig {
    /// The family, which says how the weights are used. Default auto: that of the weights' tensors, or patch-stats without weights.
    pub family: Family,
    /// The weights as published: a `.pth` or `.safetensors` file, a folder of the Hugging Face hub, or a name of docs/backbones.md such as
    /// dinov3-vitb16, whose file is looked for in the folder of weights (see `convert doctor`). For torchscript the module. Not used by patch-stats.
    #[schemars(extend("x-named-files" = published_weights()))]
    pub weights: Option<InputPath>,
    /// Attention heads. Default: what a config.json beside the weights says, else those of the family's published model of the same width; with another width
    /// they must be given.
    #[schemars(range(min = 1, max = 256))]
    pub heads: Option<u32>,
    /// The numbers of matrix products: auto, fp32, bf16 or fp16. Default auto: bf16 on CUDA, fp32 on a CPU. The 16-bit ones keep sums, layer norms and softmax in
    /// fp32, as PyTorch's autocast does; what bf16 changes is measured in docs/backbones.md. fp32 is never rounded to TF32.
    pub precision: Precision,
    /// What is subtracted from the channels red, green and blue in [0, 1]; default ImageNet's 0.485, 0.456, 0.406 (method 1.1). Not used by patch-stats.
    pub mean: Option<[f32; 3]>,
    /// What the channels are then divided by; default ImageNet's 0.229, 0.224, 0.225 (method 1.1). Not used by patch-stats.
    pub std: Option<[f32; 3]>,
    /// The patch's side in pixels, for patch-stats (default 8) and torchscript (required). The other families' is in their weights, and must be this where it is given.
    #[schemars(range(min = 1, max = 256))]
    pub patch_size: Option<u32>,
}

/// The numbers of matrix products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum Precision {
    /// 16-bit floats with 8 bits of exponent (bf16) on CUDA devices, 32-bit floats on a CPU.
    #[default]
    Auto,
    /// 32-bit floats.
    Fp32,
    /// 16-bit floats with 8 bits of exponent.
    Bf16,
    /// 16-bit floats with 5 bits of exponent; for CUDA devices.
    Fp16,
}

impl Precision {
    /// What it means on a device: never `Auto`.
    pub fn on(self, device: Device) -> Self {
        match self {
            Self::Auto if device == Device::Cpu => Self::Fp32,
            Self::Auto => Self::Bf16,
            given => given,
        }
    }

    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
        }
    }
}

/// Which of a transformer's vectors stand for the patches (method 1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum FeatureKind {
    /// The block's attention queries, heads concatenated.
    Q,
    /// The block's attention keys, heads concatenated.
    K,
    /// The block's attention values, heads concatenated.
    V,
    /// The patch tokens after the block, through the final layer norm.
    Patch,
}

impl FeatureKind {
    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q => "q",
            Self::K => "k",
            Self::V => "v",
            Self::Patch => "patch",
        }
    }
}

/// Which features are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureRequest {
    /// The vectors.
    pub kind: FeatureKind,
    /// The block they come from, counted from 1; the last when `None`.
    pub layer: Option<u32>,
    /// S: images are resized to S×S pixels. A multiple of the patch size.
    pub input_size: u32,
}

//! What a recipe says of a backbone.

use convert_sdk::{Deserialize, InputFile, JsonSchema, Serialize};

/// A model that gives one feature vector a patch.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", deny_unknown_fields, default)]
#[schemars(crate = "convert_sdk::schemars")]
pub struct BackboneConfig {
    /// The family, which says how the weights are named and used.
    pub family: Family,
    /// The weights, a safetensors file with the family's published tensor names; needed by every family but patch-stats, which has none.
    pub weights: Option<InputFile>,
    /// Attention heads; without it width / 64, as all published models of these families have it.
    #[schemars(range(min = 1, max = 256))]
    pub heads: Option<u32>,
    /// What is subtracted from the channels red, green and blue in [0, 1]; default ImageNet's 0.485, 0.456, 0.406 (SPEC 1.1). Not used by patch-stats.
    pub mean: Option<[f32; 3]>,
    /// What the channels are then divided by; default ImageNet's 0.229, 0.224, 0.225 (SPEC 1.1). Not used by patch-stats.
    pub std: Option<[f32; 3]>,
    /// The patch's side in pixels, for patch-stats only (default 8); the other families' is in their weights.
    #[schemars(range(min = 2, max = 64))]
    pub patch_size: Option<u32>,
}

/// The families of backbones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum Family {
    /// No weights: colour and gradient statistics of each patch. `patch` describes a patch's appearance; `k` is made for cuts: the cosine
    /// of two vectors is a Gaussian kernel of how differently the patches look.
    #[default]
    PatchStats,
    /// A ViT with DINO's (v1) tensor names: DINO itself, DeiT, timm's plain ViTs.
    Dinov1,
}

/// Which of a transformer's vectors stand for the patches (SPEC 1.2).
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

impl Family {
    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::PatchStats => "patch-stats",
            Self::Dinov1 => "dinov1",
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

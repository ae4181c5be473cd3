//! The families of backbones.

use convert_sdk::{Deserialize, JsonSchema, Serialize};

/// The families of backbones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum Family {
    /// What the names of the weights' tensors show, dinov1, dinov2 or dinov3; without weights patch-stats.
    #[default]
    Auto,
    /// No weights: colour and gradient statistics of each patch. `patch` describes a patch's appearance; `k` is made for cuts: the cosine
    /// of two vectors is a Gaussian kernel of how differently the patches look.
    PatchStats,
    /// A ViT with DINO's (v1) tensor names: DINO itself, DeiT, timm's plain ViTs.
    Dinov1,
    /// DINOv2, with registers or without.
    Dinov2,
    /// DINOv3's ViTs.
    Dinov3,
    /// Any module that torch.jit exported and that maps images `[B, 3, S, S]` to `[B, n, d]` or `[B, d, h', w']`, without extra tokens. Gives the kind `patch`.
    Torchscript,
}

impl Family {
    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::PatchStats => "patch-stats",
            Self::Dinov1 => "dinov1",
            Self::Dinov2 => "dinov2",
            Self::Dinov3 => "dinov3",
            Self::Torchscript => "torchscript",
        }
    }
}

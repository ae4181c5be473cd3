//! The published weights by name: the table of docs/backbones.md.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::family::Family;

/// Of the channels red, green and blue in [0, 1], over ImageNet.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Where DINOv3's are given out, after its licence is accepted.
const DINOV3: &str = "https://ai.meta.com/resources/models-and-libraries/dinov3-downloads/";
const FILES: &str = "https://dl.fbaipublicfiles.com/";

/// A published file of weights.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Its name in recipes.
    pub name: &'static str,
    /// The family of its model.
    pub family: Family,
    /// Side of a patch in pixels.
    pub patch_size: u32,
    /// Attention heads.
    pub heads: u32,
    /// The file's name, without `.pth`.
    stem: &'static str,
    /// The folder below [`FILES`].
    folder: &'static str,
    /// Size in megabytes, as its parameters in 32 bits come to.
    megabytes: u32,
    /// As much of the file's SHA-256 as its publisher put into its name, by torch.hub's convention behind the last dash; empty where there is none.
    sha256: &'static str,
}

/// The models that a name stands for.
pub static PUBLISHED: [Published; 19] = [
    dino("dino-vits16", "dino_deitsmall16_pretrain", "dino/dino_deitsmall16_pretrain/", 16, 6, 87),
    dino("dino-vits8", "dino_deitsmall8_pretrain", "dino/dino_deitsmall8_pretrain/", 8, 6, 87),
    dino("dino-vitb16", "dino_vitbase16_pretrain", "dino/dino_vitbase16_pretrain/", 16, 12, 343),
    dino("dino-vitb8", "dino_vitbase8_pretrain", "dino/dino_vitbase8_pretrain/", 8, 12, 343),
    dinov2("dinov2-vits14", "dinov2_vits14_pretrain", "dinov2/dinov2_vits14/", 6, 88),
    dinov2("dinov2-vitb14", "dinov2_vitb14_pretrain", "dinov2/dinov2_vitb14/", 12, 346),
    dinov2("dinov2-vitl14", "dinov2_vitl14_pretrain", "dinov2/dinov2_vitl14/", 16, 1218),
    dinov2("dinov2-vitg14", "dinov2_vitg14_pretrain", "dinov2/dinov2_vitg14/", 24, 4546),
    dinov2("dinov2-vits14-reg4", "dinov2_vits14_reg4_pretrain", "dinov2/dinov2_vits14/", 6, 88),
    dinov2("dinov2-vitb14-reg4", "dinov2_vitb14_reg4_pretrain", "dinov2/dinov2_vitb14/", 12, 346),
    dinov2("dinov2-vitl14-reg4", "dinov2_vitl14_reg4_pretrain", "dinov2/dinov2_vitl14/", 16, 1218),
    dinov2("dinov2-vitg14-reg4", "dinov2_vitg14_reg4_pretrain", "dinov2/dinov2_vitg14/", 24, 4546),
    dinov3("dinov3-vits16", "dinov3_vits16_pretrain_lvd1689m-08c60483", 6, 86, "08c60483"),
    dinov3("dinov3-vits16plus", "dinov3_vits16plus_pretrain_lvd1689m-4057cbaa", 6, 115, "4057cbaa"),
    dinov3("dinov3-vitb16", "dinov3_vitb16_pretrain_lvd1689m-73cec8be", 12, 343, "73cec8be"),
    dinov3("dinov3-vitl16", "dinov3_vitl16_pretrain_lvd1689m-8aa4cbdd", 16, 1213, "8aa4cbdd"),
    dinov3("dinov3-vith16plus", "dinov3_vith16plus_pretrain_lvd1689m-7c1da9a5", 20, 3362, "7c1da9a5"),
    dinov3("dinov3-vit7b16", "dinov3_vit7b16_pretrain_lvd1689m-a955f4ea", 32, 26_864, "a955f4ea"),
    Published { sha256: "a1311bcf", ..dino("deit-tiny16", "deit_tiny_patch16_224-a1311bcf", "deit/", 16, 3, 23) },
];

const fn dino(name: &'static str, stem: &'static str, folder: &'static str, patch_size: u32, heads: u32, megabytes: u32) -> Published {
    Published { name, family: Family::Dinov1, patch_size, heads, stem, folder, megabytes, sha256: "" }
}

const fn dinov2(name: &'static str, stem: &'static str, folder: &'static str, heads: u32, megabytes: u32) -> Published {
    Published { name, family: Family::Dinov2, patch_size: 14, heads, stem, folder, megabytes, sha256: "" }
}

const fn dinov3(name: &'static str, stem: &'static str, heads: u32, megabytes: u32, sha256: &'static str) -> Published {
    Published { name, family: Family::Dinov3, patch_size: 16, heads, stem, folder: "", megabytes, sha256 }
}

/// Channels of a head, but for DINOv3's largest.
const HEAD_WIDTH: u32 = 64;
const LARGEST: (u32, u32) = (32, 128);

impl Published {
    /// Channels of a token.
    fn width(&self) -> u32 {
        self.heads * if self.heads == LARGEST.0 { LARGEST.1 } else { HEAD_WIDTH }
    }

    /// What the published code of the model's family uses: the name's preset for the keys of a `backbone:`.
    fn backbone_preset(&self) -> Value {
        json!({
            "family": self.family.name(),
            "heads": self.heads,
            "patch_size": self.patch_size,
            "mean": IMAGENET_MEAN.map(decimal),
            "std": IMAGENET_STD.map(decimal),
        })
    }

    /// What the config's schema says of the file, as `convert_sdk::InputPath` describes it.
    fn entry(&self) -> Value {
        let gated = self.family == Family::Dinov3;
        json!({
            "file": format!("{}.pth", self.stem),
            "from": if gated { DINOV3.to_owned() } else { format!("{FILES}{}", self.folder) },
            "sha256": self.sha256,
            "bytes": u64::from(self.megabytes) * 1_000_000,
            "licence": if gated { "DINOv3 License, to be accepted" } else { "Apache-2.0" },
            "fetch": !gated,
        })
    }
}

/// Attention heads of a family's published model of a width.
pub fn heads(family: Family, width: i64) -> Option<i64> {
    of_family(family).find(|published| i64::from(published.width()) == width).map(|published| i64::from(published.heads))
}

/// The widths of a family's published models, for messages.
pub fn widths(family: Family) -> String {
    let widths: BTreeSet<u32> = of_family(family).map(Published::width).collect();
    widths.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn of_family(family: Family) -> impl Iterator<Item = &'static Published> {
    PUBLISHED.iter().filter(move |published| published.family == family)
}

/// The presets of all names for the keys of a `backbone:`, as `convert_sdk::InputPath` describes them.
pub fn backbone_presets() -> Value {
    json!({ "weights": by_name(|published| Some(published.backbone_preset())) })
}

/// For the schema of a config with a `backbone:`, what each published name brings for the keys beside that.
pub fn presets(of: impl Fn(&Published) -> Option<Value>) -> Value {
    json!({ "backbone.weights": by_name(of) })
}

fn by_name(of: impl Fn(&Published) -> Option<Value>) -> Value {
    let entry = |published: &Published| Some((published.name.to_owned(), of(published)?));
    Value::Object(PUBLISHED.iter().filter_map(entry).collect::<Map<_, _>>())
}

/// A number of 32 bits as people write it: 0.485, not the nearest number of 64 bits to the one of 32.
fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| number.into())
}

/// The table for the config's schema, from which the host resolves names.
pub fn published_weights() -> Value {
    by_name(|published| Some(published.entry()))
}

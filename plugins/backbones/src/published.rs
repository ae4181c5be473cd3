//! The published weights by name: the table of docs/backbones.md.

use serde_json::{Map, Value, json};

/// Where DINOv3's are given out, after its licence is accepted.
const DINOV3: &str = "https://ai.meta.com/resources/models-and-libraries/dinov3-downloads/";

/// A published file.
struct Published {
    name: &'static str,
    file: &'static str,
    from: &'static str,
    /// As much of the file's SHA-256 as its publisher put into its name; empty where it is not known.
    sha256: &'static str,
}

/// torch.hub's convention: what stands behind the last dash of a file's name begins its SHA-256.
const TABLE: [Published; 19] = [
    Published {
        name: "dino-vits16",
        file: "dino_deitsmall16_pretrain.pth",
        from: "https://dl.fbaipublicfiles.com/dino/dino_deitsmall16_pretrain/",
        sha256: "",
    },
    Published {
        name: "dino-vits8",
        file: "dino_deitsmall8_pretrain.pth",
        from: "https://dl.fbaipublicfiles.com/dino/dino_deitsmall8_pretrain/",
        sha256: "",
    },
    Published {
        name: "dino-vitb16",
        file: "dino_vitbase16_pretrain.pth",
        from: "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/",
        sha256: "",
    },
    Published {
        name: "dino-vitb8",
        file: "dino_vitbase8_pretrain.pth",
        from: "https://dl.fbaipublicfiles.com/dino/dino_vitbase8_pretrain/",
        sha256: "",
    },
    Published { name: "dinov2-vits14", file: "dinov2_vits14_pretrain.pth", from: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/", sha256: "" },
    Published { name: "dinov2-vitb14", file: "dinov2_vitb14_pretrain.pth", from: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/", sha256: "" },
    Published { name: "dinov2-vitl14", file: "dinov2_vitl14_pretrain.pth", from: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/", sha256: "" },
    Published { name: "dinov2-vitg14", file: "dinov2_vitg14_pretrain.pth", from: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitg14/", sha256: "" },
    Published {
        name: "dinov2-vits14-reg4",
        file: "dinov2_vits14_reg4_pretrain.pth",
        from: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/",
        sha256: "",
    },
    Published {
        name: "dinov2-vitb14-reg4",
        file: "dinov2_vitb14_reg4_pretrain.pth",
        from: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/",
        sha256: "",
    },
    Published {
        name: "dinov2-vitl14-reg4",
        file: "dinov2_vitl14_reg4_pretrain.pth",
        from: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/",
        sha256: "",
    },
    Published {
        name: "dinov2-vitg14-reg4",
        file: "dinov2_vitg14_reg4_pretrain.pth",
        from: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitg14/",
        sha256: "",
    },
    Published { name: "dinov3-vits16", file: "dinov3_vits16_pretrain_lvd1689m-08c60483.pth", from: DINOV3, sha256: "08c60483" },
    Published { name: "dinov3-vits16plus", file: "dinov3_vits16plus_pretrain_lvd1689m-4057cbaa.pth", from: DINOV3, sha256: "4057cbaa" },
    Published { name: "dinov3-vitb16", file: "dinov3_vitb16_pretrain_lvd1689m-73cec8be.pth", from: DINOV3, sha256: "73cec8be" },
    Published { name: "dinov3-vitl16", file: "dinov3_vitl16_pretrain_lvd1689m-8aa4cbdd.pth", from: DINOV3, sha256: "8aa4cbdd" },
    Published { name: "dinov3-vith16plus", file: "dinov3_vith16plus_pretrain_lvd1689m-7c1da9a5.pth", from: DINOV3, sha256: "7c1da9a5" },
    Published { name: "dinov3-vit7b16", file: "dinov3_vit7b16_pretrain_lvd1689m-a955f4ea.pth", from: DINOV3, sha256: "a955f4ea" },
    Published { name: "deit-tiny16", file: "deit_tiny_patch16_224-a1311bcf.pth", from: "https://dl.fbaipublicfiles.com/deit/", sha256: "a1311bcf" },
];

/// The table for the config's schema, from which the host resolves names: `{name: {file, from, sha256}}`.
pub fn published_weights() -> Value {
    let entry = |published: &Published| {
        let Published { name, file, from, sha256 } = published;
        ((*name).to_owned(), json!({ "file": file, "from": from, "sha256": sha256 }))
    };
    Value::Object(TABLE.iter().map(entry).collect::<Map<_, _>>())
}

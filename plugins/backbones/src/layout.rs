//! The names of a ViT's tensors: the original code's, and those of the Hugging Face hub.

use std::collections::{BTreeMap, BTreeSet};

use convert_sdk::{Error, Result};

use crate::family::Family;

/// How a file names its tensors, whose original names are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What stands before every name, such as `teacher.backbone.`.
    prefix: String,
    names: Names,
    family: Family,
    /// Of DINOv2's training checkpoints, whose blocks lie in chunks (`blocks.1.10.…` is block 10): the chunk of each block.
    chunks: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Original,
    /// `ViTModel` of transformers, for DINO.
    HubVit,
    /// `Dinov2Model` and `Dinov2WithRegistersModel`.
    HubDinov2,
    /// `DINOv3ViTModel`.
    HubDinov3,
}

/// The patch embedding's weight under each kind of names: every model has it, and once.
const PATCH_EMBEDDINGS: [&str; 3] =
    ["patch_embed.proj.weight", "embeddings.patch_embeddings.projection.weight", "embeddings.patch_embeddings.weight"];

impl Layout {
    /// The layout of a file's tensors, which must be those of `family` unless that is auto.
    ///
    /// # Errors
    /// Tensors of no such model, of several, or of another family.
    pub fn detect(tensors: &BTreeSet<&str>, family: Family) -> Result<Self> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        for name in tensors {
            let ending = PATCH_EMBEDDINGS.iter().filter_map(|ending| Some((*ending, name.strip_suffix(ending)?)));
            found.extend(ending.filter(|(_, prefix)| prefix.is_empty() || prefix.ends_with('.')));
        }
        if let Some(teacher) = found.iter().find(|(_, prefix)| prefix.starts_with("teacher.")).copied().filter(|_| found.len() > 1) {
            found = vec![teacher]; // a checkpoint of a training: the teacher is what gets published
        }
        let (ending, prefix) = match found.as_slice() {
            [one] => *one,
            [] => {
                let first = tensors.first().map_or_else(|| "no tensor at all".to_owned(), |first| format!("others, such as {first}"));
                return Err(Error::invalid(format!("no ViT is in it: tensor {} is missing (it has {first})", PATCH_EMBEDDINGS[0])));
            }
            [(_, one), (_, other), ..] => return Err(Error::invalid(format!("several models are in it, {one}* and {other}*: save one alone"))),
        };
        let chunks = chunks(tensors, prefix);
        let first = chunks.get("0").map_or_else(|| "blocks.0.".to_owned(), |chunk| format!("blocks.{chunk}.0."));
        let has = |name: &str| tensors.contains(format!("{prefix}{name}").as_str());
        let layer_scale = format!("{first}ls1.gamma");
        let (names, of, because) = if ending == PATCH_EMBEDDINGS[2] {
            (Names::HubDinov3, Family::Dinov3, ending)
        } else if ending == PATCH_EMBEDDINGS[1] {
            let scale = "encoder.layer.0.layer_scale1.lambda1";
            if has(scale) { (Names::HubDinov2, Family::Dinov2, scale) } else { (Names::HubVit, Family::Dinov1, "no layer scale") }
        } else if let Some(sign) = ["rope_embed.periods", "storage_tokens"].into_iter().find(|name| has(name)) {
            (Names::Original, Family::Dinov3, sign)
        } else if let Some(sign) = [layer_scale.as_str(), "register_tokens"].into_iter().find(|name| has(name)) {
            (Names::Original, Family::Dinov2, sign)
        } else {
            (Names::Original, Family::Dinov1, "neither layer scale nor registers")
        };
        if of != family && family != Family::Auto {
            let (of, family) = (of.name(), family.name());
            return Err(Error::config(format!("its tensors are those of family {of} (it has {because}), not {family}: set family: {of}")));
        }
        Ok(Self { prefix: prefix.to_owned(), names, family: of, chunks })
    }

    /// The family of the tensors.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether the names are the Hugging Face hub's.
    pub fn is_hugging_face(&self) -> bool {
        self.names != Names::Original
    }

    /// The name in the file of what the original code calls `original`.
    pub fn name(&self, original: &str) -> String {
        let name = match self.names {
            Names::Original => self.in_chunks(original).unwrap_or_else(|| original.to_owned()),
            names => names.of_the_hub(original),
        };
        format!("{}{name}", self.prefix)
    }

    /// A block's tensor with the chunk that the block lies in.
    fn in_chunks(&self, original: &str) -> Option<String> {
        let (index, part) = original.strip_prefix("blocks.")?.split_once('.')?;
        let chunk = self.chunks.get(index)?;
        Some(format!("blocks.{chunk}.{index}.{part}"))
    }
}

/// The chunk of each block, by the block's index; empty where blocks do not lie in chunks.
fn chunks(tensors: &BTreeSet<&str>, prefix: &str) -> BTreeMap<String, String> {
    let is_index = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let of = |name: &&str| {
        let mut parts = name.strip_prefix(prefix)?.strip_prefix("blocks.")?.split('.');
        let (chunk, block) = (parts.next().filter(is_index)?, parts.next().filter(is_index)?);
        Some((block.to_owned(), chunk.to_owned()))
    };
    tensors.iter().filter_map(of).collect()
}

impl Names {
    fn of_the_hub(self, original: &str) -> String {
        let (block, part) = match original.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
            Some((index, part)) if self == Self::HubDinov3 => (format!("layer.{index}."), part),
            Some((index, part)) => (format!("encoder.layer.{index}."), part),
            None => return self.outside_blocks(original),
        };
        // The last part is weight, bias or gamma.
        let (place, kind) = part.rsplit_once('.').unwrap_or((part, ""));
        let place = match (self, place) {
            (Self::HubVit, "norm1") => "layernorm_before",
            (Self::HubVit, "norm2") => "layernorm_after",
            (Self::HubVit, "mlp.fc1") => "intermediate.dense",
            (Self::HubVit, "mlp.fc2") => "output.dense",
            (Self::HubVit | Self::HubDinov2, "attn.q") => "attention.attention.query",
            (Self::HubVit | Self::HubDinov2, "attn.k") => "attention.attention.key",
            (Self::HubVit | Self::HubDinov2, "attn.v") => "attention.attention.value",
            (Self::HubVit | Self::HubDinov2, "attn.proj") => "attention.output.dense",
            (Self::HubDinov2, "mlp.w12") => "mlp.weights_in",
            (Self::HubDinov2, "mlp.w3") => "mlp.weights_out",
            (Self::HubDinov3, "attn.q") => "attention.q_proj",
            (Self::HubDinov3, "attn.k") => "attention.k_proj",
            (Self::HubDinov3, "attn.v") => "attention.v_proj",
            (Self::HubDinov3, "attn.proj") => "attention.o_proj",
            (Self::HubDinov3, "mlp.fc1" | "mlp.w2") => "mlp.up_proj",
            (Self::HubDinov3, "mlp.fc2" | "mlp.w3") => "mlp.down_proj",
            (Self::HubDinov3, "mlp.w1") => "mlp.gate_proj",
            (_, "ls1") => return format!("{block}layer_scale1.lambda1"),
            (_, "ls2") => return format!("{block}layer_scale2.lambda1"),
            (_, other) => other,
        };
        format!("{block}{place}.{kind}")
    }

    fn outside_blocks(self, original: &str) -> String {
        let patches = if self == Self::HubDinov3 { "embeddings.patch_embeddings" } else { "embeddings.patch_embeddings.projection" };
        let norm = if self == Self::HubDinov3 { "norm" } else { "layernorm" };
        match original {
            "cls_token" => "embeddings.cls_token".to_owned(),
            "pos_embed" => "embeddings.position_embeddings".to_owned(),
            "register_tokens" | "storage_tokens" => "embeddings.register_tokens".to_owned(),
            other => match other.rsplit_once('.') {
                Some(("patch_embed.proj", kind)) => format!("{patches}.{kind}"),
                Some(("norm", kind)) => format!("{norm}.{kind}"),
                _ => other.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(names: &[&str], family: Family) -> Result<Layout> {
        Layout::detect(&names.iter().copied().collect(), family)
    }

    #[test]
    fn prefixes_are_taken_off_and_the_teacher_is_preferred() {
        let layout = detect(&["student.backbone.patch_embed.proj.weight", "teacher.backbone.patch_embed.proj.weight"], Family::Dinov1).unwrap();
        assert_eq!(layout.name("blocks.3.attn.qkv.bias"), "teacher.backbone.blocks.3.attn.qkv.bias");
        let message = detect(&["a.patch_embed.proj.weight", "b.patch_embed.proj.weight"], Family::Dinov1).unwrap_err().to_string();
        assert!(message.contains("several models are in it, a.* and b.*"), "{message}");
    }

    #[test]
    fn blocks_of_a_training_lie_in_chunks() {
        let names = ["patch_embed.proj.weight", "blocks.0.0.ls1.gamma", "blocks.0.0.norm1.weight", "blocks.1.10.norm1.weight"]
            .map(|name| format!("teacher.backbone.{name}"));
        let layout = detect(&names.iter().map(String::as_str).collect::<Vec<_>>(), Family::Auto).unwrap();
        assert_eq!(layout.family(), Family::Dinov2);
        assert_eq!(layout.name("blocks.10.norm1.weight"), "teacher.backbone.blocks.1.10.norm1.weight");
        assert_eq!(layout.name("norm.weight"), "teacher.backbone.norm.weight");
    }

    #[test]
    fn another_family_is_named_with_the_tensor_that_shows_it() {
        let message = detect(&["patch_embed.proj.weight", "blocks.0.ls1.gamma"], Family::Dinov1).unwrap_err().to_string();
        assert_eq!(message, "its tensors are those of family dinov2 (it has blocks.0.ls1.gamma), not dinov1: set family: dinov2");
        let message = detect(&["embeddings.patch_embeddings.weight"], Family::Dinov2).unwrap_err().to_string();
        assert!(message.contains("set family: dinov3"), "{message}");
    }
}

//! Randomly initialised ViTs in the tensor names of the original code, as safetensors: what a pipeline needs to run whole where no weights may be fetched.
//! Written as a stream, so that a model of a billion parameters takes no memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The family, which says what the tensors are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// DINO: learned positions, no layer scale.
    Dinov1,
    /// DINOv2 with four registers.
    Dinov2,
    /// DINOv3: rotary positions, four storage tokens.
    Dinov3,
}

/// A ViT's shape.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Its family.
    pub family: Family,
    /// Numbers a token; the published models have heads of 64.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Side of the grid of learned positions.
    pub grid: usize,
    /// Whether the MLPs are gated (SwiGLU), as in DINOv2's largest and DINOv3's "plus" models.
    pub gated: bool,
    /// Blocks that change anything: what those behind them would add is 0. Random blocks in a row make all patches alike, and cuts then find nothing.
    pub active: usize,
}

/// Every block is active.
const ALL: usize = usize::MAX;

impl Shape {
    /// The five models of recipes/imagenet.yaml by the name of the variable that gives their file.
    pub const PUBLISHED: [(&str, Self); 5] = [
        ("DINOV3_B", Self { family: Family::Dinov3, width: 768, depth: 12, patch: 16, grid: 0, gated: false, active: ALL }),
        ("DINOV2_G", Self { family: Family::Dinov2, width: 1536, depth: 40, patch: 14, grid: 37, gated: true, active: ALL }),
        ("DINOV2_L", Self { family: Family::Dinov2, width: 1024, depth: 24, patch: 14, grid: 37, gated: false, active: ALL }),
        ("DINO_B", Self { family: Family::Dinov1, width: 768, depth: 12, patch: 8, grid: 28, gated: false, active: ALL }),
        ("DINOV3_L", Self { family: Family::Dinov3, width: 1024, depth: 24, patch: 16, grid: 0, gated: false, active: ALL }),
    ];

    /// The model of a published name of docs/backbones.md.
    pub fn of_name(name: &str) -> Option<Self> {
        let (model, size) = name.split_once('-')?;
        let size = size.trim_end_matches("-reg4");
        let (width, depth) = match size.trim_end_matches("plus").trim_end_matches(|c: char| c.is_ascii_digit()) {
            "tiny" => (192, 12),
            "vits" => (384, 12),
            "vitb" => (768, 12),
            "vitl" => (1024, 24),
            "vith" => (1280, 32),
            "vitg" => (1536, 40),
            "vit7b" => (4096, 40),
            _ => return None,
        };
        let (family, patch, grid) = match model {
            "dino" | "deit" if size.ends_with("16") => (Family::Dinov1, 16, 14),
            "dino" => (Family::Dinov1, 8, 28),
            "dinov2" => (Family::Dinov2, 14, 37),
            "dinov3" => (Family::Dinov3, 16, 0),
            _ => return None,
        };
        Some(Self { family, width, depth, patch, grid, gated: size.ends_with("plus") || matches!(width, 1536 | 4096), active: ALL })
    }

    /// The same kind of model with two blocks, of the smallest width that was published.
    pub fn tiny(self) -> Self {
        Self { width: if self.family == Family::Dinov1 { 192 } else { 384 }, depth: 2, grid: self.grid.min(8), ..self }
    }

    /// The tensors in the file's order: name, shape, what they are filled with.
    fn tensors(&self) -> Vec<(String, Vec<usize>, Fill)> {
        let (d, patch) = (self.width, self.patch);
        let mut list: Vec<(String, Vec<usize>, Fill)> = vec![("cls_token".into(), vec![1, 1, d], Fill::Random)];
        match self.family {
            Family::Dinov1 | Family::Dinov2 => list.push(("pos_embed".into(), vec![1, 1 + self.grid * self.grid, d], Fill::Random)),
            Family::Dinov3 => list.push(("rope_embed.periods".into(), vec![HEAD / 4], Fill::Periods)),
        }
        match self.family {
            Family::Dinov1 => {}
            Family::Dinov2 => list.push(("register_tokens".into(), vec![1, 4, d], Fill::Random)),
            Family::Dinov3 => list.push(("storage_tokens".into(), vec![1, 4, d], Fill::Random)),
        }
        linear(&mut list, "patch_embed.proj", vec![d, 3, patch, patch]);
        for block in 0..self.depth {
            let name = |part: &str| format!("blocks.{block}.{part}");
            norm(&mut list, &name("norm1"), d);
            linear(&mut list, &name("attn.qkv"), vec![3 * d, d]);
            linear(&mut list, &name("attn.proj"), vec![d, d]);
            let of_output = list.len() - 2;
            norm(&mut list, &name("norm2"), d);
            if self.gated {
                // The hidden width of DINOv2's SwiGLU: two thirds of four times the width, rounded up to a multiple of eight.
                let hidden = (4 * d * 2 / 3).div_ceil(8) * 8;
                if self.family == Family::Dinov3 {
                    linear(&mut list, &name("mlp.w1"), vec![hidden, d]);
                    linear(&mut list, &name("mlp.w2"), vec![hidden, d]);
                } else {
                    linear(&mut list, &name("mlp.w12"), vec![2 * hidden, d]);
                }
                linear(&mut list, &name("mlp.w3"), vec![d, hidden]);
            } else {
                linear(&mut list, &name("mlp.fc1"), vec![4 * d, d]);
                linear(&mut list, &name("mlp.fc2"), vec![d, 4 * d]);
            }
            if block >= self.active {
                let output = list.len() - 2; // the weight of the MLP's last matrix, before its bias
                list[of_output].2 = Fill::Zeros;
                list[output].2 = Fill::Zeros;
            }
            if self.family != Family::Dinov1 {
                list.push((name("ls1.gamma"), vec![d], Fill::Ones));
                list.push((name("ls2.gamma"), vec![d], Fill::Ones));
            }
        }
        norm(&mut list, "norm", d);
        list
    }

    /// Writes the model; another seed gives other weights.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, file: &Path, seed: u64) -> std::io::Result<()> {
        let tensors = self.tensors();
        let mut header = serde_json::Map::new();
        let mut offset = 0;
        for (name, shape, _) in &tensors {
            let bytes = shape.iter().product::<usize>() * size_of::<f32>();
            header.insert(name.clone(), serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [offset, offset + bytes] }));
            offset += bytes;
        }
        let mut header = serde_json::Value::Object(header).to_string();
        header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
        let mut output = BufWriter::with_capacity(1 << 20, File::create(file)?);
        output.write_all(&(header.len() as u64).to_le_bytes())?;
        output.write_all(header.as_bytes())?;
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        for (_, shape, fill) in &tensors {
            for at in 0..shape.iter().product() {
                output.write_all(&fill.value(at, &mut state).to_le_bytes())?;
            }
        }
        output.flush()
    }
}

/// The width of a head in all published models.
const HEAD: usize = 64;

#[derive(Clone, Copy)]
enum Fill {
    Random,
    Ones,
    Zeros,
    Periods,
}

impl Fill {
    fn value(self, at: usize, state: &mut u64) -> f32 {
        match self {
            Self::Random => {
                // xorshift64 (Marsaglia 2003); a standard deviation of 0.04, twice the usual, so that patches differ.
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                ((*state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.14
            }
            Self::Ones => 1.0,
            Self::Zeros => 0.0,
            Self::Periods => 100f32.powf(at as f32 / (HEAD / 4) as f32),
        }
    }
}

fn linear(list: &mut Vec<(String, Vec<usize>, Fill)>, name: &str, shape: Vec<usize>) {
    let outputs = shape[0];
    list.push((format!("{name}.weight"), shape, Fill::Random));
    list.push((format!("{name}.bias"), vec![outputs], Fill::Zeros));
}

fn norm(list: &mut Vec<(String, Vec<usize>, Fill)>, name: &str, width: usize) {
    list.push((format!("{name}.weight"), vec![width], Fill::Ones));
    list.push((format!("{name}.bias"), vec![width], Fill::Zeros));
}

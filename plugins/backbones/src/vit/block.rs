//! One transformer block: x + scale1·attention(norm1(x)), then x + scale2·ffn(norm2(x)).

use convert_sdk::Result;
use tch::{Kind, TchError, Tensor};

use super::ffn::Ffn;
use super::form::BlockForm;
use super::linear::Linear;
use super::rope::Rotation;
use crate::weights::Weights;

/// Weight and bias of a layer norm.
#[derive(Debug)]
pub struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

/// The maps to queries, keys and values: one after the other in one (original layout), or three (Hugging Face).
#[derive(Debug)]
enum Projections {
    Joint(Linear),
    Separate([Linear; 3]),
}

/// The weights of a block.
#[derive(Debug)]
pub struct Block {
    form: BlockForm,
    norm1: Norm,
    projections: Projections,
    output: Linear,
    scale1: Option<Tensor>,
    norm2: Norm,
    ffn: Ffn,
    scale2: Option<Tensor>,
}

impl Norm {
    pub fn take(weights: &Weights, name: &str, width: i64, epsilon: f64) -> Result<Self> {
        let part = |part: &str| weights.take(&format!("{name}.{part}"), &[width], Kind::Float);
        Ok(Self { weight: part("weight")?, bias: part("bias")?, epsilon })
    }

    pub fn handles(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone(), epsilon: self.epsilon }
    }

    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        tokens.f_layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), self.epsilon, false)
    }
}

impl Projections {
    fn take(weights: &Weights, prefix: &str, form: &BlockForm) -> Result<Self> {
        let BlockForm { width, kind, .. } = *form;
        let name = format!("{prefix}.attn.qkv");
        if weights.has(&format!("{prefix}.attn.q.weight")) {
            let one = |part: &str| Linear::take_projection(weights, &format!("{prefix}.attn.{part}"), width, form);
            return Ok(Self::Separate([one("q")?, one("k")?, one("v")?]));
        }
        let mut joint = Linear::take_projection(weights, &name, 3 * width, form)?;
        // DINOv3 keeps a bias for the keys and a mask that takes it out.
        if let (Some(bias), Some(mask)) = (&joint.bias, weights.take_if_there(&format!("{name}.bias_mask"), &[3 * width], kind)?) {
            joint.bias = Some(crate::torch::torch(|| bias.f_mul(&mask))?);
        }
        Ok(Self::Joint(joint))
    }

    fn handles(&self) -> Self {
        match self {
            Self::Joint(joint) => Self::Joint(joint.handles()),
            Self::Separate(parts) => Self::Separate(std::array::from_fn(|index| parts[index].handles())),
        }
    }

    /// Queries (0), keys (1) or values (2) alone, heads concatenated.
    fn one(&self, input: &Tensor, which: i64) -> Result<Tensor, TchError> {
        match self {
            Self::Joint(joint) => {
                let width = joint.weight.size()[1];
                joint.part(which * width, width)?.forward(input)
            }
            Self::Separate(parts) => parts[which as usize].forward(input),
        }
    }

    /// All three, each `[images, tokens, heads, channels]`.
    fn all(&self, input: &Tensor, heads: i64) -> Result<[Tensor; 3], TchError> {
        let (images, tokens, width) = input.size3()?;
        match self {
            Self::Joint(joint) => {
                let all = joint.forward(input)?.f_view([images, tokens, 3, heads, width / heads])?;
                Ok([all.f_select(2, 0)?, all.f_select(2, 1)?, all.f_select(2, 2)?])
            }
            Self::Separate(parts) => {
                let one = |part: &Linear| part.forward(input)?.f_view([images, tokens, heads, width / heads]);
                Ok([one(&parts[0])?, one(&parts[1])?, one(&parts[2])?])
            }
        }
    }
}

impl Block {
    /// The block's weights under a prefix.
    pub fn take(weights: &Weights, prefix: &str, form: BlockForm) -> Result<Self> {
        let BlockForm { width, epsilon, kind, .. } = form;
        let scale = |name: &str| weights.take_if_there(&format!("{prefix}.{name}.gamma"), &[width], Kind::Float);
        Ok(Self {
            form,
            norm1: Norm::take(weights, &format!("{prefix}.norm1"), width, epsilon)?,
            projections: Projections::take(weights, prefix, &form)?,
            output: Linear::take(weights, &format!("{prefix}.attn.proj"), width, width, kind)?,
            scale1: scale("ls1")?,
            norm2: Norm::take(weights, &format!("{prefix}.norm2"), width, epsilon)?,
            ffn: Ffn::take(weights, &format!("{prefix}.mlp"), width, kind)?,
            scale2: scale("ls2")?,
        })
    }

    pub fn handles(&self) -> Self {
        Self {
            form: self.form,
            norm1: self.norm1.handles(),
            projections: self.projections.handles(),
            output: self.output.handles(),
            scale1: self.scale1.as_ref().map(Tensor::shallow_clone),
            norm2: self.norm2.handles(),
            ffn: self.ffn.handles(),
            scale2: self.scale2.as_ref().map(Tensor::shallow_clone),
        }
    }

    /// Multiplications and additions of one forward over `tokens` tokens.
    pub fn operations(&self, tokens: u64) -> u64 {
        let width = self.form.width as u64;
        2 * tokens * (4 * width * width + 2 * tokens * width) + 2 * tokens * self.ffn.parameters()
    }

    /// The attention's query (0), key (1) or value (2) projection of each token before rotation, `[images, tokens, width]`, heads concatenated;
    /// the other two are not computed.
    pub fn projection(&self, tokens: &Tensor, which: i64) -> Result<Tensor, TchError> {
        let input = self.norm1.forward(tokens)?.f_to_kind(self.form.kind)?;
        self.projections.one(&input, which)?.f_to_kind(Kind::Float)
    }

    /// The tokens `[images, tokens, width]` after the block.
    pub fn forward(&self, tokens: &Tensor, rotation: Option<&Rotation>) -> Result<Tensor, TchError> {
        let (images, count, width) = tokens.size3()?;
        let input = self.norm1.forward(tokens)?.f_to_kind(self.form.kind)?;
        let [mut query, mut key, value] = self.projections.all(&input, self.form.heads)?;
        if let Some(rotation) = rotation {
            query = rotation.apply(&query)?;
            key = rotation.apply(&key)?;
        }
        let [query, key, value] = [query.f_transpose(1, 2)?, key.f_transpose(1, 2)?, value.f_transpose(1, 2)?];
        let attended = Tensor::f_scaled_dot_product_attention(&query, &key, &value, None::<&Tensor>, 0.0, false, None, false)?;
        let attended = attended.f_transpose(1, 2)?.f_reshape([images, count, width])?;
        let tokens = added(tokens, &self.output.forward(&attended)?, self.scale1.as_ref())?;
        let input = self.norm2.forward(&tokens)?.f_to_kind(self.form.kind)?;
        added(&tokens, &self.ffn.forward(&input)?, self.scale2.as_ref())
    }
}

/// tokens + scale · change, in 32 bits.
fn added(tokens: &Tensor, change: &Tensor, scale: Option<&Tensor>) -> Result<Tensor, TchError> {
    let change = change.f_to_kind(Kind::Float)?;
    match scale {
        Some(scale) => tokens.f_addcmul(&change, scale),
        None => tokens.f_add(&change),
    }
}

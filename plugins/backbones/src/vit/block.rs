//! One transformer block: x + attention(norm1(x)), then x + mlp(norm2(x)).

use convert_sdk::Result;
use tch::{TchError, Tensor};

use crate::checkpoint::Checkpoint;

/// DINO's, for every layer norm.
const NORM_EPSILON: f64 = 1e-6;

/// Weight and bias of a linear map, `[out, in]` and `[out]`, or of a convolution.
#[derive(Debug)]
pub struct Linear {
    pub weight: Tensor,
    pub bias: Tensor,
}

/// Weight and bias of a layer norm.
#[derive(Debug)]
pub struct Norm(Linear);

/// The weights of a block.
#[derive(Debug)]
pub struct Block {
    norm1: Norm,
    qkv: Linear,
    proj: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

impl Linear {
    fn take(file: &mut Checkpoint, name: &str, from: i64, to: i64) -> Result<Self> {
        Ok(Self { weight: file.take(&format!("{name}.weight"), &[to, from])?, bias: file.take(&format!("{name}.bias"), &[to])? })
    }

    pub fn handles(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone() }
    }

    fn forward(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        tokens.f_linear(&self.weight, Some(&self.bias))
    }
}

impl Norm {
    pub fn take(file: &mut Checkpoint, name: &str, width: i64) -> Result<Self> {
        Ok(Self(Linear { weight: file.take(&format!("{name}.weight"), &[width])?, bias: file.take(&format!("{name}.bias"), &[width])? }))
    }

    pub fn handles(&self) -> Self {
        Self(self.0.handles())
    }

    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        tokens.f_layer_norm(self.0.weight.size(), Some(&self.0.weight), Some(&self.0.bias), NORM_EPSILON, false)
    }
}

impl Block {
    /// The block's weights under a prefix; the width of its MLP is the file's.
    pub fn take(file: &mut Checkpoint, prefix: &str, width: i64) -> Result<Self> {
        let [hidden, _] = file.shape(&format!("{prefix}.mlp.fc1.weight"), "[hidden, width]")?;
        Ok(Self {
            norm1: Norm::take(file, &format!("{prefix}.norm1"), width)?,
            qkv: Linear::take(file, &format!("{prefix}.attn.qkv"), width, 3 * width)?,
            proj: Linear::take(file, &format!("{prefix}.attn.proj"), width, width)?,
            norm2: Norm::take(file, &format!("{prefix}.norm2"), width)?,
            fc1: Linear::take(file, &format!("{prefix}.mlp.fc1"), width, hidden)?,
            fc2: Linear::take(file, &format!("{prefix}.mlp.fc2"), hidden, width)?,
        })
    }

    pub fn handles(&self) -> Self {
        Self {
            norm1: self.norm1.handles(),
            qkv: self.qkv.handles(),
            proj: self.proj.handles(),
            norm2: self.norm2.handles(),
            fc1: self.fc1.handles(),
            fc2: self.fc2.handles(),
        }
    }

    /// The attention's query (0), key (1) or value (2) projection of each token, `[1, tokens, width]`, heads concatenated; the other two are not computed.
    pub fn projection(&self, tokens: &Tensor, which: i64) -> Result<Tensor, TchError> {
        let width = tokens.size()[2];
        let (weight, bias) = (self.qkv.weight.f_narrow(0, which * width, width)?, self.qkv.bias.f_narrow(0, which * width, width)?);
        self.norm1.forward(tokens)?.f_linear(&weight, Some(&bias))
    }

    /// The tokens after the block.
    pub fn forward(&self, tokens: &Tensor, heads: i64) -> Result<Tensor, TchError> {
        let (count, width) = (tokens.size()[1], tokens.size()[2]);
        let qkv = self.qkv.forward(&self.norm1.forward(tokens)?)?.f_reshape([1, count, 3, heads, width / heads])?.f_permute([2, 0, 3, 1, 4])?;
        let [query, key, value] = [qkv.f_select(0, 0)?, qkv.f_select(0, 1)?, qkv.f_select(0, 2)?];
        let attended = Tensor::f_scaled_dot_product_attention(&query, &key, &value, None::<&Tensor>, 0.0, false, None, false)?;
        let attended = attended.f_transpose(1, 2)?.f_reshape([1, count, width])?;
        let tokens = tokens.f_add(&self.proj.forward(&attended)?)?;
        let hidden = self.fc1.forward(&self.norm2.forward(&tokens)?)?.f_gelu("none")?;
        tokens.f_add(&self.fc2.forward(&hidden)?)
    }
}

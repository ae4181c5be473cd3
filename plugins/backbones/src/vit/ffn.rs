//! The feed-forward part of a block: an MLP or one of two ways to write a gated one.

use convert_sdk::Result;
use tch::{Kind, TchError, Tensor};

use super::linear::Linear;
use crate::weights::Weights;

/// The map from each token to its change.
#[derive(Debug)]
pub enum Ffn {
    /// W₂·gelu(W₁·x).
    Mlp { first: Linear, second: Linear },
    /// W₃·(silu(W₁·x) ⊙ W₂·x) with W₁ and W₂ in one (DINOv2's SwiGLU).
    Fused { both: Linear, last: Linear },
    /// The same with W₁ (gate) and W₂ (up) apart (DINOv3's).
    Gated { gate: Linear, up: Linear, last: Linear },
}

impl Ffn {
    /// The kind and the hidden width are those of the tensors.
    pub fn take(weights: &Weights, prefix: &str, width: i64, kind: Kind) -> Result<Self> {
        let hidden = |name: &str| -> Result<i64> {
            let [hidden, _] = weights.shape(&format!("{prefix}.{name}.weight"), "[hidden, width]")?;
            Ok(hidden)
        };
        let linear = |name: &str, from, to| Linear::take(weights, &format!("{prefix}.{name}"), from, to, kind);
        if weights.has(&format!("{prefix}.w12.weight")) {
            let both = hidden("w12")?;
            if both % 2 != 0 {
                return Err(weights.error(format!("tensor {prefix}.w12.weight has an odd number of rows, {both}, for two halves")));
            }
            return Ok(Self::Fused { both: linear("w12", width, both)?, last: linear("w3", both / 2, width)? });
        }
        if weights.has(&format!("{prefix}.w1.weight")) {
            let hidden = hidden("w1")?;
            return Ok(Self::Gated { gate: linear("w1", width, hidden)?, up: linear("w2", width, hidden)?, last: linear("w3", hidden, width)? });
        }
        let hidden = hidden("fc1")?;
        Ok(Self::Mlp { first: linear("fc1", width, hidden)?, second: linear("fc2", hidden, width)? })
    }

    pub fn handles(&self) -> Self {
        match self {
            Self::Mlp { first, second } => Self::Mlp { first: first.handles(), second: second.handles() },
            Self::Fused { both, last } => Self::Fused { both: both.handles(), last: last.handles() },
            Self::Gated { gate, up, last } => Self::Gated { gate: gate.handles(), up: up.handles(), last: last.handles() },
        }
    }

    /// Numbers in its matrices.
    pub fn parameters(&self) -> u64 {
        let linears: Vec<&Linear> = match self {
            Self::Mlp { first, second } => vec![first, second],
            Self::Fused { both, last } => vec![both, last],
            Self::Gated { gate, up, last } => vec![gate, up, last],
        };
        linears.iter().map(|linear| linear.weight.numel() as u64).sum()
    }

    pub fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Mlp { first, second } => second.forward(&first.forward(input)?.f_gelu_("none")?),
            Self::Fused { both, last } => {
                let both = both.forward(input)?;
                let half = both.size()[2] / 2;
                last.forward(&both.f_narrow(2, 0, half)?.f_silu()?.f_mul_(&both.f_narrow(2, half, half)?)?)
            }
            Self::Gated { gate, up, last } => last.forward(&gate.forward(input)?.f_silu_()?.f_mul_(&up.forward(input)?)?),
        }
    }
}

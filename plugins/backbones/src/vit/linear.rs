//! A linear map.

use convert_sdk::Result;
use tch::{Kind, TchError, Tensor};

use super::form::BlockForm;
use crate::weights::Weights;

/// Weight and bias of a linear map, `[out, in]` and `[out]`.
#[derive(Debug)]
pub struct Linear {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
}

impl Linear {
    pub fn take(weights: &Weights, name: &str, from: i64, to: i64, kind: Kind) -> Result<Self> {
        let bias = Some(weights.take(&format!("{name}.bias"), &[to], kind)?);
        Ok(Self { weight: weights.take(&format!("{name}.weight"), &[to, from], kind)?, bias })
    }

    /// A map of one of the attention's projections.
    pub fn take_projection(weights: &Weights, name: &str, to: i64, form: &BlockForm) -> Result<Self> {
        let BlockForm { width, kind, .. } = *form;
        if form.may_lack_bias && !weights.has(&format!("{name}.bias")) {
            return Ok(Self { weight: weights.take(&format!("{name}.weight"), &[to, width], kind)?, bias: None });
        }
        Self::take(weights, name, width, to, kind)
    }

    pub fn handles(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.as_ref().map(Tensor::shallow_clone) }
    }

    pub fn forward(&self, tokens: &Tensor) -> Result<Tensor, TchError> {
        tokens.f_linear(&self.weight, self.bias.as_ref())
    }

    /// The map to `count` of its outputs from `first` on.
    pub fn part(&self, first: i64, count: i64) -> Result<Self, TchError> {
        let bias = self.bias.as_ref().map(|bias| bias.f_narrow(0, first, count)).transpose()?;
        Ok(Self { weight: self.weight.f_narrow(0, first, count)?, bias })
    }
}

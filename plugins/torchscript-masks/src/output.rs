//! From a module's answer to masks.

use convert_backbones::torch;
use convert_sdk::{Error, Mask, Proposal, Result};
use tch::{IValue, Kind, Tensor};

use crate::config::TorchScriptMasksConfig;

/// What a module may answer, for errors.
const FORMS: &str = "a tuple (masks, scores), a dictionary with `masks` and `scores`, or a tensor of masks";

/// The masks of an answer, and their scores where it has any.
#[derive(Debug)]
pub struct Answer {
    /// `[N, h, w]`.
    masks: Tensor,
    scores: Option<Vec<f32>>,
}

impl Answer {
    /// What a module gave.
    ///
    /// # Errors
    /// Another form, shapes that do not fit together, and numbers that are none.
    pub fn new(value: IValue) -> Result<Self> {
        match value {
            IValue::Tensor(masks) => Self::of_tensors(&masks, None),
            IValue::GenericDict(entries) => {
                let named = |name: &str| {
                    let tensor = entries.iter().find_map(|entry| match entry {
                        (IValue::String(key), IValue::Tensor(tensor)) if key == name => Some(tensor),
                        _ => None,
                    });
                    tensor.ok_or_else(|| Error::config(format!("the module's dictionary has no tensor `{name}`: export one that gives {FORMS}")))
                };
                Self::of_tensors(named("masks")?, Some(named("scores")?))
            }
            IValue::Tuple(values) | IValue::GenericList(values) => Self::of_values(values),
            IValue::TensorList(tensors) => Self::of_values(tensors.into_iter().map(IValue::Tensor).collect()),
            _ => Err(Error::config(format!("the module gives neither tensors nor a dictionary: export one that gives {FORMS}"))),
        }
    }

    fn of_values(mut values: Vec<IValue>) -> Result<Self> {
        match values.as_mut_slice() {
            [IValue::Tensor(masks), IValue::Tensor(scores)] => Self::of_tensors(masks, Some(scores)),
            [_] => Self::new(values.remove(0)),
            _ => Err(Error::config(format!("the module gives {} values that are not two tensors: export one that gives {FORMS}", values.len()))),
        }
    }

    fn of_tensors(masks: &Tensor, scores: Option<&Tensor>) -> Result<Self> {
        let shape = masks.size();
        let masks = match shape.as_slice() {
            [_, _, _] => masks.shallow_clone(),
            [1, _, _, _] => torch(|| masks.f_squeeze_dim(0))?,
            [_, 1, _, _] => torch(|| masks.f_squeeze_dim(1))?,
            _ => return Err(Error::config(format!("the module's masks have shape {shape:?} instead of [N, h, w], [N, 1, h, w] or [1, N, h, w]"))),
        };
        let [count, height, width] = masks.size()[..] else { return Err(Error::config(format!("the module's masks have shape {shape:?}"))) };
        if count > 0 && (height == 0 || width == 0) {
            return Err(Error::config(format!("the module's masks have shape {shape:?}, which has no pixels")));
        }
        let Some(scores) = scores else { return Ok(Self { masks, scores: None }) };
        if scores.numel() as i64 != count {
            return Err(Error::config(format!(
                "the module gives {count} masks, of shape {shape:?}, and scores of shape {:?}: it must give a score for each mask",
                scores.size()
            )));
        }
        let scores = torch(|| Vec::<f32>::try_from(&scores.f_to_kind(Kind::Float)?.f_reshape([-1])?))?;
        if let Some(bad) = scores.iter().find(|score| !score.is_finite()) {
            return Err(Error::numeric(format!("the module gives a mask the score {bad}")));
        }
        Ok(Self { masks, scores: Some(scores) })
    }

    /// The masks that the config wants, the best-scored first; of equal ones in the module's order.
    ///
    /// # Errors
    /// Masks with NaN in them, and what libtorch says.
    pub fn proposals(&self, config: &TorchScriptMasksConfig) -> Result<Vec<Proposal>> {
        let count = self.masks.size()[0] as usize;
        let scored = |at| Ok((at, if let Some(scores) = &self.scores { scores[at] } else { self.mean_inside(at, config.threshold)? }));
        let mut order = (0..count).map(scored).collect::<Result<Vec<(usize, f32)>>>()?;
        order.retain(|(_, score)| config.min_score.is_none_or(|least| *score >= least));
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut proposals = Vec::new();
        for (at, score) in order {
            if proposals.len() == config.max_masks {
                break;
            }
            let mask = self.mask(at, config.threshold)?;
            let share = f64::from(mask.area()) / (f64::from(mask.width()) * f64::from(mask.height()));
            if !mask.is_empty() && share >= config.min_area {
                proposals.push(Proposal::new(mask, score)?);
            }
        }
        Ok(proposals)
    }

    fn mask(&self, at: usize, threshold: f64) -> Result<Mask> {
        let mask = torch(|| self.masks.f_get(at as i64))?;
        if torch(|| mask.f_isnan()?.f_any()?.f_int64_value(&[]))? != 0 {
            return Err(Error::numeric(format!("the module's mask {at} has pixels that are NaN")));
        }
        let (height, width) = (mask.size()[0] as u32, mask.size()[1] as u32);
        let inside = torch(|| Vec::<u8>::try_from(&above(&mask, threshold)?.f_to_kind(Kind::Uint8)?.f_contiguous()?.f_reshape([-1])?))?;
        Mask::from_pixels(width, height, &inside)
    }

    /// The mean of a mask's numbers inside; 0 for an empty one.
    fn mean_inside(&self, at: usize, threshold: f64) -> Result<f32> {
        torch(|| {
            let mask = self.masks.f_get(at as i64)?;
            let inside = mask.f_masked_select(&above(&mask, threshold)?)?.f_to_kind(Kind::Double)?;
            Ok(if inside.numel() == 0 { 0.0 } else { inside.f_mean(Kind::Double)?.f_double_value(&[])? as f32 })
        })
    }
}

/// Where a mask is: true, or above the threshold.
fn above(mask: &Tensor, threshold: f64) -> Result<Tensor, tch::TchError> {
    if mask.kind() == Kind::Bool { Ok(mask.shallow_clone()) } else { mask.f_gt(threshold) }
}

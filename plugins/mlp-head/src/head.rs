//! The MLP: linear maps with GELU between them.

use convert_backbones::torch;
use convert_sdk::{Error, Result};
use rand::RngExt;
use tch::{Device, Kind, TchError, Tensor};

use crate::randomness::{Purpose, stream};
use crate::vector_file::VectorFile;

/// One linear map: weight `[out, in]` and bias `[out]`.
#[derive(Debug)]
pub struct Layer {
    pub weight: Tensor,
    pub bias: Tensor,
}

/// The head's linear maps, first to last.
#[derive(Debug)]
pub struct Head {
    pub layers: Vec<Layer>,
}

impl Head {
    /// First weights as PyTorch's `nn.Linear` draws them: uniform within ±1/√in. `widths` are those of the input, the hidden layers and the output; `number` is the head's.
    pub fn random(widths: &[i64], seed: u64, number: u32) -> Result<Self> {
        let mut random = stream(seed, Purpose::Weights, number.into());
        let mut draw = |shape: &[i64], bound: f32| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| (random.random::<f32>() * 2.0 - 1.0) * bound).collect();
            torch(|| Tensor::f_from_slice(&values)?.f_view(shape))
        };
        let layers = widths.windows(2).map(|pair| {
            let bound = 1.0 / (pair[0] as f32).sqrt();
            Ok(Layer { weight: draw(&[pair[1], pair[0]], bound)?, bias: draw(&[pair[1]], bound)? })
        });
        Ok(Self { layers: layers.collect::<Result<_>>()? })
    }

    /// Width of the input, d.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.weight.size()[1] as usize)
    }

    /// Width of the output, K.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.weight.size()[0] as usize)
    }

    /// Weights and biases in the order of the layers.
    pub fn parameters(&self) -> Vec<&Tensor> {
        self.layers.iter().flat_map(|layer| [&layer.weight, &layer.bias]).collect()
    }

    /// New handles to the same memory.
    pub fn handles(&self) -> Self {
        let layers = self.layers.iter().map(|layer| Layer { weight: layer.weight.shallow_clone(), bias: layer.bias.shallow_clone() });
        Self { layers: layers.collect() }
    }

    /// The head on a device.
    pub fn on(&self, device: Device) -> Result<Self> {
        let moved = |layer: &Layer| torch(|| Ok(Layer { weight: layer.weight.f_to_device(device)?, bias: layer.bias.f_to_device(device)? }));
        Ok(Self { layers: self.layers.iter().map(moved).collect::<Result<_>>()? })
    }

    /// A head whose logits are those of this one, divided by `temperature`.
    pub fn cooled(&self, temperature: f64) -> Result<Self> {
        let mut cooled = self.handles();
        if let Some(last) = cooled.layers.last_mut().filter(|_| temperature != 1.0) {
            *last = torch(|| Ok(Layer { weight: last.weight.f_div_scalar(temperature)?, bias: last.bias.f_div_scalar(temperature)? }))?;
        }
        Ok(cooled)
    }

    /// Logits `[n, K]` of vectors `[n, d]`.
    pub fn forward(&self, vectors: &Tensor) -> Result<Tensor, TchError> {
        let mut values = vectors.shallow_clone();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                values = values.f_gelu("none")?;
            }
            values = values.f_linear(&layer.weight, Some(&layer.bias))?;
        }
        Ok(values)
    }

    /// Class probabilities of a vector: K numbers that sum to 1.
    ///
    /// Vectors go through one by one: in a larger matrix the last bits of a row depend on its place, and so on the image's other masks.
    pub fn probabilities(&self, vector: &[f32]) -> Result<Vec<f32>> {
        let logits: Vec<f32> = torch(|| {
            let input = Tensor::f_from_slice(vector)?.f_view([1, -1])?;
            Vec::try_from(&self.forward(&input)?.f_view([-1])?)
        })?;
        softmax(&logits)
    }
}

/// Heads that answer together, all of the same form; at least one.
#[derive(Debug)]
pub struct Ensemble {
    heads: Vec<Head>,
}

impl Ensemble {
    /// Of these heads.
    ///
    /// # Errors
    /// None, and heads of different forms.
    pub fn new(heads: Vec<Head>) -> Result<Self> {
        let form = |head: &Head| (head.inputs(), head.outputs());
        match heads.split_first() {
            None => Err(Error::invalid("there is no head")),
            Some((first, others)) if others.iter().any(|head| form(head) != form(first)) => Err(Error::invalid("its heads are of different forms")),
            Some(_) => Ok(Self { heads }),
        }
    }

    /// The heads one by one.
    pub fn into_heads(self) -> Vec<Head> {
        self.heads
    }

    /// Width of the input, d.
    pub fn inputs(&self) -> usize {
        self.heads.first().map_or(0, Head::inputs)
    }

    /// Width of the output, K.
    pub fn outputs(&self) -> usize {
        self.heads.first().map_or(0, Head::outputs)
    }

    /// New handles to the same memory.
    pub fn handles(&self) -> Self {
        Self { heads: self.heads.iter().map(Head::handles).collect() }
    }

    /// Mean logits `[n, K]` of vectors `[n, d]`.
    pub fn forward(&self, vectors: &Tensor) -> Result<Tensor, TchError> {
        let logits = self.heads.iter().map(|head| head.forward(vectors)).collect::<Result<Vec<_>, _>>()?;
        match logits.as_slice() {
            [one] => Ok(one.shallow_clone()),
            _ => Tensor::f_stack(&logits, 0)?.f_mean_dim(0, false, Kind::Float),
        }
    }

    /// Mean class probabilities of a vector: K numbers that sum to 1.
    pub fn probabilities(&self, vector: &[f32]) -> Result<Vec<f32>> {
        let mut all = self.heads.iter().map(|head| head.probabilities(vector));
        let first = all.next().unwrap_or_else(|| Err(Error::invalid("there is no head")))?;
        if self.heads.len() == 1 {
            return Ok(first);
        }
        let mut sums: Vec<f64> = first.into_iter().map(f64::from).collect();
        for probabilities in all {
            sums.iter_mut().zip(probabilities?).for_each(|(sum, probability)| *sum += f64::from(probability));
        }
        Ok(sums.into_iter().map(|sum| (sum / self.heads.len() as f64) as f32).collect())
    }
}

fn softmax(logits: &[f32]) -> Result<Vec<f32>> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|logit| f64::from(logit - highest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    if !sum.is_finite() {
        return Err(Error::numeric("the head's logits are not finite"));
    }
    Ok(powers.into_iter().map(|power| (power / sum) as f32).collect())
}

/// What is done to each dimension before the head: `(x - mean) * scale`.
#[derive(Debug)]
pub struct Standardisation {
    /// `[d]`
    pub mean: Tensor,
    /// `[d]`
    pub scale: Tensor,
}

/// A dimension that hardly varies is not blown up beyond this share of the typical spread.
const LEAST_SPREAD: f64 = 0.03;

impl Standardisation {
    /// To mean 0 and spread 1 over all vectors, or as they are.
    ///
    /// # Errors
    /// Vectors that cannot be read.
    pub fn of(vectors: &VectorFile, standardize: bool) -> Result<Self> {
        let width = vectors.width();
        let (mut mean, mut variance) = (vec![0.0f64; width], vec![0.0f64; width]);
        let mut scale = vec![1.0f32; width];
        if standardize {
            let count = vectors.labels().len() as f64;
            vectors.for_each(|vector| mean.iter_mut().zip(vector).for_each(|(mean, value)| *mean += f64::from(*value) / count))?;
            vectors.for_each(|vector| {
                variance.iter_mut().zip(vector.iter().zip(&mean)).for_each(|(sum, (value, mean))| *sum += (f64::from(*value) - mean).powi(2) / count);
            })?;
            let least = LEAST_SPREAD * LEAST_SPREAD * variance.iter().sum::<f64>() / width as f64;
            for (scale, variance) in scale.iter_mut().zip(&variance) {
                *scale = if variance + least > 0.0 { (1.0 / (variance + least).sqrt()) as f32 } else { 1.0 };
            }
        }
        let mean: Vec<f32> = mean.into_iter().map(|mean| mean as f32).collect();
        torch(|| Ok(Self { mean: Tensor::f_from_slice(&mean)?, scale: Tensor::f_from_slice(&scale)? }))
    }

    /// New handles to the same memory.
    pub fn handles(&self) -> Self {
        Self { mean: self.mean.shallow_clone(), scale: self.scale.shallow_clone() }
    }

    /// The numbers on a device.
    pub fn on(&self, device: Device) -> Result<Self> {
        torch(|| Ok(Self { mean: self.mean.f_to_device(device)?, scale: self.scale.f_to_device(device)? }))
    }

    /// The standardised vectors.
    pub fn apply(&self, vectors: &Tensor) -> Result<Tensor> {
        torch(|| vectors.f_sub(&self.mean)?.f_mul(&self.scale))
    }

    /// A head that takes vectors as the backbone gives them and answers as `head` does to standardised ones.
    pub fn folded_into(&self, head: &Head) -> Result<Head> {
        let mut folded = head.handles();
        if let Some(first) = folded.layers.first_mut() {
            let layer = torch(|| {
                let weight = first.weight.f_to_kind(Kind::Double)?.f_mul(&self.scale.f_to_kind(Kind::Double)?)?;
                let shift = weight.f_mv(&self.mean.f_to_kind(Kind::Double)?)?;
                let bias = first.bias.f_to_kind(Kind::Double)?.f_sub(&shift)?;
                Ok(Layer { weight: weight.f_to_kind(Kind::Float)?, bias: bias.f_to_kind(Kind::Float)? })
            })?;
            *first = layer;
        }
        Ok(folded)
    }
}

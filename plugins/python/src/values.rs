//! Domain values out of a worker's answers.

use convert_sdk::{Error, Image, Mask, Measure, Proposal, Result};
use serde_json::{Map, Value, json};

use crate::frame::{Incoming, Outgoing};

/// A part of an answer that is not as it should be.
pub fn unexpected(what: &str, value: &Value) -> Error {
    let shown: String = value.to_string().chars().take(80).collect();
    Error::invalid(format!("its answer has {shown} where {what} should be"))
}

/// The list that an answer, or a part of one, is.
pub fn list<'v>(value: &'v Value, what: &str) -> Result<&'v [Value]> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| unexpected(what, value))
}

/// The number under a key.
pub fn number(value: &Value, key: &str) -> Result<f64> {
    value.get(key).and_then(Value::as_f64).ok_or_else(|| unexpected(&format!("a number `{key}`"), value))
}

/// A class index or a count.
pub fn index(value: &Value) -> Result<u32> {
    value.as_u64().and_then(|index| u32::try_from(index).ok()).ok_or_else(|| unexpected("the index of a class", value))
}

/// A class and its probability.
pub fn class_and_probability(value: &Value) -> Result<(u32, f32)> {
    match value.as_array().map(Vec::as_slice) {
        Some([class, probability]) => {
            let probability = probability.as_f64().ok_or_else(|| unexpected("a probability", probability))?;
            Ok((index(class)?, probability as f32))
        }
        _ => Err(unexpected("a class and its probability", value)),
    }
}

/// An array: its shape and bytes.
pub struct Array<'a> {
    pub shape: Vec<u32>,
    pub bytes: &'a [u8],
}

impl Incoming {
    /// The bytes of a value that has some.
    pub fn bytes(&self, value: &Value) -> Option<&[u8]> {
        let at = value.get("$").and_then(Value::as_u64)?;
        self.blobs.get(at as usize).map(Vec::as_slice)
    }

    /// An array of a type.
    ///
    /// # Errors
    /// What is no such array.
    pub fn array<'a>(&'a self, value: &Value, dtype: &str, what: &str) -> Result<Array<'a>> {
        let of_type = value.get("dtype").and_then(Value::as_str) == Some(dtype);
        let shape = value.get("shape").and_then(Value::as_array).map(|sides| sides.iter().map(index).collect::<Result<Vec<_>>>());
        match (self.bytes(value), shape) {
            (Some(bytes), Some(shape)) if of_type => Ok(Array { shape: shape?, bytes }),
            _ => Err(unexpected(what, value)),
        }
    }

    /// A row of 32-bit numbers, or several rows one behind the other.
    ///
    /// # Errors
    /// What is no such array.
    pub fn floats(&self, value: &Value, what: &str) -> Result<(Vec<u32>, Vec<f32>)> {
        let Array { shape, bytes } = self.array(value, "f4", what)?;
        let numbers: Vec<f32> = bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
        if let Some(bad) = numbers.iter().find(|number| !number.is_finite()) {
            return Err(Error::numeric(format!("its answer has {bad} among {what}")));
        }
        Ok((shape, numbers))
    }

    /// A mask: an array of booleans, or COCO's run lengths.
    ///
    /// # Errors
    /// What is neither.
    pub fn mask(&self, value: &Value) -> Result<Mask> {
        if value.get("$").is_some() {
            let Array { shape, bytes } = self.array(value, "u1", "a mask")?;
            let [height, width] = shape[..] else { return Err(unexpected("a mask of [height, width]", value)) };
            return Mask::from_pixels(width, height, bytes);
        }
        let size = value.get("size").map(|size| list(size, "a size")).transpose()?.unwrap_or_default();
        let [height, width] = size else { return Err(unexpected("a mask", value)) };
        let (height, width) = (index(height)?, index(width)?);
        match value.get("counts") {
            Some(Value::String(counts)) => Mask::from_counts(width, height, counts),
            Some(Value::Array(runs)) => Mask::from_runs(width, height, &runs.iter().map(index).collect::<Result<Vec<_>>>()?),
            _ => Err(unexpected("run lengths", value)),
        }
    }

    /// A proposal.
    ///
    /// # Errors
    /// What is none.
    pub fn proposal(&self, value: &Value) -> Result<Proposal> {
        let mask = self.mask(value.get("mask").unwrap_or(&Value::Null))?;
        let measures = value.get("measures").and_then(Value::as_object).into_iter().flatten();
        let measures = measures.filter_map(|(name, value)| Some(Measure { name: name.clone(), value: value.as_f64()? }));
        let mut proposal = Proposal::new(mask, number(value, "score")? as f32)?;
        proposal.measures = measures.collect();
        Ok(proposal)
    }

    /// An image.
    ///
    /// # Errors
    /// What is none.
    pub fn image(&self, value: &Value) -> Result<Image<'static>> {
        let Array { shape, bytes } = self.array(value, "u1", "an image")?;
        let [height, width, 3] = shape[..] else { return Err(unexpected("an image of [height, width, 3]", value)) };
        Image::new(width, height, bytes.to_vec())
    }
}

/// Named numbers as a mapping.
pub fn measures(measures: &[Measure]) -> Value {
    measures.iter().map(|measure| (measure.name.clone(), json!(measure.value))).collect::<Map<String, Value>>().into()
}

impl Outgoing<'_> {
    /// A proposal as a value.
    pub fn proposal(&mut self, proposal: &Proposal) -> Value {
        json!({ "mask": self.mask(&proposal.mask), "score": proposal.score, "measures": measures(&proposal.measures) })
    }
}

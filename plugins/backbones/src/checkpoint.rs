//! Weights from a file, each tensor asked for by name and shape.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convert_sdk::{Error, Result, ResultExt};
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use crate::torch::torch;

/// The tensors of a weights file, in 32-bit floating point.
pub struct Checkpoint {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// Reads a safetensors file.
    ///
    /// # Errors
    /// A file that cannot be read or is none; a tensor of another type than floating point, or with a number that is not finite.
    pub fn open(path: &Path, device: Device) -> Result<Self> {
        let named = || format!("cannot load the weights {}", path.display());
        let bytes = std::fs::read(path).map_err(Error::from).context(named)?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| Error::invalid(format!("not a whole safetensors file ({error}): convert .pth files first")))
            .context(named)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            let shape: Vec<i64> = view.shape().iter().map(|side| *side as i64).collect();
            let kind = match view.dtype() {
                Dtype::F64 => Kind::Double,
                Dtype::F32 => Kind::Float,
                Dtype::F16 => Kind::Half,
                Dtype::BF16 => Kind::BFloat16,
                other => return Err(Error::invalid(format!("tensor {name} is of type {other:?}, not floating point"))).context(named),
            };
            let tensor = torch(|| Tensor::f_from_data_size(view.data(), &shape, kind)?.f_to_kind(Kind::Float)?.f_to_device(device)).context(named)?;
            if torch(|| tensor.f_isfinite()?.f_all()?.f_int64_value(&[]))? == 0 {
                return Err(Error::invalid(format!("tensor {name} holds numbers that are not finite"))).context(named);
            }
            tensors.insert(name.to_owned(), tensor);
        }
        Ok(Self { path: path.to_owned(), tensors })
    }

    /// The shape of a tensor that must be there and have as many sides as `form` describes.
    pub fn shape<const SIDES: usize>(&self, name: &str, form: &str) -> Result<[i64; SIDES]> {
        let shape = self.find(name)?.size();
        shape.as_slice().try_into().map_err(|_| self.error(format!("tensor {name} has shape {shape:?} instead of {form}")))
    }

    /// A tensor of a shape.
    pub fn take(&mut self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let found = self.find(name)?.size();
        if found != shape {
            return Err(self.error(format!("tensor {name} has shape {found:?} instead of {shape:?}")));
        }
        self.tensors.remove(name).ok_or_else(|| self.missing(name))
    }

    /// How many numbers from 0 on make a name of `prefix`, the number and `suffix`.
    pub fn count(&self, prefix: &str, suffix: &str) -> usize {
        (0..).take_while(|index| self.tensors.contains_key(&format!("{prefix}{index}{suffix}"))).count()
    }

    /// An error about this file.
    pub fn error(&self, message: String) -> Error {
        Error::invalid(message).context(format!("cannot use the weights {}", self.path.display()))
    }

    fn find(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Error {
        let first = self.tensors.keys().next().map_or_else(|| "no tensor at all".to_owned(), |first| format!("others, such as {first}"));
        self.error(format!("tensor {name} is missing (the file has {first}): is it of another family or layout?"))
    }
}

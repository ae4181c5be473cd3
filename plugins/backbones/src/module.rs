//! Family `torchscript`: a module that `torch.jit` exported.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use convert_sdk::{Context, Error, Image, Result, ResultExt};
use tch::{CModule, Device, IValue, Kind, TchError, Tensor};

use crate::config::{BackboneConfig, FeatureKind, FeatureRequest, Precision};
use crate::device::device;
use crate::features::FeatureTensor;
use crate::normalisation::Normalisation;
use crate::torch::torch;
use crate::torchscript::load_module;

/// A loaded module.
#[derive(Debug)]
pub struct Module {
    module: CModule,
    patch_size: u32,
    device: Device,
    /// Bytes of its parameters.
    memory: u64,
    normalisation: Normalisation,
    /// d by input size, as the module's answer to a grey image showed it.
    dimensions: Mutex<BTreeMap<u32, usize>>,
}

impl Module {
    /// Loads the module that the config names.
    pub fn load(config: &BackboneConfig, context: &Context) -> Result<Self> {
        let path = config.weights.as_ref().ok_or_else(|| Error::config("family torchscript needs weights: name the module's file"))?;
        let patch_size = config
            .patch_size
            .ok_or_else(|| Error::config("family torchscript needs patch_size: how many pixels a side each of the module's vectors stands for"))?;
        if config.heads.is_some() || matches!(config.precision, Precision::Bf16 | Precision::Fp16) {
            return Err(Error::config("family torchscript knows neither heads nor precision: they are the module's own, leave them out"));
        }
        let normalisation = Normalisation::new(config)?;
        let device = device(context)?;
        let (module, memory) = load_module(path, device)?;
        Ok(Self { module, patch_size, device, memory, normalisation, dimensions: Mutex::default() })
    }

    /// The side in pixels that the config gives each vector.
    pub fn patch_size(&self) -> u32 {
        self.patch_size
    }

    /// Bytes of its parameters on the device.
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Whether several images at once are cheaper than one after the other.
    pub fn batches(&self) -> bool {
        self.device != Device::Cpu
    }

    /// Numbers a patch.
    pub fn dimension(&self, request: &FeatureRequest) -> usize {
        self.dimensions.lock().unwrap_or_else(PoisonError::into_inner).get(&request.input_size).copied().unwrap_or(0)
    }

    /// Whether the module gives what is asked for: it is run once on a grey image.
    pub fn check(&self, request: &FeatureRequest) -> Result<()> {
        if let Some(layer) = request.layer {
            return Err(Error::config(format!(
                "family torchscript knows no layers, so layer: {layer} cannot be had: leave `layer` out, and export the module so that it gives that layer"
            )));
        }
        if request.kind != FeatureKind::Patch {
            return Err(Error::config(format!("family torchscript gives the feature patch alone, not {}: set feature: patch", request.kind.name())));
        }
        if self.dimension(request) != 0 {
            return Ok(());
        }
        let side = request.input_size;
        let grey = Image::new(side, side, vec![128; side as usize * side as usize * 3])?;
        let features = self.features(&[grey], request)?;
        let dimension = features.dimension();
        self.dimensions.lock().unwrap_or_else(PoisonError::into_inner).insert(side, dimension);
        Ok(())
    }

    /// The module's vectors for images of S×S pixels.
    pub fn features(&self, images: &[Image<'_>], request: &FeatureRequest) -> Result<FeatureTensor> {
        let side = i64::from(request.input_size / self.patch_size);
        let output = torch(|| {
            let pixels = self.normalisation.tensor(images, self.device)?;
            match self.module.forward_is(&[IValue::Tensor(pixels)])? {
                IValue::Tensor(output) => Ok(output),
                IValue::Tuple(_) | IValue::TensorList(_) | IValue::GenericList(_) => {
                    Err(TchError::Torch("the module gives several values: export one that gives the patches' tensor alone".into()))
                }
                _ => Err(TchError::Torch("the module gives no tensor".into())),
            }
        })
        .context(|| "the torchscript module failed".into())?;
        let values = rows(&output, images.len() as i64, side)?;
        Ok(FeatureTensor { rows: side as usize, columns: side as usize, values, class_tokens: None })
    }
}

/// The module's answer as `[images, patches, d]`.
fn rows(output: &Tensor, images: i64, side: i64) -> Result<Tensor> {
    let rows = match output.size().as_slice() {
        [count, patches, dimension] if (*count, *patches) == (images, side * side) && *dimension > 0 => output.shallow_clone(),
        [count, dimension, height, width] if (*count, *height, *width) == (images, side, side) && *dimension > 0 => {
            torch(|| output.f_flatten(2, 3)?.f_transpose(1, 2))?
        }
        shape => {
            return Err(Error::config(format!(
                "the torchscript module gives shape {shape:?} instead of [{images}, {}, d] or [{images}, d, {side}, {side}]: check patch_size and input_size, and leave extra tokens out of what it gives",
                side * side
            )));
        }
    };
    torch(|| rows.f_contiguous()?.f_to_kind(Kind::Float))
}

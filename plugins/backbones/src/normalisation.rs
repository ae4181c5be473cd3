//! From bytes to the numbers that networks are fed with.

use convert_sdk::{Error, Image, Result};
use tch::{Device, TchError, Tensor};

use crate::config::BackboneConfig;

const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// What each byte of each channel becomes: (byte / 255 − mean) / std.
pub struct Normalisation([[f32; 256]; 3]);

impl std::fmt::Debug for Normalisation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Normalisation").finish_non_exhaustive()
    }
}

impl Normalisation {
    /// The config's mean and std, or ImageNet's.
    ///
    /// # Errors
    /// Numbers that are not finite, and a std that is not positive.
    pub fn new(config: &BackboneConfig) -> Result<Self> {
        let (mean, std) = (config.mean.unwrap_or(IMAGENET_MEAN), config.std.unwrap_or(IMAGENET_STD));
        if let Some(bad) = std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
            return Err(Error::config(format!("std {bad} is not a positive number")));
        }
        if let Some(bad) = mean.iter().find(|mean| !mean.is_finite()) {
            return Err(Error::config(format!("mean {bad} is not a number")));
        }
        Ok(Self(std::array::from_fn(|channel| std::array::from_fn(|byte| (byte as f32 / 255.0 - mean[channel]) / std[channel]))))
    }

    /// Images of one size as `[images, 3, height, width]`.
    pub fn tensor(&self, images: &[Image<'_>], device: Device) -> Result<Tensor, TchError> {
        let Some(first) = images.first() else { return Tensor::f_from_slice::<f32>(&[]) };
        let (width, height) = (i64::from(first.width()), i64::from(first.height()));
        let mut planes = Vec::with_capacity(images.len() * first.pixels().len());
        for image in images {
            let pixels = image.pixels().as_chunks::<3>().0;
            for (channel, table) in self.0.iter().enumerate() {
                planes.extend(pixels.iter().map(|pixel| table[pixel[channel] as usize]));
            }
        }
        Tensor::f_from_slice(&planes)?.f_view([-1, 3, height, width])?.f_to_device(device)
    }
}

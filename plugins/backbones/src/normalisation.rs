//! From bytes to the numbers that networks are fed with.

use convert_sdk::{Error, Image, Result};
use tch::{Device, Kind, TchError, Tensor};

use crate::config::BackboneConfig;
use crate::published::{IMAGENET_MEAN, IMAGENET_STD};

/// What each byte of each channel becomes: (byte / 255 − mean) / std, in 32 bits.
pub struct Normalisation {
    mean: [f32; 3],
    std: [f32; 3],
    table: [[f32; 256]; 3],
}

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
        let table = std::array::from_fn(|channel| std::array::from_fn(|byte| (byte as f32 / 255.0 - mean[channel]) / std[channel]));
        Ok(Self { mean, std, table })
    }

    /// Images of one size as `[images, 3, height, width]`; the same numbers on every device.
    pub fn tensor(&self, images: &[Image<'_>], device: Device) -> Result<Tensor, TchError> {
        if device == Device::Cpu { self.looked_up(images) } else { self.computed(images, device) }
    }

    /// Byte by byte from the table.
    fn looked_up(&self, images: &[Image<'_>]) -> Result<Tensor, TchError> {
        let Some([height, width]) = images.first().map(sides) else { return Tensor::f_from_slice::<f32>(&[]) };
        let mut planes = Vec::with_capacity(images.iter().map(|image| image.pixels().len()).sum());
        for image in images {
            let pixels = image.pixels().as_chunks::<3>().0;
            for (channel, table) in self.table.iter().enumerate() {
                planes.extend(pixels.iter().map(|pixel| table[pixel[channel] as usize]));
            }
        }
        Tensor::f_from_slice(&planes)?.f_view([-1, 3, height, width])
    }

    /// By the device itself, which then gets bytes instead of floats.
    fn computed(&self, images: &[Image<'_>], device: Device) -> Result<Tensor, TchError> {
        let Some([height, width]) = images.first().map(sides) else { return Tensor::f_from_slice::<f32>(&[]) };
        let bytes = images.iter().map(Image::pixels).collect::<Vec<_>>().concat();
        let pixels = Tensor::f_from_slice(&bytes)?.f_to_device(device)?.f_view([-1, height, width, 3])?.f_permute([0, 3, 1, 2])?;
        // All three as tensors of the device: CUDA multiplies by the reciprocal of a number of the CPU instead of dividing by it.
        let channels = |values: &[f32]| Tensor::f_from_slice(values)?.f_view([1, -1, 1, 1])?.f_to_device(device);
        let mut pixels = pixels.f_to_kind(Kind::Float)?.f_contiguous()?;
        pixels.f_div_(&channels(&[255.0])?)?.f_sub_(&channels(&self.mean)?)?.f_div_(&channels(&self.std)?)
    }
}

fn sides(image: &Image<'_>) -> [i64; 2] {
    [i64::from(image.height()), i64::from(image.width())]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The device's way on the CPU, whose division rounds as CUDA's does (IEEE 754).
    #[test]
    fn what_a_device_computes_is_what_the_table_says_to_the_bit() {
        let pixels: Vec<u8> = (0..2 * 256 * 3).map(|at: u32| (at / 3 * 7 + at % 3 * 85) as u8).collect();
        let images = [Image::new(256, 2, pixels.clone()).unwrap(), Image::new(256, 2, pixels.into_iter().rev().collect::<Vec<_>>()).unwrap()];
        for mean in [None, Some([0.5; 3])] {
            let normalisation = Normalisation::new(&BackboneConfig { mean, std: mean, ..Default::default() }).unwrap();
            let [looked_up, computed] = [normalisation.looked_up(&images).unwrap(), normalisation.computed(&images, Device::Cpu).unwrap()];
            assert_eq!(looked_up.size(), [2, 3, 2, 256]);
            assert_eq!(computed.size(), looked_up.size());
            let bits = |tensor: &Tensor| Vec::<f32>::try_from(&tensor.view(-1)).unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(&computed), bits(&looked_up));
        }
    }
}

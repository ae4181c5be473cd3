//! From an image to the tensor that a module is given.

use convert_backbones::torch;
use convert_sdk::{Error, Image, Result};
use tch::{Device, Tensor};

use crate::config::{Shape, TorchScriptMasksConfig};

/// The image as `[1, 3, height, width]` on a device.
pub fn tensor(image: &Image<'_>, config: &TorchScriptMasksConfig, device: Device) -> Result<Tensor> {
    let (width, height) = resized(image.width(), image.height(), config.size, config.shape)?;
    let image = image.resize_lanczos(width, height)?;
    let pixels = image.pixels().as_chunks::<3>().0;
    let mut planes = Vec::with_capacity(3 * pixels.len());
    for channel in 0..3 {
        let table: [f32; 256] = std::array::from_fn(|byte| (byte as f32 / 255.0 - config.mean[channel]) / config.std[channel]);
        planes.extend(pixels.iter().map(|pixel| table[usize::from(pixel[channel])]));
    }
    torch(|| Tensor::f_from_slice(&planes)?.f_view([1, 3, i64::from(height), i64::from(width)])?.f_to_device(device))
}

/// Width and height that an image gets.
fn resized(width: u32, height: u32, size: u32, shape: Shape) -> Result<(u32, u32)> {
    let reference = match shape {
        Shape::Square => return Ok((size, size)),
        Shape::LongerSide => width.max(height),
        Shape::ShorterSide => width.min(height),
    };
    let to = |side: u32| (f64::from(side) * f64::from(size) / f64::from(reference)).round().max(1.0) as u32;
    let (wide, high) = (to(width), to(height));
    Image::check_size(wide, high).map_err(|_| {
        Error::invalid(format!(
            "an image of {width}x{height} pixels becomes one of {wide}x{high} with a shorter side of {size}: take shape: longer-side"
        ))
    })?;
    Ok((wide, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_become_what_the_shape_says() {
        let sizes = [Shape::Square, Shape::LongerSide, Shape::ShorterSide].map(|shape| resized(640, 480, 240, shape).unwrap());
        assert_eq!(sizes, [(240, 240), (240, 180), (320, 240)]);
        assert_eq!(resized(4000, 1, 100, Shape::LongerSide).unwrap(), (100, 1));
        let error = resized(60_000, 1, 512, Shape::ShorterSide).unwrap_err();
        assert!(error.to_string().ends_with("one of 30720000x512 with a shorter side of 512: take shape: longer-side"), "{error}");
    }
}

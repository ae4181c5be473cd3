//! A small JPEG of an image, as a data URL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use convert_sdk::{Image, Result};

/// Longest side in pixels.
const LONGEST: u32 = 192;
const QUALITY: f32 = 78.0;

/// The image at most [`LONGEST`] pixels in its longest side, as a `data:` URL.
///
/// # Errors
/// An image that cannot be encoded.
pub fn data_url(image: &Image<'_>) -> Result<String> {
    let side = image.width().max(image.height());
    let scale = |length: u32| (u64::from(length) * u64::from(LONGEST) / u64::from(side)).max(1) as u32;
    let small = if side > LONGEST { image.resize_lanczos(scale(image.width()), scale(image.height()))? } else { image.clone().into_owned() };
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg(&small)?)))
}

fn jpeg(image: &Image<'_>) -> Result<Vec<u8>> {
    let mut compress = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    compress.set_size(image.width() as usize, image.height() as usize);
    // Without trellis quantisation: a tenth of the time for a few per cent more bytes.
    compress.set_fastest_defaults();
    compress.set_optimize_coding(true);
    compress.set_quality(QUALITY);
    let mut compress = compress.start_compress(Vec::new())?;
    compress.write_scanlines(image.pixels())?;
    Ok(compress.finish()?)
}

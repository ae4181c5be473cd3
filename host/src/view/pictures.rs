//! Images and their thumbnails.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use convert_sdk::{Error, Image, ImageData, Result, ResultExt};

use crate::pipeline::Consultation;

/// How many bytes of thumbnails are kept, those last asked for.
const KEPT: usize = 64 << 20;
/// The sizes that a thumbnail may have.
pub const SIZES: std::ops::RangeInclusive<u32> = 32..=512;
const QUALITY: f32 = 82.0;

/// The thumbnails last asked for.
#[derive(Default)]
pub struct Thumbnails {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    files: HashMap<(usize, u32), Arc<[u8]>>,
    order: VecDeque<(usize, u32)>,
    bytes: usize,
}

impl Thumbnails {
    /// A JPEG file of a sample's image whose longer side is at most `size`.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn get(&self, models: &Consultation, sample: usize, id: &str, size: u32) -> Result<Arc<[u8]>> {
        let size = size.clamp(*SIZES.start(), *SIZES.end());
        if let Some(file) = self.kept().files.get(&(sample, size)) {
            return Ok(Arc::clone(file));
        }
        let image = models.image(id)?;
        let longer = image.width().max(image.height());
        let (width, height) = (image.width(), image.height());
        let side = |pixels: u32| (u64::from(pixels) * u64::from(size)).div_ceil(u64::from(longer)).max(1) as u32;
        let small = if longer <= size { image } else { image.resize_lanczos(side(width), side(height))? };
        let file: Arc<[u8]> = jpeg(&small)?.into();
        self.kept().keep((sample, size), Arc::clone(&file));
        Ok(file)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, name: (usize, u32), file: Arc<[u8]>) {
        self.bytes += file.len();
        if self.files.insert(name, file).is_none() {
            self.order.push_back(name);
        }
        while self.bytes > KEPT {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.files.remove(&oldest).map_or(0, |file| file.len());
        }
    }
}

/// A sample's image as browsers show it, with its media type: the dataset's file where they know its form, else PNG.
///
/// # Errors
/// An image that cannot be read.
pub fn picture(models: &Consultation, id: &str) -> Result<(&'static str, Vec<u8>)> {
    let pixels = match models.file(id)? {
        ImageData::Encoded(bytes) => match image::guess_format(&bytes) {
            Ok(image::ImageFormat::Jpeg) if models.shows_as_decoded(&bytes) => return Ok(("image/jpeg", bytes)),
            Ok(image::ImageFormat::Png) => return Ok(("image/png", bytes)),
            Ok(image::ImageFormat::WebP) => return Ok(("image/webp", bytes)),
            _ => models.decode(&bytes)?,
        },
        ImageData::Pixels(pixels) => pixels,
    };
    let mut file = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut file);
    let written = image::ImageEncoder::write_image(encoder, pixels.pixels(), pixels.width(), pixels.height(), image::ExtendedColorType::Rgb8);
    written.context(|| format!("{id} cannot be shown"))?;
    Ok(("image/png", file))
}

fn jpeg(image: &Image<'_>) -> Result<Vec<u8>> {
    let written = std::panic::catch_unwind(|| {
        let mut compress = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
        compress.set_size(image.width() as usize, image.height() as usize);
        compress.set_quality(QUALITY);
        compress.set_fastest_defaults();
        let mut started = compress.start_compress(Vec::new())?;
        started.write_scanlines(image.pixels())?;
        started.finish()
    });
    match written {
        Ok(file) => Ok(file?),
        Err(_) => Err(Error::invalid("its thumbnail cannot be made")),
    }
}

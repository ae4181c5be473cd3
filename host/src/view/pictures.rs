//! Images and their thumbnails.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use convert_sdk::{ImageData, Result, ResultExt};

use crate::pipeline::Consultation;
use crate::thumbnail::thumbnail;

/// How many bytes of thumbnails are kept, those last asked for.
const KEPT: usize = 64 << 20;
/// The sizes that a thumbnail may have.
pub const SIZES: std::ops::RangeInclusive<u32> = 32..=512;

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
        let image = models.small_image(id, size)?;
        let file: Arc<[u8]> = thumbnail(&image, size)?.into();
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

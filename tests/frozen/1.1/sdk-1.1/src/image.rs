//! An RGB image, borrowed or owned, and Pillow's way of resizing it.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::resample::{resize, Filter};
use crate::{BoundingBox, Error, Result};

/// An 8-bit RGB image: `height` rows of `width` pixels of three bytes. Neither side is zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Image<'a> {
    width: u32,
    height: u32,
    #[serde(with = "serde_bytes")]
    pixels: Cow<'a, [u8]>,
}

/// An image of the other side.
#[derive(Deserialize)]
struct Unchecked {
    width: u32,
    height: u32,
    #[serde(with = "serde_bytes")]
    pixels: Vec<u8>,
}

impl TryFrom<Unchecked> for Image<'_> {
    type Error = String;
    fn try_from(image: Unchecked) -> Result<Self, String> {
        Self::new(image.width, image.height, image.pixels).map_err(|error| error.message)
    }
}

impl<'a> Image<'a> {
    /// Most pixels of an image, and of a mask: more are taken for a decompression bomb (Pillow's limit).
    pub const MAX_PIXELS: u64 = 178_956_970;

    /// An image over pixels in row order, `width * height * 3` bytes; an error when that does not hold, a side is zero, or there are more than [`Self::MAX_PIXELS`].
    pub fn new(width: u32, height: u32, pixels: impl Into<Cow<'a, [u8]>>) -> Result<Self> {
        let pixels = pixels.into();
        Self::check_size(width, height)?;
        let expected = width as usize * height as usize * 3;
        if expected == 0 || pixels.len() != expected {
            return Err(Error::invalid(format!("an RGB image of {width}x{height} needs {expected} bytes, got {}", pixels.len())));
        }
        Ok(Self { width, height, pixels })
    }

    /// Whether an image of that size may be decoded.
    ///
    /// # Errors
    /// More than [`Self::MAX_PIXELS`].
    pub fn check_size(width: u32, height: u32) -> Result<()> {
        if u64::from(width) * u64::from(height) > Self::MAX_PIXELS {
            return Err(Error::invalid(format!("{width}x{height} pixels are more than the limit of {}: a decompression bomb?", Self::MAX_PIXELS)));
        }
        Ok(())
    }

    /// Pixels in a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, row by row, three a pixel.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The colour at column `x` and row `y`.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = (y as usize * self.width as usize + x as usize) * 3;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    /// The bytes of an owned image.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels.into_owned()
    }

    /// The same image without a borrow.
    pub fn into_owned(self) -> Image<'static> {
        Image { width: self.width, height: self.height, pixels: Cow::Owned(self.pixels.into_owned()) }
    }

    /// The part of the image in a box.
    ///
    /// # Errors
    /// A box without area, or one that reaches beyond the image.
    pub fn crop(&self, region: BoundingBox) -> Result<Image<'static>> {
        region.check_within(self.width, self.height)?;
        let rows = self.pixels.chunks_exact(self.width as usize * 3).skip(region.y as usize).take(region.height as usize);
        let columns = region.x as usize * 3..(region.x + region.width) as usize * 3;
        Image::new(region.width, region.height, rows.flat_map(|row| &row[columns.clone()]).copied().collect::<Vec<u8>>())
    }

    /// The image at another size by Pillow's `resize(…, LANCZOS)`: antialiased, the aspect is not kept.
    ///
    /// # Errors
    /// A zero side.
    pub fn resize_lanczos(&self, width: u32, height: u32) -> Result<Image<'static>> {
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone().into_owned());
        }
        if width == 0 || height == 0 {
            return Err(Error::invalid(format!("an image cannot be resized to {width}x{height}")));
        }
        let size = |width: u32, height: u32| (width as usize, height as usize);
        Image::new(width, height, resize::<3>(&self.pixels, size(self.width, self.height), size(width, height), Filter::Lanczos))
    }
}

/// Width, height and bytes of an image, borrowed.
pub(crate) type Lent<'a> = (u32, u32, &'a [u8]);

/// Whoever holds an image and shows it as long as it is borrowed itself; what it shows may be the other side of the ABI's.
pub(crate) trait Lender: Send + Sync {
    /// The decoded image.
    fn lend(&self) -> Result<Lent<'_>>;

    /// The bytes that it is decoded from, where there are any.
    fn encoded(&self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

/// An image that is decoded when it is first asked for, and kept until this value goes. A plugin's is the host's, lent and not copied.
pub struct LazyImage<'a>(Box<dyn Lender + 'a>);

impl<'a> LazyImage<'a> {
    /// An image that `load` brings; called again only after it failed.
    pub fn new(load: impl Fn() -> Result<Image<'static>> + Send + Sync + 'a) -> Self {
        Self::with_file(load, || Ok(None))
    }

    /// An image that `load` brings, and `file` the bytes that it is decoded from, or nothing where there are none.
    pub fn with_file(
        load: impl Fn() -> Result<Image<'static>> + Send + Sync + 'a,
        file: impl Fn() -> Result<Option<Vec<u8>>> + Send + Sync + 'a,
    ) -> Self {
        Self(Box::new(Loaded { load, file, image: OnceLock::new() }))
    }

    /// An image that someone else holds.
    pub(crate) fn lent(lender: impl Lender + 'a) -> Self {
        Self(Box::new(lender))
    }

    /// The decoded image, without a copy of its pixels.
    ///
    /// # Errors
    /// What reading or decoding the image gave.
    pub fn get(&self) -> Result<Image<'_>> {
        let (width, height, pixels) = self.0.lend()?;
        Image::new(width, height, pixels)
    }

    /// The file that the image is decoded from, as the dataset has it; `None` where that has pixels only, or gives the image to other roles than exporters.
    ///
    /// # Errors
    /// What reading it gave.
    pub fn encoded(&self) -> Result<Option<Vec<u8>>> {
        self.0.encoded()
    }
}

impl Lender for LazyImage<'_> {
    fn lend(&self) -> Result<Lent<'_>> {
        self.0.lend()
    }
    fn encoded(&self) -> Result<Option<Vec<u8>>> {
        self.0.encoded()
    }
}

impl<T: Lender> Lender for &T {
    fn lend(&self) -> Result<Lent<'_>> {
        (*self).lend()
    }
    fn encoded(&self) -> Result<Option<Vec<u8>>> {
        (*self).encoded()
    }
}

struct Loaded<F, G> {
    load: F,
    file: G,
    image: OnceLock<Image<'static>>,
}

impl<F, G> Lender for Loaded<F, G>
where
    F: Fn() -> Result<Image<'static>> + Send + Sync,
    G: Fn() -> Result<Option<Vec<u8>>> + Send + Sync,
{
    fn lend(&self) -> Result<Lent<'_>> {
        let image = match self.image.get() {
            Some(image) => image,
            None => {
                let image = (self.load)()?;
                self.image.get_or_init(|| image)
            }
        };
        Ok((image.width, image.height, &image.pixels))
    }
    fn encoded(&self) -> Result<Option<Vec<u8>>> {
        (self.file)()
    }
}

impl Lender for Image<'_> {
    fn lend(&self) -> Result<Lent<'_>> {
        Ok((self.width, self.height, &self.pixels))
    }
}

impl<'a> From<Image<'a>> for LazyImage<'a> {
    fn from(image: Image<'a>) -> Self {
        Self::lent(image)
    }
}

/// No image: what a sample has until it is given its own.
impl Default for LazyImage<'_> {
    fn default() -> Self {
        Self::new(|| Err(Error::invalid("there is no image")))
    }
}

impl std::fmt::Debug for LazyImage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LazyImage")
    }
}

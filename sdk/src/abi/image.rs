//! Images, whose pixels are lent and never copied.

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{ROption, RVec};
use convert_abi::{abi_stable, Fallible, ImageObject, ImageSource, ImageSource_TO, Pixels};

use super::guard::guard;
use super::message::received;
use crate::image::{Lender, Lent};
use crate::{Image, LazyImage, Result};

/// An image's pixels, lent.
pub fn pixels<'a>(image: &'a Image<'_>) -> Pixels<'a> {
    Pixels { width: image.width(), height: image.height(), bytes: image.pixels().into() }
}

/// The images that were lent, checked.
pub fn images<'a>(lent: &[Pixels<'a>]) -> Result<Vec<Image<'a>>> {
    lent.iter().map(|pixels| Image::new(pixels.width, pixels.height, pixels.bytes.as_slice())).collect()
}

struct Source<T>(T);

impl<T: Lender> ImageSource for Source<T> {
    fn load<'a>(&'a self) -> Fallible<Pixels<'a>> {
        guard(|| self.0.lend(), |(width, height, bytes)| Pixels { width, height, bytes: bytes.into() })
    }
    fn encoded(&self) -> Fallible<ROption<RVec<u8>>> {
        guard(|| self.0.encoded(), |bytes| bytes.map(RVec::from).into())
    }
}

/// An image for the other side: borrowed, or handed over.
pub fn image_object<'a>(image: impl Lender + 'a) -> ImageObject<'a> {
    ImageSource_TO::from_value(Source(image), TD_Opaque)
}

struct Foreign<'a>(ImageObject<'a>);

impl Lender for Foreign<'_> {
    fn lend(&self) -> Result<Lent<'_>> {
        received(self.0.load()).map(|pixels| (pixels.width, pixels.height, pixels.bytes.as_slice()))
    }
    fn encoded(&self) -> Result<Option<Vec<u8>>> {
        Ok(received(self.0.encoded())?.into_option().map(Vec::from))
    }
}

/// An image of the other side.
pub fn foreign_image(object: ImageObject<'_>) -> LazyImage<'_> {
    LazyImage::lent(Foreign(object))
}

//! Images, whose pixels are lent and never copied.

use abi_stable::sabi_trait::TD_Opaque;
use abi_stable::std_types::{ROption, RVec};
use convert_abi::{abi_stable, Fallible, ImageObject, ImageSource, ImageSource_TO, Pixels};

use super::ask::received;
use super::guard::guard;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn an_image_is_lent_across_and_not_copied() {
        let image = Image::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let place = image.pixels().as_ptr();
        let held = LazyImage::from(image);
        let crossed = foreign_image(image_object(&held));
        // As a plugin that is a host itself would pass it on.
        let further = foreign_image(image_object(crossed));
        let received = further.get().unwrap();
        assert_eq!((received.width(), received.pixels().as_ptr()), (2, place));
        assert_eq!(received, held.get().unwrap());
    }

    #[test]
    fn an_image_that_cannot_be_read_says_so_on_the_other_side_and_is_tried_again() {
        let loads = std::sync::atomic::AtomicU32::new(0);
        let broken = LazyImage::new(|| match loads.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Err(Error::invalid("truncated")),
            _ => Image::new(1, 1, vec![7; 3]),
        });
        let crossed = foreign_image(image_object(&broken));
        assert_eq!(crossed.get().unwrap_err().to_string(), "truncated");
        assert_eq!(crossed.get().unwrap().pixels(), [7; 3]);
    }
}

use abi_stable::sabi_trait;
use abi_stable::std_types::{RBox, ROption, RStr, RVec};

use super::entry::{enter, read_config};
use super::guard::guard;
use super::host::ContextAbi;
use super::values::*;
use crate::image::{Lender, Lent};
use crate::{LazyImage, Plugin, Proposal, Refinement, Refiner, Result, Work};

/// An image that the other side decodes when asked, keeps, and lends: its pixels do not cross.
#[sabi_trait]
pub trait LoadImageAbi: Send + Sync {
    fn load<'a>(&'a self) -> AbiResult<ImageAbi<'a>>;
    #[sabi(last_prefix_field)]
    fn encoded(&self) -> AbiResult<ROption<RVec<u8>>>;
}

pub type LoadImageObject<'a> = LoadImageAbi_TO<'a, RBox<()>>;

struct ExportedImage<T>(T);

impl<T: Lender> LoadImageAbi for ExportedImage<T> {
    fn load<'a>(&'a self) -> AbiResult<ImageAbi<'a>> {
        guard(|| self.0.lend(), ImageAbi::from)
    }
    fn encoded(&self) -> AbiResult<ROption<RVec<u8>>> {
        guard(|| self.0.encoded(), |bytes| bytes.map(RVec::from).into())
    }
}

pub fn export_image<'a>(image: &'a LazyImage<'a>) -> LoadImageObject<'a> {
    LoadImageAbi_TO::from_value(ExportedImage(image), sabi_trait::TD_Opaque)
}

pub fn export_owned_image<'a>(image: LazyImage<'a>) -> LoadImageObject<'a> {
    LoadImageAbi_TO::from_value(ExportedImage(image), sabi_trait::TD_Opaque)
}

struct ForeignImage<'a>(LoadImageObject<'a>);

impl Lender for ForeignImage<'_> {
    fn lend(&self) -> Result<Lent<'_>> {
        received(self.0.load()).map(ImageAbi::parts)
    }
    fn encoded(&self) -> Result<Option<Vec<u8>>> {
        Ok(received(self.0.encoded())?.into_option().map(Vec::from))
    }
}

pub fn import_image<'a>(object: LoadImageObject<'a>) -> LazyImage<'a> {
    LazyImage::lent(ForeignImage(object))
}

#[sabi_trait]
pub trait RefinerAbi: Send + Sync {
    fn work(&self, before: WorkAbi) -> AbiResult<WorkAbi>;
    #[sabi(last_prefix_field)]
    fn refine(&self, image: LoadImageObject<'_>, proposals: RVec<ProposalAbi>) -> AbiResult<RVec<RefinementAbi>>;
}

pub type Object = RefinerAbi_TO<'static, RBox<()>>;

struct Exported<T>(T);

impl<T: Refiner> RefinerAbi for Exported<T> {
    fn work(&self, before: WorkAbi) -> AbiResult<WorkAbi> {
        guard(|| Ok(self.0.work(&before.into())), WorkAbi::from)
    }
    fn refine(&self, image: LoadImageObject<'_>, proposals: RVec<ProposalAbi>) -> AbiResult<RVec<RefinementAbi>> {
        guard(|| self.0.refine(&import_image(image), &checked::<_, Proposal>(proposals)?), all)
    }
}

pub extern "C" fn build<T: Plugin + Refiner>(config: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(|| T::new(read_config(config)?, enter(context)), |plugin| RefinerAbi_TO::from_value(Exported(plugin), sabi_trait::TD_Opaque))
}

/// A refiner of a loaded library.
pub struct ForeignRefiner(pub Object);

impl Refiner for ForeignRefiner {
    fn work(&self, before: &Work) -> Work {
        // An estimate that a plugin fails to give is one that is not known.
        received(self.0.work((*before).into())).map(Work::from).unwrap_or_default()
    }
    fn refine(&self, image: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        let refinements = received(self.0.refine(export_image(image), all(proposals)))?;
        same_count("refiner", "answers", refinements.len(), proposals.len())?;
        checked(refinements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Image};

    #[test]
    fn an_image_is_lent_across_and_not_copied() {
        let image = Image::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let place = image.pixels().as_ptr();
        let held = LazyImage::from(image);
        let crossed = import_image(export_image(&held));
        // As a plugin that is a host itself would pass it on.
        let further = import_image(export_owned_image(crossed));
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
        let crossed = import_image(export_image(&broken));
        assert_eq!(crossed.get().unwrap_err().to_string(), "truncated");
        assert_eq!(crossed.get().unwrap().pixels(), [7; 3]);
    }
}

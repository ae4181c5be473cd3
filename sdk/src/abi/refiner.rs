use abi_stable::sabi_trait;
use abi_stable::std_types::{RBox, RStr, RVec};

use super::guard::guard;
use super::host::ContextAbi;
use super::module::{enter, read_config};
use super::values::*;
use crate::{Context, Image, LazyImage, Proposal, Refinement, Refiner, Result, Work};

/// An image that the other side decodes when asked.
#[sabi_trait]
pub trait LoadImageAbi: Send + Sync {
    #[sabi(last_prefix_field)]
    fn load(&self) -> AbiResult<OwnedImageAbi>;
}

pub type LoadImageObject<'a> = LoadImageAbi_TO<'a, RBox<()>>;

struct ExportedImage<'a>(&'a LazyImage<'a>);

impl LoadImageAbi for ExportedImage<'_> {
    fn load(&self) -> AbiResult<OwnedImageAbi> {
        guard(|| self.0.get().cloned(), OwnedImageAbi::from)
    }
}

pub fn export_image<'a>(image: &'a LazyImage<'a>) -> LoadImageObject<'a> {
    LoadImageAbi_TO::from_value(ExportedImage(image), sabi_trait::TD_Opaque)
}

struct ExportedOwnedImage<'a>(LazyImage<'a>);

impl LoadImageAbi for ExportedOwnedImage<'_> {
    fn load(&self) -> AbiResult<OwnedImageAbi> {
        guard(|| self.0.get().cloned(), OwnedImageAbi::from)
    }
}

pub fn export_owned_image<'a>(image: LazyImage<'a>) -> LoadImageObject<'a> {
    LoadImageAbi_TO::from_value(ExportedOwnedImage(image), sabi_trait::TD_Opaque)
}

pub fn import_image<'a>(object: LoadImageObject<'a>) -> LazyImage<'a> {
    LazyImage::new(move || <Result<Image<'static>>>::from_abi(received(object.load())?))
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

pub extern "C" fn build<T: Refiner + 'static>(config: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(|| T::new(read_config(config)?, enter(context)), |plugin| RefinerAbi_TO::from_value(Exported(plugin), sabi_trait::TD_Opaque))
}

/// A refiner of a loaded library.
pub struct ForeignRefiner(pub Object);

impl Refiner for ForeignRefiner {
    type Config = serde_json::Value;

    fn new(_: Self::Config, _: Context) -> Result<Self> {
        Err(built_by_loader())
    }
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

use abi_stable::sabi_trait;
use abi_stable::std_types::{RBox, RStr, RVec};

use super::guard::guard;
use super::host::ContextAbi;
use super::module::{enter, read_config};
use super::refiner::{export_image, import_image, LoadImageObject};
use super::values::*;
use crate::{Context, Result, Selection, Selector, Subject};

#[sabi_trait]
pub trait SelectorAbi: Send + Sync {
    #[sabi(last_prefix_field)]
    fn select(&self, id: RStr<'_>, label: u32, image: LoadImageObject<'_>, regions: RVec<RegionAbi>) -> AbiResult<RVec<SelectionAbi>>;
}

pub type Object = SelectorAbi_TO<'static, RBox<()>>;

struct Exported<T>(T);

impl<T: Selector> SelectorAbi for Exported<T> {
    fn select(&self, id: RStr<'_>, label: u32, image: LoadImageObject<'_>, regions: RVec<RegionAbi>) -> AbiResult<RVec<SelectionAbi>> {
        guard(
            || {
                let (image, regions) = (import_image(image), checked(regions)?);
                self.0.select(&Subject { id: id.as_str(), label, image: &image, regions: &regions })
            },
            all,
        )
    }
}

pub extern "C" fn build<T: Selector + 'static>(config: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(|| T::new(read_config(config)?, enter(context)), |plugin| SelectorAbi_TO::from_value(Exported(plugin), sabi_trait::TD_Opaque))
}

/// A selector of a loaded library.
pub struct ForeignSelector(pub Object);

impl Selector for ForeignSelector {
    type Config = serde_json::Value;

    fn new(_: Self::Config, _: Context) -> Result<Self> {
        Err(built_by_loader())
    }
    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>> {
        let selections = received(self.0.select(subject.id.into(), subject.label, export_image(subject.image), all(subject.regions)))?;
        same_count("selector", "answers", selections.len(), subject.regions.len())?;
        checked(selections)
    }
}

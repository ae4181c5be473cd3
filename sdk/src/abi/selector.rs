use abi_stable::std_types::{RBox, ROption, RStr, RVec};
use abi_stable::{sabi_trait, StableAbi};

use super::entry::{enter, read_config};
use super::guard::guard;
use super::host::ContextAbi;
use super::label_values::*;
use super::refiner::{export_image, import_image, LoadImageObject};
use super::values::*;
use crate::{ClassScore, LabelMap, Plugin, Result, Selection, Selector, SelectorNeeds, Subject};

#[repr(C)]
#[derive(StableAbi)]
pub struct SelectorNeedsAbi {
    maps: bool,
    rounds: u32,
    merge_by_label: bool,
}

/// What of a subject is not an image.
#[repr(C)]
#[derive(StableAbi)]
pub struct SubjectAbi {
    label: u32,
    regions: RVec<RegionAbi>,
    map: ROption<LabelMapAbi>,
    predictions: ROption<RVec<RVec<ClassScoreAbi>>>,
}

#[sabi_trait]
pub trait SelectorAbi: Send + Sync {
    fn needs(&self) -> AbiResult<SelectorNeedsAbi>;
    #[sabi(last_prefix_field)]
    fn select(&self, id: RStr<'_>, image: LoadImageObject<'_>, subject: SubjectAbi) -> AbiResult<RVec<SelectionAbi>>;
}

pub type Object = SelectorAbi_TO<'static, RBox<()>>;

struct Exported<T>(T);

impl<T: Selector> SelectorAbi for Exported<T> {
    fn needs(&self) -> AbiResult<SelectorNeedsAbi> {
        guard(|| Ok(self.0.needs()), |needs| SelectorNeedsAbi { maps: needs.maps, rounds: needs.rounds, merge_by_label: needs.merge_by_label })
    }
    fn select(&self, id: RStr<'_>, image: LoadImageObject<'_>, subject: SubjectAbi) -> AbiResult<RVec<SelectionAbi>> {
        guard(
            || {
                let (image, regions) = (import_image(image), checked(subject.regions)?);
                let map = subject.map.into_option().map(<Result<LabelMap>>::from_abi).transpose()?;
                let predictions =
                    subject.predictions.into_option().map(|lists| lists.into_iter().map(checked).collect::<Result<Vec<Vec<ClassScore>>>>());
                let predictions = predictions.transpose()?;
                self.0.select(&Subject {
                    id: id.as_str(),
                    label: subject.label,
                    image: &image,
                    regions: &regions,
                    map: map.as_ref(),
                    predictions: predictions.as_deref(),
                })
            },
            all,
        )
    }
}

pub extern "C" fn build<T: Plugin + Selector>(config: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(|| T::new(read_config(config)?, enter(context)), |plugin| SelectorAbi_TO::from_value(Exported(plugin), sabi_trait::TD_Opaque))
}

/// A selector of a loaded library, with what it wants: asked once, when it is built.
pub struct ForeignSelector {
    object: Object,
    needs: SelectorNeeds,
}

impl ForeignSelector {
    /// The selector behind an object.
    ///
    /// # Errors
    /// A plugin that cannot say what it wants.
    pub fn new(object: Object) -> Result<Self> {
        let needs = received(object.needs())?;
        Ok(Self { object, needs: SelectorNeeds { maps: needs.maps, rounds: needs.rounds.max(1), merge_by_label: needs.merge_by_label } })
    }
}

impl Selector for ForeignSelector {
    fn needs(&self) -> SelectorNeeds {
        self.needs
    }
    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>> {
        let predictions = subject.predictions.map(|lists| lists.iter().map(|list| all(list)).collect());
        let crossing = SubjectAbi {
            label: subject.label,
            regions: all(subject.regions),
            map: subject.map.map(LabelMapAbi::from).into(),
            predictions: predictions.into(),
        };
        let selections = received(self.object.select(subject.id.into(), export_image(subject.image), crossing))?;
        same_count("selector", "answers", selections.len(), subject.regions.len())?;
        checked(selections)
    }
}

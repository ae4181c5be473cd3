use abi_stable::sabi_trait;
use abi_stable::std_types::{RBox, RStr, RVec};

use super::entry::{enter, read_config};
use super::guard::guard;
use super::host::ContextAbi;
use super::label_values::*;
use super::values::*;
use crate::{LabelVector, LabelledRegion, Plugin, Postprocessor, Result};

#[sabi_trait]
pub trait PostprocessorAbi: Send + Sync {
    #[sabi(last_prefix_field)]
    fn adjust(&self, label: u32, labels: RVec<ClassScoreAbi>, regions: RVec<LabelledRegionAbi>) -> AbiResult<RVec<ClassScoreAbi>>;
}

pub type Object = PostprocessorAbi_TO<'static, RBox<()>>;

struct Exported<T>(T);

impl<T: Postprocessor> PostprocessorAbi for Exported<T> {
    fn adjust(&self, label: u32, labels: RVec<ClassScoreAbi>, regions: RVec<LabelledRegionAbi>) -> AbiResult<RVec<ClassScoreAbi>> {
        guard(|| self.0.adjust(label, &label_vector(labels)?, &checked::<_, LabelledRegion>(regions)?), |labels| all(labels.entries()))
    }
}

pub extern "C" fn build<T: Plugin + Postprocessor>(config: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(|| T::new(read_config(config)?, enter(context)), |plugin| PostprocessorAbi_TO::from_value(Exported(plugin), sabi_trait::TD_Opaque))
}

/// A postprocessor of a loaded library.
pub struct ForeignPostprocessor(pub Object);

impl Postprocessor for ForeignPostprocessor {
    fn adjust(&self, label: u32, labels: &LabelVector, regions: &[LabelledRegion]) -> Result<LabelVector> {
        label_vector(received(self.0.adjust(label, all(labels.entries()), all(regions)))?)
    }
}

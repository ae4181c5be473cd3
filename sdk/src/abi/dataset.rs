use abi_stable::sabi_trait;
use abi_stable::std_types::{RBox, ROption, RStr, RString, RVec};

use super::entry::{enter, read_config};
use super::guard::guard;
use super::host::ContextAbi;
use super::values::*;
use crate::{Dataset, ImageData, Plugin, Result, Sample, TruthObject};

#[sabi_trait]
pub trait DatasetAbi: Send + Sync {
    fn classes(&self) -> AbiResult<RVec<RString>>;
    fn samples(&self) -> AbiResult<RVec<SampleAbi>>;
    fn image(&self, id: RStr<'_>) -> AbiResult<ImageDataAbi>;
    fn class_numbers(&self) -> AbiResult<RVec<u64>>;
    fn sample_number(&self, id: RStr<'_>) -> AbiResult<ROption<u64>>;
    #[sabi(last_prefix_field)]
    fn truth(&self, id: RStr<'_>) -> AbiResult<ROption<RVec<TruthObjectAbi>>>;
}

pub type Object = DatasetAbi_TO<'static, RBox<()>>;

struct Exported<T>(T);

impl<T: Dataset> DatasetAbi for Exported<T> {
    fn classes(&self) -> AbiResult<RVec<RString>> {
        guard(|| Ok(self.0.classes()), strings)
    }
    fn samples(&self) -> AbiResult<RVec<SampleAbi>> {
        guard(|| self.0.samples(), all)
    }
    fn image(&self, id: RStr<'_>) -> AbiResult<ImageDataAbi> {
        guard(|| self.0.image(id.as_str()), ImageDataAbi::from)
    }
    fn class_numbers(&self) -> AbiResult<RVec<u64>> {
        guard(|| Ok(self.0.class_numbers()), RVec::from)
    }
    fn sample_number(&self, id: RStr<'_>) -> AbiResult<ROption<u64>> {
        guard(|| self.0.sample_number(id.as_str()), ROption::from)
    }
    fn truth(&self, id: RStr<'_>) -> AbiResult<ROption<RVec<TruthObjectAbi>>> {
        guard(|| self.0.truth(id.as_str()), |truth| truth.map(all).into())
    }
}

pub extern "C" fn build<T: Plugin + Dataset>(config: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(|| T::new(read_config(config)?, enter(context)), |plugin| DatasetAbi_TO::from_value(Exported(plugin), sabi_trait::TD_Opaque))
}

/// A dataset of a loaded library.
pub struct ForeignDataset(pub Object);

impl Dataset for ForeignDataset {
    fn classes(&self) -> Vec<String> {
        // A panic inside gives no classes, which the host refuses.
        received(self.0.classes()).map(|classes| classes.into_iter().map(Into::into).collect()).unwrap_or_default()
    }
    fn samples(&self) -> Result<Vec<Sample>> {
        Ok(received(self.0.samples())?.into_iter().map(Sample::from).collect())
    }
    fn image(&self, id: &str) -> Result<ImageData> {
        <Result<ImageData>>::from_abi(received(self.0.image(id.into()))?)
    }
    fn class_numbers(&self) -> Vec<u64> {
        // A panic inside gives none: files are then numbered by the classes' indices.
        received(self.0.class_numbers()).map(Vec::from).unwrap_or_default()
    }
    fn sample_number(&self, id: &str) -> Result<Option<u64>> {
        Ok(received(self.0.sample_number(id.into()))?.into_option())
    }
    fn truth(&self, id: &str) -> Result<Option<Vec<TruthObject>>> {
        received(self.0.truth(id.into()))?.into_option().map(checked).transpose()
    }
}

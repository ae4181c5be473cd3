use abi_stable::std_types::{RBox, RSlice, RStr, RString, RVec};
use abi_stable::{sabi_trait, StableAbi};

use super::entry::{enter, read_config};
use super::guard::guard;
use super::host::ContextAbi;
use super::values::*;
use crate::{Extractor, FeatureMap, Finding, Image, Plugin, Result};

#[repr(C)]
#[derive(StableAbi)]
pub struct FeatureMapAbi {
    rows: u32,
    columns: u32,
    dimension: u32,
    values: RVec<f32>,
}

impl From<FeatureMap> for FeatureMapAbi {
    fn from(map: FeatureMap) -> Self {
        Self { rows: map.rows(), columns: map.columns(), dimension: map.dimension(), values: map.values().into() }
    }
}

impl FromAbi<FeatureMapAbi> for Result<FeatureMap> {
    fn from_abi(map: FeatureMapAbi) -> Self {
        FeatureMap::new(map.rows, map.columns, map.dimension, map.values.into())
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct FindingAbi {
    name: RString,
    value: RString,
}

#[sabi_trait]
pub trait ExtractorAbi: Send + Sync {
    fn extract(&self, images: RSlice<'_, ImageAbi<'_>>) -> AbiResult<RVec<FeatureMapAbi>>;
    #[sabi(last_prefix_field)]
    fn diagnosis(&self) -> AbiResult<RVec<FindingAbi>>;
}

pub type Object = ExtractorAbi_TO<'static, RBox<()>>;

struct Exported<T>(T);

impl<T: Extractor> ExtractorAbi for Exported<T> {
    fn extract(&self, images: RSlice<'_, ImageAbi<'_>>) -> AbiResult<RVec<FeatureMapAbi>> {
        guard(|| self.0.extract(&images.iter().map(|image| <Result<Image<'_>>>::from_abi(*image)).collect::<Result<Vec<_>>>()?), all)
    }
    fn diagnosis(&self) -> AbiResult<RVec<FindingAbi>> {
        let crossing = |finding: Finding| FindingAbi { name: finding.name.into(), value: finding.value.into() };
        guard(|| self.0.diagnosis(), |findings| findings.into_iter().map(crossing).collect())
    }
}

pub extern "C" fn build<T: Plugin + Extractor>(config: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(|| T::new(read_config(config)?, enter(context)), |plugin| ExtractorAbi_TO::from_value(Exported(plugin), sabi_trait::TD_Opaque))
}

/// An extractor of a loaded library.
pub struct ForeignExtractor(pub Object);

impl Extractor for ForeignExtractor {
    fn extract(&self, images: &[Image<'_>]) -> Result<Vec<FeatureMap>> {
        let crossing: Vec<ImageAbi<'_>> = images.iter().map(ImageAbi::from).collect();
        let maps = received(self.0.extract(crossing.as_slice().into()))?;
        same_count("extractor", "feature maps", maps.len(), images.len())?;
        checked(maps)
    }
    fn diagnosis(&self) -> Result<Vec<Finding>> {
        let ordinary = |finding: FindingAbi| Finding { name: finding.name.into(), value: finding.value.into() };
        Ok(received(self.0.diagnosis())?.into_iter().map(ordinary).collect())
    }
}

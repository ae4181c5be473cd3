use std::path::Path;

use abi_stable::std_types::{RBox, ROption, RSlice, RStr, RString, RVec};
use abi_stable::{sabi_trait, StableAbi};

use super::entry::{enter, read_config};
use super::guard::guard;
use super::host::ContextAbi;
use super::label_values::*;
use super::refiner::{export_image, import_image, LoadImageObject};
use super::values::*;
use crate::{Context, Error, ExportRun, Exporter, LabelledSample, Result};

#[repr(C)]
#[derive(StableAbi)]
pub struct LabelledSampleAbi<'a> {
    id: RString,
    number: ROption<u64>,
    label: u32,
    width: u32,
    height: u32,
    labels: RVec<ClassScoreAbi>,
    regions: RVec<LabelledRegionAbi>,
    truth: ROption<RVec<TruthObjectAbi>>,
    image: LoadImageObject<'a>,
}

impl<'a> From<&'a LabelledSample<'a>> for LabelledSampleAbi<'a> {
    fn from(sample: &'a LabelledSample<'a>) -> Self {
        Self {
            id: sample.id.as_str().into(),
            number: sample.number.into(),
            label: sample.label,
            width: sample.width,
            height: sample.height,
            labels: all(sample.labels.entries()),
            regions: all(&sample.regions),
            truth: sample.truth.as_ref().map(|objects| all(objects)).into(),
            image: export_image(&sample.image),
        }
    }
}

impl<'a> FromAbi<LabelledSampleAbi<'a>> for Result<LabelledSample<'a>> {
    fn from_abi(sample: LabelledSampleAbi<'a>) -> Self {
        Ok(LabelledSample {
            id: sample.id.into(),
            number: sample.number.into_option(),
            label: sample.label,
            width: sample.width,
            height: sample.height,
            labels: label_vector(sample.labels)?,
            regions: checked(sample.regions)?,
            truth: sample.truth.into_option().map(checked).transpose()?,
            image: import_image(sample.image),
        })
    }
}

#[sabi_trait]
pub trait ExporterAbi: Send {
    fn write(&mut self, sample: LabelledSampleAbi<'_>) -> AbiResult<()>;
    #[sabi(last_prefix_field)]
    fn finish(&mut self) -> AbiResult<()>;
}

pub type Object = ExporterAbi_TO<'static, RBox<()>>;

struct Exported<T>(T);

impl<T: Exporter> ExporterAbi for Exported<T> {
    fn write(&mut self, sample: LabelledSampleAbi<'_>) -> AbiResult<()> {
        guard(|| self.0.write(&<Result<LabelledSample<'_>>>::from_abi(sample)?), |()| ())
    }
    fn finish(&mut self) -> AbiResult<()> {
        guard(|| self.0.finish(), |()| ())
    }
}

/// Ids that cross in one call: their list is all that is made for it.
const IDS_A_CALL: usize = 4096;

/// The functions of an exporter: one checks a config before any work, one the samples' ids, one begins the file.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct BuildExporter {
    check: extern "C" fn(RStr<'_>, ContextAbi) -> AbiResult<()>,
    accepts: extern "C" fn(RStr<'_>, RSlice<'_, RStr<'_>>) -> AbiResult<()>,
    build: extern "C" fn(RStr<'_>, RStr<'_>, RStr<'_>, ContextAbi) -> AbiResult<Object>,
}

impl BuildExporter {
    pub fn of<T: Exporter + 'static>() -> Self {
        Self { check: check::<T>, accepts: accepts::<T>, build: build::<T> }
    }

    /// Checks a config (JSON).
    pub fn check(&self, config: &str, context: &Context) -> Result<()> {
        received((self.check)(config.into(), context.into()))
    }

    /// Checks that an exporter with this config (JSON) can write samples of these ids.
    pub fn accepts<'a>(&self, config: &str, ids: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut ids = ids.into_iter().map(RStr::from);
        loop {
            let some: Vec<RStr<'a>> = ids.by_ref().take(IDS_A_CALL).collect();
            if some.is_empty() {
                return Ok(());
            }
            received((self.accepts)(config.into(), some.as_slice().into()))?;
        }
    }

    /// Begins a file.
    pub fn build(&self, config: &str, run: &ExportRun, output: &Path, context: &Context) -> Result<ForeignExporter> {
        let run = serde_json::to_string(run)?;
        let output = output.to_str().ok_or_else(|| Error::config(format!("the file {output:?} is not UTF-8, which exporters need")))?;
        received((self.build)(config.into(), run.as_str().into(), output.into(), context.into())).map(ForeignExporter)
    }
}

extern "C" fn check<T: Exporter + 'static>(config: RStr<'_>, context: ContextAbi) -> AbiResult<()> {
    guard(|| T::check(&read_config(config)?, &enter(context)), |()| ())
}

extern "C" fn accepts<T: Exporter + 'static>(config: RStr<'_>, ids: RSlice<'_, RStr<'_>>) -> AbiResult<()> {
    let all = || {
        let config = read_config(config)?;
        ids.iter().try_for_each(|id| T::accepts(&config, id.as_str()))
    };
    guard(all, |()| ())
}

extern "C" fn build<T: Exporter + 'static>(config: RStr<'_>, run: RStr<'_>, output: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(
        || T::new(read_config(config)?, serde_json::from_str(run.as_str())?, Path::new(output.as_str()), enter(context)),
        |plugin| ExporterAbi_TO::from_value(Exported(plugin), sabi_trait::TD_Opaque),
    )
}

/// An exporter of a loaded library.
pub struct ForeignExporter(Object);

impl Exporter for ForeignExporter {
    type Config = serde_json::Value;

    fn new(_: Self::Config, _: ExportRun, _: &Path, _: Context) -> Result<Self> {
        Err(built_by_loader())
    }
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        received(self.0.write(sample.into()))
    }
    fn finish(&mut self) -> Result<()> {
        received(self.0.finish())
    }
}

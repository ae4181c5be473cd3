use std::path::Path;

use abi_stable::std_types::{RBox, ROption, RSlice, RStr, RString, RVec};
use abi_stable::{sabi_trait, StableAbi};

use super::entry::{enter, read_config};
use super::guard::guard;
use super::host::ContextAbi;
use super::label_values::*;
use super::refiner::{export_image, import_image, LoadImageObject};
use super::values::*;
use crate::{Error, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result};

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
pub trait ExportWriterAbi: Send {
    fn write(&mut self, sample: LabelledSampleAbi<'_>) -> AbiResult<()>;
    #[sabi(last_prefix_field)]
    fn finish(&mut self) -> AbiResult<()>;
}

pub type WriterObject = ExportWriterAbi_TO<'static, RBox<()>>;

#[sabi_trait]
pub trait ExporterAbi: Send + Sync {
    fn accepts(&self, ids: RSlice<'_, RStr<'_>>) -> AbiResult<()>;
    #[sabi(last_prefix_field)]
    fn begin(&self, run: RStr<'_>, output: RStr<'_>) -> AbiResult<WriterObject>;
}

pub type Object = ExporterAbi_TO<'static, RBox<()>>;

struct Exported<T>(T);

struct ExportedWriter(Box<dyn ExportWriter>);

impl<T: Exporter> ExporterAbi for Exported<T> {
    fn accepts(&self, ids: RSlice<'_, RStr<'_>>) -> AbiResult<()> {
        guard(|| ids.iter().try_for_each(|id| self.0.accepts(id.as_str())), |()| ())
    }
    fn begin(&self, run: RStr<'_>, output: RStr<'_>) -> AbiResult<WriterObject> {
        guard(
            || self.0.begin(serde_json::from_str(run.as_str())?, Path::new(output.as_str())),
            |writer| ExportWriterAbi_TO::from_value(ExportedWriter(writer), sabi_trait::TD_Opaque),
        )
    }
}

impl ExportWriterAbi for ExportedWriter {
    fn write(&mut self, sample: LabelledSampleAbi<'_>) -> AbiResult<()> {
        guard(|| self.0.write(&<Result<LabelledSample<'_>>>::from_abi(sample)?), |()| ())
    }
    fn finish(&mut self) -> AbiResult<()> {
        guard(|| self.0.finish(), |()| ())
    }
}

pub extern "C" fn build<T: Plugin + Exporter>(config: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(|| T::new(read_config(config)?, enter(context)), |plugin| ExporterAbi_TO::from_value(Exported(plugin), sabi_trait::TD_Opaque))
}

/// An exporter of a loaded library.
pub struct ForeignExporter(pub Object);

struct ForeignWriter(WriterObject);

impl Exporter for ForeignExporter {
    fn accepts(&self, id: &str) -> Result<()> {
        received(self.0.accepts([RStr::from(id)].as_slice().into()))
    }
    fn begin(&self, run: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let run = serde_json::to_string(&run)?;
        let output = output.to_str().ok_or_else(|| Error::config(format!("the file {output:?} is not UTF-8, which exporters need")))?;
        Ok(Box::new(ForeignWriter(received(self.0.begin(run.as_str().into(), output.into()))?)))
    }
}

impl ExportWriter for ForeignWriter {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        received(self.0.write(sample.into()))
    }
    fn finish(&mut self) -> Result<()> {
        received(self.0.finish())
    }
}

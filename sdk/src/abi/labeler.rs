use std::path::Path;

use abi_stable::std_types::{RBox, ROption, RSlice, RStr, RString, RVec};
use abi_stable::{sabi_trait, StableAbi};

use super::entry::{enter, read_config};
use super::guard::guard;
use super::host::ContextAbi;
use super::label_values::*;
use super::refiner::{export_owned_image, import_image, LoadImageObject};
use super::values::*;
use crate::{
    EpochRecord, HeldOut, Image, LabelMap, LabelModel, Labeler, Plugin, Prediction, PredictionInput, Region, RegionVectors, Reliability,
    ReliabilityBin, Result, TrainingReport, TrainingSample, TrainingSet, Work,
};

#[repr(C)]
#[derive(StableAbi)]
pub struct TrainingSampleAbi<'a> {
    id: RString,
    label: u32,
    image: LoadImageObject<'a>,
    regions: RVec<TrainingRegionAbi>,
}

#[sabi_trait]
pub trait TrainingSetAbi: Send + Sync {
    fn len(&self) -> u64;
    #[sabi(last_prefix_field)]
    fn get<'a>(&'a self, index: u64) -> AbiResult<TrainingSampleAbi<'a>>;
}

pub type TrainingSetObject<'a> = TrainingSetAbi_TO<'a, RBox<()>>;

struct ExportedSet<'s>(&'s dyn TrainingSet);

impl TrainingSetAbi for ExportedSet<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn get<'a>(&'a self, index: u64) -> AbiResult<TrainingSampleAbi<'a>> {
        guard(
            || self.0.get(index as usize),
            |sample| TrainingSampleAbi {
                id: sample.id.into(),
                label: sample.label,
                regions: all(&sample.regions),
                image: export_owned_image(sample.image),
            },
        )
    }
}

struct ForeignSet<'a>(TrainingSetObject<'a>);

impl TrainingSet for ForeignSet<'_> {
    fn len(&self) -> usize {
        self.0.len() as usize
    }
    fn get(&self, index: usize) -> Result<TrainingSample<'_>> {
        let sample = received(self.0.get(index as u64))?;
        Ok(TrainingSample { id: sample.id.into(), label: sample.label, image: import_image(sample.image), regions: checked(sample.regions)? })
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct EpochAbi {
    epoch: u32,
    loss: f64,
    accuracy: f64,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct ReliabilityBinAbi {
    count: u64,
    confidence: f64,
    accuracy: f64,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct HeldOutAbi {
    folds: u32,
    regions: u64,
    accuracy: f64,
    loss: f64,
    ece: f64,
    bins: RVec<ReliabilityBinAbi>,
}

impl From<HeldOut> for HeldOutAbi {
    fn from(held_out: HeldOut) -> Self {
        let bin = |bin: ReliabilityBin| ReliabilityBinAbi { count: bin.count, confidence: bin.confidence, accuracy: bin.accuracy };
        let HeldOut { folds, regions, accuracy, loss, reliability } = held_out;
        Self { folds, regions, accuracy, loss, ece: reliability.ece, bins: reliability.bins.into_iter().map(bin).collect() }
    }
}

impl From<HeldOutAbi> for HeldOut {
    fn from(held_out: HeldOutAbi) -> Self {
        let bin = |bin: ReliabilityBinAbi| ReliabilityBin { count: bin.count, confidence: bin.confidence, accuracy: bin.accuracy };
        let HeldOutAbi { folds, regions, accuracy, loss, ece, bins } = held_out;
        Self { folds, regions, accuracy, loss, reliability: Reliability { ece, bins: bins.into_iter().map(bin).collect() } }
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct TrainingReportAbi {
    checkpoint: RString,
    curve: RVec<EpochAbi>,
    warnings: RVec<RString>,
    lost: RVec<RString>,
    held_out: ROption<HeldOutAbi>,
}

impl From<TrainingReport> for TrainingReportAbi {
    fn from(report: TrainingReport) -> Self {
        let epoch = |e: EpochRecord| EpochAbi { epoch: e.epoch, loss: e.loss, accuracy: e.accuracy };
        Self {
            checkpoint: report.checkpoint.to_string_lossy().into_owned().into(),
            curve: report.curve.into_iter().map(epoch).collect(),
            warnings: strings(report.warnings),
            lost: strings(report.lost),
            held_out: report.held_out.map(HeldOutAbi::from).into(),
        }
    }
}

impl From<TrainingReportAbi> for TrainingReport {
    fn from(report: TrainingReportAbi) -> Self {
        let epoch = |e: EpochAbi| EpochRecord { epoch: e.epoch, loss: e.loss, accuracy: e.accuracy };
        Self {
            checkpoint: report.checkpoint.into_string().into(),
            curve: report.curve.into_iter().map(epoch).collect(),
            warnings: report.warnings.into_iter().map(Into::into).collect(),
            lost: report.lost.into_iter().map(Into::into).collect(),
            held_out: report.held_out.into_option().map(HeldOut::from),
        }
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct PredictionInputAbi<'a> {
    id: RStr<'a>,
    image: ImageAbi<'a>,
    regions: RVec<RegionAbi>,
}

impl<'a> PredictionInputAbi<'a> {
    /// Id, image and regions, checked.
    fn parts(self) -> Result<(&'a str, Image<'a>, Vec<Region>)> {
        Ok((self.id.as_str(), <Result<Image<'_>>>::from_abi(self.image)?, checked(self.regions)?))
    }
}

impl<'a> From<&'a PredictionInput<'_>> for PredictionInputAbi<'a> {
    fn from(input: &'a PredictionInput<'_>) -> Self {
        Self { id: input.id.into(), image: (&input.image).into(), regions: all(input.regions) }
    }
}

#[sabi_trait]
pub trait LabelModelAbi: Send + Sync {
    fn batch_size(&self) -> u32;
    fn maps(&self, images: RSlice<'_, ImageAbi<'_>>) -> AbiResult<RVec<LabelMapAbi>>;
    fn predict_held_out(&self, batch: RVec<PredictionInputAbi<'_>>) -> AbiResult<RVec<PredictionAbi>>;
    fn vectors(&self, batch: RVec<PredictionInputAbi<'_>>) -> AbiResult<RVec<RegionVectorsAbi>>;
    #[sabi(last_prefix_field)]
    fn predict(&self, batch: RVec<PredictionInputAbi<'_>>) -> AbiResult<RVec<PredictionAbi>>;
}

pub type ModelObject = LabelModelAbi_TO<'static, RBox<()>>;

struct ExportedModel {
    model: Box<dyn LabelModel>,
    batch_size: u32,
}

impl LabelModelAbi for ExportedModel {
    fn batch_size(&self) -> u32 {
        self.batch_size
    }
    fn maps(&self, images: RSlice<'_, ImageAbi<'_>>) -> AbiResult<RVec<LabelMapAbi>> {
        guard(
            || {
                let images = images.iter().map(|image| <Result<Image<'_>>>::from_abi(*image)).collect::<Result<Vec<_>>>()?;
                self.model.maps(&images)
            },
            all,
        )
    }
    fn predict(&self, batch: RVec<PredictionInputAbi<'_>>) -> AbiResult<RVec<PredictionAbi>> {
        guard(|| with_inputs(batch, |batch| self.model.predict(batch)), all)
    }
    fn predict_held_out(&self, batch: RVec<PredictionInputAbi<'_>>) -> AbiResult<RVec<PredictionAbi>> {
        guard(|| with_inputs(batch, |batch| self.model.predict_held_out(batch)), all)
    }
    fn vectors(&self, batch: RVec<PredictionInputAbi<'_>>) -> AbiResult<RVec<RegionVectorsAbi>> {
        guard(|| with_inputs(batch, |batch| self.model.vectors(batch)), all)
    }
}

/// Asks for something of a batch that came from the other side.
fn with_inputs<T>(batch: RVec<PredictionInputAbi<'_>>, ask: impl FnOnce(&[PredictionInput<'_>]) -> Result<T>) -> Result<T> {
    let parts = batch.into_iter().map(PredictionInputAbi::parts).collect::<Result<Vec<_>>>()?;
    let inputs = parts.iter().map(|(id, image, regions)| PredictionInput { id, image: image.clone(), regions });
    ask(&inputs.collect::<Vec<_>>())
}

#[sabi_trait]
pub trait LabelerAbi: Send + Sync {
    fn work(&self) -> WorkAbi;
    fn train(&self, set: TrainingSetObject<'_>, folder: RStr<'_>) -> AbiResult<TrainingReportAbi>;
    #[sabi(last_prefix_field)]
    fn load(&self, checkpoint: RStr<'_>) -> AbiResult<ModelObject>;
}

pub type Object = LabelerAbi_TO<'static, RBox<()>>;

struct Exported<T> {
    plugin: T,
    work: WorkAbi,
}

impl<T: Labeler> LabelerAbi for Exported<T> {
    fn work(&self) -> WorkAbi {
        self.work
    }
    fn train(&self, set: TrainingSetObject<'_>, folder: RStr<'_>) -> AbiResult<TrainingReportAbi> {
        guard(|| self.plugin.train(&ForeignSet(set), Path::new(folder.as_str())), TrainingReportAbi::from)
    }
    fn load(&self, checkpoint: RStr<'_>) -> AbiResult<ModelObject> {
        guard(
            || {
                let model = self.plugin.load(Path::new(checkpoint.as_str()))?;
                Ok(ExportedModel { batch_size: model.batch_size().max(1) as u32, model })
            },
            |exported| LabelModelAbi_TO::from_value(exported, sabi_trait::TD_Opaque),
        )
    }
}

pub extern "C" fn build<T: Plugin + Labeler>(config: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(
        || {
            let plugin = T::new(read_config(config)?, enter(context))?;
            Ok(Exported { work: plugin.work().into(), plugin })
        },
        |exported| LabelerAbi_TO::from_value(exported, sabi_trait::TD_Opaque),
    )
}

/// A labeler of a loaded library.
pub struct ForeignLabeler(pub Object);

struct ForeignModel(ModelObject);

impl Labeler for ForeignLabeler {
    fn work(&self) -> Work {
        self.0.work().into()
    }
    fn train(&self, set: &dyn TrainingSet, folder: &Path) -> Result<TrainingReport> {
        let set = TrainingSetAbi_TO::from_value(ExportedSet(set), sabi_trait::TD_Opaque);
        received(self.0.train(set, folder.to_string_lossy().as_ref().into())).map(TrainingReport::from)
    }
    fn load(&self, checkpoint: &Path) -> Result<Box<dyn LabelModel>> {
        Ok(Box::new(ForeignModel(received(self.0.load(checkpoint.to_string_lossy().as_ref().into()))?)))
    }
}

impl LabelModel for ForeignModel {
    fn batch_size(&self) -> usize {
        self.0.batch_size() as usize
    }
    fn predict(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        predictions(received(self.0.predict(batch.iter().map(PredictionInputAbi::from).collect()))?, batch)
    }
    fn predict_held_out(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        predictions(received(self.0.predict_held_out(batch.iter().map(PredictionInputAbi::from).collect()))?, batch)
    }
    fn vectors(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<RegionVectors>> {
        let vectors = received(self.0.vectors(batch.iter().map(PredictionInputAbi::from).collect()))?;
        same_count("labeler", "images with vectors", vectors.len(), batch.len())?;
        vectors
            .iter()
            .zip(batch)
            .try_for_each(|(vectors, input)| same_count("labeler", "vectors of masks", vectors.mask_count(), input.regions.len()))?;
        Ok(vectors.into_iter().map(RegionVectors::from).collect())
    }
    fn maps(&self, images: &[Image<'_>]) -> Result<Vec<LabelMap>> {
        let crossing: Vec<ImageAbi<'_>> = images.iter().map(ImageAbi::from).collect();
        let maps = received(self.0.maps(crossing.as_slice().into()))?;
        same_count("labeler", "label maps", maps.len(), images.len())?;
        checked(maps)
    }
}

/// Predictions from the other side, one for each image and each of its regions.
fn predictions(given: RVec<PredictionAbi>, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
    same_count("labeler", "predictions", given.len(), batch.len())?;
    for (prediction, input) in given.iter().zip(batch) {
        same_count("labeler", "mask predictions", prediction.mask_count(), input.regions.len())?;
    }
    Ok(given.into_iter().map(Prediction::from).collect())
}

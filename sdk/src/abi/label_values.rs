//! What selectors and labelers say and learn from, in the form that crosses.

use abi_stable::std_types::{ROption, RString, RVec};
use abi_stable::StableAbi;

use super::values::*;
use crate::{ClassScore, LabelMap, LabelVector, LabelledRegion, Mask, Prediction, Probability, RegionVectors, Result, Selection, TrainingRegion};

#[repr(C)]
#[derive(StableAbi)]
pub struct SelectionAbi {
    confidence: f32,
    keep: bool,
    label: u32,
}

impl From<Selection> for SelectionAbi {
    fn from(selection: Selection) -> Self {
        Self { confidence: selection.confidence.get(), keep: selection.keep, label: selection.label }
    }
}

impl FromAbi<SelectionAbi> for Result<Selection> {
    fn from_abi(selection: SelectionAbi) -> Self {
        Ok(Selection { confidence: Probability::new(selection.confidence)?, keep: selection.keep, label: selection.label })
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct TrainingRegionAbi {
    mask: ROption<MaskAbi>,
    label: u32,
}

impl From<&TrainingRegion> for TrainingRegionAbi {
    fn from(region: &TrainingRegion) -> Self {
        Self { mask: region.mask.as_ref().map(MaskAbi::from).into(), label: region.label }
    }
}

impl FromAbi<TrainingRegionAbi> for Result<TrainingRegion> {
    fn from_abi(region: TrainingRegionAbi) -> Self {
        let mask = region.mask.into_option().map(<Result<Mask>>::from_abi).transpose()?;
        Ok(TrainingRegion { mask, label: region.label })
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct LabelMapAbi {
    depth: u32,
    rows: u32,
    columns: u32,
    logits: RVec<f32>,
    classes: RVec<u32>,
}

impl From<&LabelMap> for LabelMapAbi {
    fn from(map: &LabelMap) -> Self {
        Self {
            depth: map.depth() as u32,
            rows: map.rows() as u32,
            columns: map.columns() as u32,
            logits: map.logits().to_vec().into(),
            classes: map.classes().to_vec().into(),
        }
    }
}

impl From<LabelMap> for LabelMapAbi {
    fn from(map: LabelMap) -> Self {
        Self::from(&map)
    }
}

impl FromAbi<LabelMapAbi> for Result<LabelMap> {
    fn from_abi(map: LabelMapAbi) -> Self {
        LabelMap::new(map.depth as usize, map.rows as usize, map.columns as usize, map.logits.into_vec(), map.classes.into_vec())
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct PredictionAbi {
    global: RVec<f32>,
    masks: RVec<RVec<f32>>,
}

impl From<Prediction> for PredictionAbi {
    fn from(prediction: Prediction) -> Self {
        Self { global: prediction.global.into(), masks: all(prediction.masks) }
    }
}

impl PredictionAbi {
    pub fn mask_count(&self) -> usize {
        self.masks.len()
    }
}

impl From<PredictionAbi> for Prediction {
    fn from(prediction: PredictionAbi) -> Self {
        Self { global: prediction.global.into_vec(), masks: prediction.masks.into_iter().map(RVec::into_vec).collect() }
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct RegionVectorsAbi {
    global: RVec<f32>,
    masks: RVec<RVec<f32>>,
}

impl From<RegionVectors> for RegionVectorsAbi {
    fn from(vectors: RegionVectors) -> Self {
        Self { global: vectors.global.into(), masks: all(vectors.masks) }
    }
}

impl RegionVectorsAbi {
    pub fn mask_count(&self) -> usize {
        self.masks.len()
    }
}

impl From<RegionVectorsAbi> for RegionVectors {
    fn from(vectors: RegionVectorsAbi) -> Self {
        Self { global: vectors.global.into_vec(), masks: vectors.masks.into_iter().map(RVec::into_vec).collect() }
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct ClassScoreAbi {
    class: u32,
    probability: f32,
}

impl From<&ClassScore> for ClassScoreAbi {
    fn from(score: &ClassScore) -> Self {
        Self { class: score.class, probability: score.probability.get() }
    }
}

impl FromAbi<ClassScoreAbi> for Result<ClassScore> {
    fn from_abi(score: ClassScoreAbi) -> Self {
        Ok(ClassScore { class: score.class, probability: Probability::new(score.probability)? })
    }
}

pub fn label_vector(scores: RVec<ClassScoreAbi>) -> Result<LabelVector> {
    checked::<_, ClassScore>(scores).map(LabelVector::from)
}

#[repr(C)]
#[derive(StableAbi)]
pub struct LabelledRegionAbi {
    mask: MaskAbi,
    source: RString,
    score: f32,
    selected: bool,
    top: RVec<ClassScoreAbi>,
}

impl From<&LabelledRegion> for LabelledRegionAbi {
    fn from(region: &LabelledRegion) -> Self {
        Self {
            mask: (&region.mask).into(),
            source: region.source.as_str().into(),
            score: region.score,
            selected: region.selected,
            top: all(&region.top),
        }
    }
}

impl FromAbi<LabelledRegionAbi> for Result<LabelledRegion> {
    fn from_abi(region: LabelledRegionAbi) -> Self {
        Ok(LabelledRegion {
            mask: <Result<Mask>>::from_abi(region.mask)?,
            source: region.source.into(),
            score: region.score,
            selected: region.selected,
            top: checked(region.top)?,
        })
    }
}

//! Values that cross, and their conversions.

use abi_stable::std_types::{ROption, RResult, RSlice, RString, RVec};
use abi_stable::StableAbi;

use crate::image::Lent;
use crate::{Error, ErrorKind, Image, ImageData, Mask, Measure, Proposal, Refinement, Region, Result, Sample, TruthObject, Work};

#[repr(C)]
#[derive(StableAbi)]
pub struct ErrorAbi {
    kind: u32,
    message: RString,
    causes: RVec<RString>,
}

pub type AbiResult<T> = RResult<T, ErrorAbi>;

impl From<Error> for ErrorAbi {
    fn from(error: Error) -> Self {
        Self { kind: error.kind.code(), message: error.message.into(), causes: strings(error.causes) }
    }
}

impl From<ErrorAbi> for Error {
    fn from(error: ErrorAbi) -> Self {
        Self { kind: ErrorKind::from_code(error.kind), message: error.message.into(), causes: error.causes.into_iter().map(Into::into).collect() }
    }
}

/// A result from the other side, as an ordinary one.
pub fn received<T>(result: AbiResult<T>) -> Result<T> {
    result.into_result().map_err(Error::from)
}

pub fn strings(list: Vec<String>) -> RVec<RString> {
    list.into_iter().map(RString::from).collect()
}

/// Each value of one list type as the other.
pub fn all<A, B: From<A>>(list: impl IntoIterator<Item = A>) -> RVec<B> {
    list.into_iter().map(B::from).collect()
}

/// Each value of a list from the other side, checked.
pub fn checked<A, B>(list: impl IntoIterator<Item = A>) -> Result<Vec<B>>
where
    Result<B>: FromAbi<A>,
{
    list.into_iter().map(<Result<B> as FromAbi<A>>::from_abi).collect()
}

/// A value from the other side, whose invariants are checked again here.
pub trait FromAbi<A> {
    fn from_abi(value: A) -> Self;
}

#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct ImageAbi<'a> {
    width: u32,
    height: u32,
    pixels: RSlice<'a, u8>,
}

impl<'a> From<&'a Image<'_>> for ImageAbi<'a> {
    fn from(image: &'a Image<'_>) -> Self {
        Self { width: image.width(), height: image.height(), pixels: image.pixels().into() }
    }
}

impl<'a> From<Lent<'a>> for ImageAbi<'a> {
    fn from((width, height, pixels): Lent<'a>) -> Self {
        Self { width, height, pixels: pixels.into() }
    }
}

impl<'a> ImageAbi<'a> {
    /// Width, height and bytes, which nobody has checked yet.
    pub fn parts(self) -> Lent<'a> {
        (self.width, self.height, self.pixels.as_slice())
    }
}

impl<'a> FromAbi<ImageAbi<'a>> for Result<Image<'a>> {
    fn from_abi(image: ImageAbi<'a>) -> Self {
        Image::new(image.width, image.height, image.pixels.as_slice())
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct OwnedImageAbi {
    width: u32,
    height: u32,
    pixels: RVec<u8>,
}

impl From<Image<'_>> for OwnedImageAbi {
    fn from(image: Image<'_>) -> Self {
        Self { width: image.width(), height: image.height(), pixels: image.into_pixels().into() }
    }
}

impl FromAbi<OwnedImageAbi> for Result<Image<'static>> {
    fn from_abi(image: OwnedImageAbi) -> Self {
        Image::new(image.width, image.height, image.pixels.into_vec())
    }
}

#[repr(C, u8)]
#[derive(StableAbi)]
pub enum ImageDataAbi {
    Encoded(RVec<u8>),
    Pixels(OwnedImageAbi),
}

impl From<ImageData> for ImageDataAbi {
    fn from(data: ImageData) -> Self {
        match data {
            ImageData::Encoded(bytes) => Self::Encoded(bytes.into()),
            ImageData::Pixels(image) => Self::Pixels(image.into()),
        }
    }
}

impl FromAbi<ImageDataAbi> for Result<ImageData> {
    fn from_abi(data: ImageDataAbi) -> Self {
        Ok(match data {
            ImageDataAbi::Encoded(bytes) => ImageData::Encoded(bytes.into_vec()),
            ImageDataAbi::Pixels(image) => ImageData::Pixels(<Result<Image<'static>>>::from_abi(image)?),
        })
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct SampleAbi {
    id: RString,
    label: u32,
    revision: u64,
}

impl From<Sample> for SampleAbi {
    fn from(sample: Sample) -> Self {
        Self { id: sample.id.into(), label: sample.label, revision: sample.revision }
    }
}

impl From<SampleAbi> for Sample {
    fn from(sample: SampleAbi) -> Self {
        Self { id: sample.id.into(), label: sample.label, revision: sample.revision }
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct MaskAbi {
    width: u32,
    height: u32,
    runs: RVec<u32>,
}

impl From<&Mask> for MaskAbi {
    fn from(mask: &Mask) -> Self {
        mask.clone().into()
    }
}

impl From<Mask> for MaskAbi {
    fn from(mask: Mask) -> Self {
        Self { width: mask.width(), height: mask.height(), runs: mask.into_runs().into() }
    }
}

impl FromAbi<MaskAbi> for Result<Mask> {
    fn from_abi(mask: MaskAbi) -> Self {
        Mask::from_runs(mask.width, mask.height, &mask.runs)
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct TruthObjectAbi {
    class: u32,
    mask: ROption<MaskAbi>,
}

impl From<TruthObject> for TruthObjectAbi {
    fn from(object: TruthObject) -> Self {
        Self { class: object.class, mask: object.mask.map(MaskAbi::from).into() }
    }
}

impl From<&TruthObject> for TruthObjectAbi {
    fn from(object: &TruthObject) -> Self {
        object.clone().into()
    }
}

impl FromAbi<TruthObjectAbi> for Result<TruthObject> {
    fn from_abi(object: TruthObjectAbi) -> Self {
        let mask = object.mask.into_option().map(<Result<Mask>>::from_abi).transpose()?;
        Ok(TruthObject { class: object.class, mask })
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct MeasureAbi {
    name: RString,
    value: f64,
}

impl From<&Measure> for MeasureAbi {
    fn from(measure: &Measure) -> Self {
        Self { name: measure.name.as_str().into(), value: measure.value }
    }
}

impl From<MeasureAbi> for Measure {
    fn from(measure: MeasureAbi) -> Self {
        Self { name: measure.name.into(), value: measure.value }
    }
}

fn measures(list: RVec<MeasureAbi>) -> Vec<Measure> {
    list.into_iter().map(Measure::from).collect()
}

#[repr(C)]
#[derive(StableAbi)]
pub struct ProposalAbi {
    mask: MaskAbi,
    score: f32,
    measures: RVec<MeasureAbi>,
}

impl From<&Proposal> for ProposalAbi {
    fn from(proposal: &Proposal) -> Self {
        Self { mask: (&proposal.mask).into(), score: proposal.score, measures: all(&proposal.measures) }
    }
}

impl From<Proposal> for ProposalAbi {
    fn from(proposal: Proposal) -> Self {
        Self::from(&proposal)
    }
}

impl FromAbi<ProposalAbi> for Result<Proposal> {
    fn from_abi(proposal: ProposalAbi) -> Self {
        let mut checked = Proposal::new(<Result<Mask>>::from_abi(proposal.mask)?, proposal.score)?;
        checked.measures = measures(proposal.measures);
        Ok(checked)
    }
}

#[repr(C, u8)]
#[derive(StableAbi)]
pub enum RefinementAbi {
    Keep(ProposalAbi),
    Drop(RString),
}

impl From<Refinement> for RefinementAbi {
    fn from(refinement: Refinement) -> Self {
        match refinement {
            Refinement::Keep(proposal) => Self::Keep(proposal.into()),
            Refinement::Drop { reason } => Self::Drop(reason.into()),
        }
    }
}

impl FromAbi<RefinementAbi> for Result<Refinement> {
    fn from_abi(refinement: RefinementAbi) -> Self {
        Ok(match refinement {
            RefinementAbi::Keep(proposal) => Refinement::Keep(<Result<Proposal>>::from_abi(proposal)?),
            RefinementAbi::Drop(reason) => Refinement::Drop { reason: reason.into() },
        })
    }
}

#[repr(C)]
#[derive(StableAbi)]
pub struct RegionAbi {
    mask: MaskAbi,
    source: RString,
    score: f32,
    measures: RVec<MeasureAbi>,
}

impl From<&Region> for RegionAbi {
    fn from(region: &Region) -> Self {
        Self { mask: (&region.mask).into(), source: region.source.as_str().into(), score: region.score, measures: all(&region.measures) }
    }
}

impl FromAbi<RegionAbi> for Result<Region> {
    fn from_abi(region: RegionAbi) -> Self {
        Ok(Region {
            mask: <Result<Mask>>::from_abi(region.mask)?,
            source: region.source.into(),
            score: region.score,
            measures: measures(region.measures),
        })
    }
}

/// Refuses an answer with another number of items than were asked about.
pub fn same_count(role: &str, what: &str, got: usize, expected: usize) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(Error::invalid(format!("the {role} gave {got} {what} for {expected}")))
}

#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct WorkAbi {
    flops: u64,
    training_flops: u64,
    masks: u64,
    mask_pixels: u64,
    memory: u64,
}

impl From<Work> for WorkAbi {
    fn from(work: Work) -> Self {
        Self { flops: work.flops, training_flops: work.training_flops, masks: work.masks, mask_pixels: work.mask_pixels, memory: work.memory }
    }
}

impl From<WorkAbi> for Work {
    fn from(work: WorkAbi) -> Self {
        Self { flops: work.flops, training_flops: work.training_flops, masks: work.masks, mask_pixels: work.mask_pixels, memory: work.memory }
    }
}

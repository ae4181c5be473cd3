use abi_stable::std_types::{RBox, RSlice, RStr, RVec};
use abi_stable::{sabi_trait, StableAbi};

use super::entry::{enter, read_config};
use super::guard::guard;
use super::host::ContextAbi;
use super::values::*;
use crate::{Image, Plugin, Proposal, Proposer, Result, SampleImage, Work};

#[repr(C)]
#[derive(StableAbi)]
pub struct SampleImageAbi<'a> {
    id: RStr<'a>,
    image: ImageAbi<'a>,
}

impl<'a> From<&'a SampleImage<'_>> for SampleImageAbi<'a> {
    fn from(sample: &'a SampleImage<'_>) -> Self {
        Self { id: sample.id.into(), image: (&sample.image).into() }
    }
}

#[sabi_trait]
pub trait ProposerAbi: Send + Sync {
    fn batch_size(&self) -> u32;
    fn work(&self) -> WorkAbi;
    #[sabi(last_prefix_field)]
    fn propose(&self, images: RSlice<'_, SampleImageAbi<'_>>) -> AbiResult<RVec<RVec<ProposalAbi>>>;
}

pub type Object = ProposerAbi_TO<'static, RBox<()>>;

struct Exported<T> {
    plugin: T,
    batch_size: u32,
    work: WorkAbi,
}

impl<T: Proposer> ProposerAbi for Exported<T> {
    fn batch_size(&self) -> u32 {
        self.batch_size
    }
    fn work(&self) -> WorkAbi {
        self.work
    }
    fn propose(&self, images: RSlice<'_, SampleImageAbi<'_>>) -> AbiResult<RVec<RVec<ProposalAbi>>> {
        guard(
            || {
                let images = images
                    .iter()
                    .map(|sample| Ok(SampleImage { id: sample.id.as_str(), image: <Result<Image<'_>>>::from_abi(sample.image)? }))
                    .collect::<Result<Vec<_>>>()?;
                self.plugin.propose(&images)
            },
            |proposals| proposals.into_iter().map(all).collect(),
        )
    }
}

pub extern "C" fn build<T: Plugin + Proposer>(config: RStr<'_>, context: ContextAbi) -> AbiResult<Object> {
    guard(
        || {
            let plugin = T::new(read_config(config)?, enter(context))?;
            Ok(Exported { batch_size: plugin.batch_size().max(1) as u32, work: plugin.work().into(), plugin })
        },
        |exported| ProposerAbi_TO::from_value(exported, sabi_trait::TD_Opaque),
    )
}

/// A proposer of a loaded library.
pub struct ForeignProposer(pub Object);

impl Proposer for ForeignProposer {
    fn batch_size(&self) -> usize {
        self.0.batch_size() as usize
    }
    fn work(&self) -> Work {
        self.0.work().into()
    }
    fn propose(&self, images: &[SampleImage<'_>]) -> Result<Vec<Vec<Proposal>>> {
        let crossing: Vec<SampleImageAbi<'_>> = images.iter().map(SampleImageAbi::from).collect();
        let proposals = received(self.0.propose(crossing.as_slice().into()))?;
        same_count("proposer", "lists of proposals", proposals.len(), images.len())?;
        proposals.into_iter().map(checked).collect()
    }
}

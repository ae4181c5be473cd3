//! From images to regions: propose, refine, fit to the image.

use convert_sdk::{Error, Proposal, Proposer, Refinement, Refiner, Region, SampleImage};

use super::{At, each, row};
use crate::engine::{Input, SampleWork};
use crate::pipeline::error::PipelineError;
use crate::pipeline::rows::{DroppedRow, ImageProposals, ImageRegions, Record};
use crate::pipeline::session::Session;

/// A proposer at work.
pub(super) struct Proposing<'a> {
    at: At<'a>,
    plugin: &'a str,
    proposer: Box<dyn Proposer>,
}

impl<'a> Proposing<'a> {
    pub fn new(at: At<'a>, configuration: usize) -> Result<Self, PipelineError> {
        let (_, configured) = &at.session.recipe.proposals[configuration];
        let proposer = at.session.build(configured, |config, context| configured.plugin.builder.proposer(config, context))?;
        Ok(Self { at, plugin: &configured.plugin.name, proposer })
    }
}

impl SampleWork<Record> for Proposing<'_> {
    fn batch_size(&self) -> usize {
        self.proposer.batch_size()
    }
    fn compute(&self, batch: &[Input<'_, Record>]) -> Result<Vec<Record>, Error> {
        let image = |input| Ok(SampleImage { id: self.at.id(input), image: input.image.get()? });
        let images = batch.iter().map(image).collect::<Result<Vec<_>, Error>>()?;
        let proposals = self.proposer.propose(&images)?;
        let none = || DroppedRow { index: 0, reason: format!("{} proposed no mask", self.plugin) };
        let row = |(image, proposals): (&SampleImage<'_>, Vec<Proposal>)| ImageProposals {
            width: image.image.width(),
            height: image.image.height(),
            dropped: proposals.is_empty().then(none).into_iter().collect(),
            proposals,
        };
        Ok(images.iter().zip(proposals).map(row).map(Record::Proposals).collect())
    }
}

/// A refiner at work on a configuration's masks.
pub(super) struct Refining(Box<dyn Refiner>);

impl SampleWork<Record> for Refining {
    fn compute(&self, batch: &[Input<'_, Record>]) -> Result<Vec<Record>, Error> {
        each(batch, |input| self.refined(input), Record::Proposals)
    }
}

impl Refining {
    pub fn new(session: &Session, refiner: usize) -> Result<Self, PipelineError> {
        let (configured, _) = &session.recipe.refine[refiner];
        session.build(configured, |config, context| configured.plugin.builder.refiner(config, context)).map(Self)
    }

    fn refined(&self, input: &Input<'_, Record>) -> Result<ImageProposals, Error> {
        let before = row(input, 0)?.proposals()?;
        let mut refined = ImageProposals { width: before.width, height: before.height, proposals: Vec::new(), dropped: Vec::new() };
        if before.proposals.is_empty() {
            return Ok(refined);
        }
        for (at, answer) in self.0.refine(input.image, &before.proposals)?.into_iter().enumerate() {
            match answer {
                Refinement::Keep(proposal) => refined.proposals.push(proposal),
                Refinement::Drop { reason } => refined.dropped.push(DroppedRow { index: at as u32, reason }),
            }
        }
        Ok(refined)
    }
}

/// The masks of all configurations, fitted to their images (method 1.10); those that are empty then are dropped.
pub(super) struct Fitting<'a> {
    pub at: At<'a>,
}

impl SampleWork<Record> for Fitting<'_> {
    fn compute(&self, batch: &[Input<'_, Record>]) -> Result<Vec<Record>, Error> {
        each(batch, |input| self.fitted(input), Record::Regions)
    }
}

impl Fitting<'_> {
    fn fitted(&self, input: &Input<'_, Record>) -> Result<ImageRegions, Error> {
        let (mut width, mut height) = (0, 0);
        let mut regions = Vec::new();
        for (at, (source, _)) in self.at.session.recipe.proposals.iter().enumerate() {
            let proposed = row(input, at)?.proposals()?;
            (width, height) = (proposed.width, proposed.height);
            for proposal in &proposed.proposals {
                let mask = proposal.mask.fit_to(width, height)?;
                if !mask.is_empty() {
                    regions.push(Region { mask, source: source.clone(), score: proposal.score, measures: proposal.measures.clone() });
                }
            }
        }
        Ok(ImageRegions { width, height, regions })
    }
}

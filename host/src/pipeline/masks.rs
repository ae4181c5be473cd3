//! The stages from images to regions: propose, refine, regions.

use std::collections::HashMap;

use convert_sdk::{Error, Image, LazyImage, Probability, Proposal, Refinement, SampleImage};

use super::plan::{RefineStage, Source};
use super::rows::{DroppedRow, ImageProposals, ImageRegions, ProposalRow, RegionRow};
use super::session::Session;
use crate::engine::Stage;
use crate::engine::images::{self, Decoding};
use crate::failure::Failure;

impl Session {
    /// The decoded image of a sample.
    pub(super) fn load_image(&self, id: &str) -> Result<Image<'static>, Error> {
        images::load(self.dataset.as_ref(), id, Decoding { exif_orientation: self.recipe.sections.exif_orientation })
    }

    /// The image of a sample, decoded when asked for.
    pub(super) fn lazy_image(&self, index: usize) -> LazyImage<'_> {
        LazyImage::new(move || self.load_image(&self.samples.list[index].id))
    }

    /// Proposals of all configurations, then their refiners, then all masks fitted to their images.
    ///
    /// # Errors
    /// As [`crate::engine::Runner::run`].
    pub fn run_masks(&self) -> Result<(), Failure> {
        self.run_masks_where(|_| true)
    }

    /// Those of the mask stages that `wanted` names.
    ///
    /// # Errors
    /// As [`crate::engine::Runner::run`].
    pub fn run_masks_where(&self, wanted: impl Fn(&Stage) -> bool) -> Result<(), Failure> {
        for (source, (_, configured)) in self.plan.sources.iter().zip(&self.recipe.proposals) {
            if wanted(&source.propose) {
                self.propose(source, configured)?;
            }
            let mut before = &source.propose;
            for refine in &source.refine {
                if wanted(&refine.stage) {
                    self.refine(refine, before)?;
                }
                before = &refine.stage;
            }
        }
        if wanted(&self.plan.regions) { self.regions() } else { Ok(()) }
    }

    fn propose(&self, source: &Source, configured: &crate::recipe::Configured) -> Result<(), Failure> {
        let stage = &source.propose;
        let proposer = match self.is_finished(stage) {
            true => None,
            false => Some(self.build(configured, |config, context| configured.plugin.builder.proposer(config, context))?),
        };
        let batch_size = proposer.as_ref().map_or(1, |proposer| proposer.batch_size());
        let inputs = |shard| Ok(self.samples.shard(shard).map(|index| (index, ())).collect());
        self.runner.run(stage, &self.samples, batch_size, inputs, |batch: &[(usize, ())]| {
            let proposer = proposer.as_ref().ok_or_else(|| Error::invalid("a finished stage has no work"))?;
            let images = batch
                .iter()
                .map(|(index, ())| {
                    let id = self.samples.list[*index].id.as_str();
                    Ok(SampleImage { id, image: self.load_image(id)? })
                })
                .collect::<Result<Vec<_>, Error>>()?;
            let proposals = proposer.propose(&images)?;
            let none = || DroppedRow { index: 0, reason: format!("{} proposed no mask", configured.plugin.name) };
            let row = |(image, proposals): (&SampleImage<'_>, &Vec<Proposal>)| ImageProposals {
                width: image.image.width(),
                height: image.image.height(),
                proposals: proposals.iter().map(ProposalRow::from).collect(),
                dropped: proposals.is_empty().then(none).into_iter().collect(),
            };
            Ok(images.iter().zip(&proposals).map(row).collect())
        })
    }

    fn refine(&self, refine: &RefineStage, before: &Stage) -> Result<(), Failure> {
        let (configured, _) = &self.recipe.refine[refine.refiner];
        let refiner = match self.is_finished(&refine.stage) {
            true => None,
            false => Some(self.build(configured, |config, context| configured.plugin.builder.refiner(config, context))?),
        };
        let inputs = |shard| before.read_indexed::<ImageProposals>(&self.samples, shard);
        self.runner.run(&refine.stage, &self.samples, 1, inputs, |batch: &[(usize, ImageProposals)]| {
            let refiner = refiner.as_ref().ok_or_else(|| Error::invalid("a finished stage has no work"))?;
            batch
                .iter()
                .map(|(index, row)| {
                    let proposals = row.proposals.iter().cloned().map(Proposal::try_from).collect::<Result<Vec<_>, Error>>()?;
                    let mut refined = ImageProposals { width: row.width, height: row.height, proposals: Vec::new(), dropped: Vec::new() };
                    if proposals.is_empty() {
                        return Ok(refined);
                    }
                    for (at, answer) in refiner.refine(&self.lazy_image(*index), &proposals)?.into_iter().enumerate() {
                        match answer {
                            Refinement::Keep(proposal) => refined.proposals.push((&proposal).into()),
                            Refinement::Drop { reason } => refined.dropped.push(DroppedRow { index: at as u32, reason }),
                        }
                    }
                    Ok(refined)
                })
                .collect()
        })
    }

    /// Fits the masks of all configurations to their images (SPEC 1.10) and drops those that are empty then.
    fn regions(&self) -> Result<(), Failure> {
        let inputs = |shard: usize| {
            let mut by_sample: HashMap<usize, Vec<ImageProposals>> = HashMap::new();
            for source in &self.plan.sources {
                for (index, row) in source.last().read_indexed(&self.samples, shard)? {
                    by_sample.entry(index).or_default().push(row);
                }
            }
            // A sample that failed in one configuration is in the ledger already.
            let whole = self.samples.shard(shard).filter_map(|index| by_sample.remove(&index).map(|rows| (index, rows)));
            Ok(whole.filter(|(_, rows)| rows.len() == self.plan.sources.len()).collect())
        };
        self.runner.run(&self.plan.regions, &self.samples, 1, inputs, |batch: &[(usize, Vec<ImageProposals>)]| {
            batch
                .iter()
                .map(|(_, sources)| {
                    let (width, height) = sources.first().map_or((0, 0), |row| (row.width, row.height));
                    let mut regions = Vec::new();
                    for (source, row) in self.plan.sources.iter().zip(sources) {
                        for proposal in row.proposals.iter().cloned() {
                            let proposal = Proposal::try_from(proposal)?;
                            let mask = proposal.mask.fit_to(width, height)?;
                            if !mask.is_empty() {
                                regions.push(RegionRow::new(&mask, &source.name, &proposal));
                            }
                        }
                    }
                    Ok(ImageRegions { width, height, regions })
                })
                .collect()
        })
    }
}

/// A finite probability from a labeler's number; rounding may put it a hair outside.
pub(super) fn probability(value: f32) -> Result<Probability, Error> {
    if (-1e-5..=1.0 + 1e-5).contains(&value) {
        Probability::new(value.clamp(0.0, 1.0))
    } else {
        Err(Error::numeric(format!("the labeler gave {value} as a probability")))
    }
}

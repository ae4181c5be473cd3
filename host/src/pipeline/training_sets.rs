//! What the labeler is trained on: selected regions, or whole images.

use std::collections::HashMap;

use convert_sdk::{Error, LazyImage, Mask, Result as PluginResult, TrainingRegion, TrainingSample, TrainingSet};
use serde::Deserialize;

use super::action::Action;
use super::error::PipelineError;
use super::rows::ImageSelections;
use super::session::Session;
use crate::engine::{Samples, Stage};

/// A training set that can say what it is.
pub(super) trait NamedSet: TrainingSet {
    /// Such as `300 regions of 120 images`.
    fn describe(&self) -> String;

    /// Why there is nothing in it.
    fn why_empty(&self) -> String;

    /// The set as labelers see it.
    fn as_training_set(&self) -> &dyn TrainingSet;
}

/// Gives a sample's image, which is decoded when it is asked for.
pub(super) type ImageOf<'a> = Box<dyn Fn(usize) -> LazyImage<'a> + Send + Sync + 'a>;

/// Every image as one region with its single label.
pub(super) struct WholeImages<'a> {
    samples: &'a Samples,
    image: ImageOf<'a>,
}

impl<'a> WholeImages<'a> {
    /// All samples of a run.
    pub fn new(samples: &'a Samples, image: ImageOf<'a>) -> Self {
        Self { samples, image }
    }
}

impl TrainingSet for WholeImages<'_> {
    fn len(&self) -> usize {
        self.samples.list.len()
    }

    fn get(&self, index: usize) -> PluginResult<TrainingSample<'_>> {
        let sample = self.samples.list.get(index).ok_or_else(|| Error::invalid(format!("there are {} images, no number {index}", self.len())))?;
        let regions = vec![TrainingRegion { mask: None, label: sample.label }];
        Ok(TrainingSample { id: sample.id.clone(), label: sample.label, image: (self.image)(index), regions })
    }
}

impl NamedSet for WholeImages<'_> {
    fn describe(&self) -> String {
        format!("{} whole images", self.len())
    }
    fn why_empty(&self) -> String {
        "there is no image".to_owned()
    }
    fn as_training_set(&self) -> &dyn TrainingSet {
        self
    }
}

/// The images that have selected regions, in the order of the samples. Their masks are in memory ([`KeptRegions`]), so that any image is given at once: without a lock and
/// without reading anything but its file.
pub(super) struct SelectedRegions<'a> {
    samples: &'a Samples,
    image: ImageOf<'a>,
    kept: KeptRegions,
    /// How many regions there were to choose from.
    proposed: usize,
}

impl<'a> SelectedRegions<'a> {
    /// The regions of a run that the stage `select` kept; where the selector wants it, the masks of one label in an image are one region. Reads each shard once.
    ///
    /// # Errors
    /// Stored selections or regions that cannot be read.
    pub fn read(session: &'a Session, select: &Stage, image: ImageOf<'a>) -> Result<Self, PipelineError> {
        let (mut kept, mut proposed, samples) = (KeptRegions::default(), 0, &session.samples);
        let (regions, merge_by_label) = (session.plan.stage_of(Action::Regions)?, session.plan.needs.merge_by_label);
        let read = |shard| {
            let masks: HashMap<usize, ImageMasks> = regions.read(samples, shard)?.into_iter().collect();
            Ok((masks, select.read::<ImageSelections>(samples, shard)?))
        };
        session.for_each_shard(read, |(mut masks, selections)| {
            for (sample, row) in selections {
                let Some(image) = masks.remove(&sample) else { continue };
                let named = |error: Error| PipelineError::Sample { sample: samples.list[sample].id.clone(), source: error.into() };
                proposed += row.selections.len();
                kept.push(sample, &image, &row, merge_by_label).map_err(named)?;
            }
            Ok(())
        })?;
        kept.shrink();
        Ok(Self { samples, image, kept, proposed })
    }
}

impl TrainingSet for SelectedRegions<'_> {
    fn len(&self) -> usize {
        self.kept.images.len()
    }

    fn get(&self, index: usize) -> PluginResult<TrainingSample<'_>> {
        let (sample, regions) = self.kept.get(index)?;
        let known = &self.samples.list[sample];
        Ok(TrainingSample { id: known.id.clone(), label: known.label, image: (self.image)(sample), regions })
    }
}

impl NamedSet for SelectedRegions<'_> {
    fn describe(&self) -> String {
        format!("{} regions of {} images", self.kept.regions.len(), self.len())
    }
    fn why_empty(&self) -> String {
        match self.proposed {
            0 => "no image has a region: the proposals found none, or the refiners dropped them all; try another `tau`, or a lower `min_area`"
                .to_owned(),
            proposed => format!("the selector kept none of {proposed} regions: lower its threshold, or try another rule"),
        }
    }
    fn as_training_set(&self) -> &dyn TrainingSet {
        self
    }
}

/// As much of an image's stored regions as training needs.
#[derive(Deserialize)]
struct ImageMasks {
    width: u32,
    height: u32,
    regions: Vec<RegionMask>,
}

#[derive(Deserialize)]
struct RegionMask {
    mask: MaskCounts,
}

/// A mask's code, not looked into.
#[derive(Deserialize)]
struct MaskCounts {
    counts: String,
}

/// Masks and classes in three buffers: 24 bytes an image and 8 a region, and COCO's compressed code of each mask, some hundreds of bytes of a photo's object. 1.28 million
/// images with one region each take 30 MB, 10 MB and the codes: less than 1 GB.
#[derive(Default)]
struct KeptRegions {
    images: Vec<KeptImage>,
    regions: Vec<KeptRegion>,
    /// The codes one after the other.
    counts: String,
}

struct KeptImage {
    sample: u32,
    width: u32,
    height: u32,
    /// Its first region; the next image's is behind its last one.
    region: u32,
    /// Where the code of its first region begins.
    counts: u64,
}

struct KeptRegion {
    label: u32,
    /// The length of its code.
    counts: u32,
}

impl KeptRegions {
    /// Takes in an image of which something was kept.
    fn push(&mut self, sample: usize, image: &ImageMasks, row: &ImageSelections, merge_by_label: bool) -> PluginResult<()> {
        let number = |number: usize, of: &str| u32::try_from(number).map_err(|_| Error::invalid(format!("more {of} than can be numbered: {number}")));
        let kept = row.selections.iter().enumerate().filter(|(_, selection)| selection.keep);
        let mut regions: Vec<(u32, &str)> = Vec::new();
        for (at, selection) in kept {
            let region =
                image.regions.get(at).ok_or_else(|| Error::invalid(format!("region {at} was selected, but there are {}", image.regions.len())))?;
            regions.push((selection.label, &region.mask.counts));
        }
        if regions.is_empty() {
            return Ok(());
        }
        let (width, height) = (image.width, image.height);
        let (region, counts) = (number(self.regions.len(), "regions")?, self.counts.len() as u64);
        self.images.push(KeptImage { sample: number(sample, "samples")?, width, height, region, counts });
        let merged = if merge_by_label { merged(width, height, &regions)? } else { Vec::new() };
        let regions = if merge_by_label { merged.iter().map(|(label, counts)| (*label, counts.as_str())).collect() } else { regions };
        for (label, counts) in regions {
            self.regions.push(KeptRegion { label, counts: number(counts.len(), "bytes in a mask")? });
            self.counts += counts;
        }
        Ok(())
    }

    /// Gives back what the buffers reserved and did not need.
    fn shrink(&mut self) {
        self.images.shrink_to_fit();
        self.regions.shrink_to_fit();
        self.counts.shrink_to_fit();
    }

    /// The sample and the regions of the image at an index.
    fn get(&self, index: usize) -> PluginResult<(usize, Vec<TrainingRegion>)> {
        let missing = || Error::invalid(format!("there are {} training images, no number {index}", self.images.len()));
        let image = self.images.get(index).ok_or_else(missing)?;
        let end = self.images.get(index + 1).map_or(self.regions.len(), |next| next.region as usize);
        let mut at = image.counts as usize;
        let regions = self.regions[image.region as usize..end].iter().map(|region| {
            let counts = &self.counts[at..at + region.counts as usize];
            at += region.counts as usize;
            Ok(TrainingRegion { mask: Some(Mask::from_counts(image.width, image.height, counts)?), label: region.label })
        });
        Ok((image.sample as usize, regions.collect::<PluginResult<_>>()?))
    }
}

/// The masks of one label merged, in the order in which the labels first come, as codes again.
fn merged(width: u32, height: u32, regions: &[(u32, &str)]) -> PluginResult<Vec<(u32, String)>> {
    let mut unions: Vec<(u32, Mask)> = Vec::new();
    for (label, counts) in regions {
        let mask = Mask::from_counts(width, height, counts)?;
        match unions.iter_mut().find(|(known, _)| known == label) {
            Some((_, union)) => *union = union.union(&mask)?,
            None => unions.push((*label, mask)),
        }
    }
    Ok(unions.into_iter().map(|(label, mask)| (label, mask.counts())).collect())
}

#[cfg(test)]
mod tests {
    use convert_sdk::{BoundingBox, Probability, Selection};

    use super::*;

    fn block(x: u32, width: u32) -> Mask {
        Mask::from_box(40, 20, BoundingBox { x, y: 3, width, height: 9 }).unwrap()
    }

    /// Images with these masks, of which those with a label were kept.
    fn kept(images: &[&[(&Mask, Option<u32>)]], merge_by_label: bool) -> KeptRegions {
        let mut kept = KeptRegions::default();
        for (sample, regions) in images.iter().enumerate() {
            let masks = regions.iter().map(|(mask, _)| RegionMask { mask: MaskCounts { counts: mask.counts() } }).collect();
            let row = |label: &Option<u32>| Selection { confidence: Probability::ONE, keep: label.is_some(), label: label.unwrap_or(9) };
            let selections = ImageSelections { selections: regions.iter().map(|(_, label)| row(label)).collect() };
            kept.push(sample, &ImageMasks { width: 40, height: 20, regions: masks }, &selections, merge_by_label).unwrap();
        }
        kept.shrink();
        kept
    }

    #[test]
    fn kept_regions_come_back_by_image_and_images_without_one_are_left_out() {
        let (a, b, c) = (block(0, 5), block(10, 7), block(30, 10));
        let images: [&[(&Mask, Option<u32>)]; 4] = [&[(&a, None)], &[(&a, Some(3)), (&b, None), (&c, Some(3))], &[], &[(&b, Some(1))]];
        let region = |mask: &Mask, label| TrainingRegion { mask: Some(mask.clone()), label };
        let store = kept(&images, false);
        assert_eq!(store.get(0).unwrap(), (1, vec![region(&a, 3), region(&c, 3)]));
        assert_eq!(store.get(1).unwrap(), (3, vec![region(&b, 1)]));
        assert_eq!(store.get(2).unwrap_err().message, "there are 2 training images, no number 2");
        let store = kept(&images, true);
        assert_eq!(store.get(0).unwrap(), (1, vec![region(&a.union(&c).unwrap(), 3)]));
        assert_eq!(store.get(1).unwrap(), (3, vec![region(&b, 1)]));
    }

    #[test]
    fn an_image_and_a_region_take_the_bytes_that_the_docs_say() {
        assert_eq!((size_of::<KeptImage>(), size_of::<KeptRegion>()), (24, 8));
    }
}

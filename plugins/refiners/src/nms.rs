use std::cmp::Reverse;

use convert_sdk::{Context, LazyImage, Plugin, Proposal, Refinement, Refiner, Result, config};

/// Drops every mask that overlaps a better-scored one of its image too much (non-maximum suppression by mask IoU).
#[config(default)]
#[derive(Clone, Debug)]
pub struct NmsConfig {
    /// Drop a mask whose IoU with a kept, better-scored one is above this, in [0, 1]. Default 0.7.
    /// Masks of different sizes are compared at the larger one's size.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_iou: f64,
}

impl Default for NmsConfig {
    fn default() -> Self {
        Self { max_iou: 0.7 }
    }
}

/// The refiner `nms`.
#[derive(Clone, Debug)]
pub struct Nms {
    config: NmsConfig,
}

impl Plugin for Nms {
    type Config = NmsConfig;

    fn new(config: NmsConfig, _: Context) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Refiner for Nms {
    fn refine(&self, _: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        let mut order: Vec<usize> = (0..proposals.len()).collect();
        // Best first; of equal scores the earlier proposal (the sort is stable).
        order.sort_by(|a, b| proposals[*b].score.total_cmp(&proposals[*a].score));
        let mut refined: Vec<Refinement> = proposals.iter().cloned().map(Refinement::Keep).collect();
        let mut kept: Vec<usize> = Vec::new();
        for index in order {
            match self.rival(proposals, &kept, index)? {
                Some((rival, iou)) => {
                    let max = self.config.max_iou;
                    refined[index] = Refinement::Drop { reason: format!("it overlaps mask {rival} of its image: iou {iou:.3} is above {max}") };
                }
                None => kept.push(index),
            }
        }
        Ok(refined)
    }
}

impl Nms {
    /// The first kept proposal that one overlaps too much.
    fn rival(&self, proposals: &[Proposal], kept: &[usize], index: usize) -> Result<Option<(usize, f64)>> {
        for other in kept {
            let iou = iou(&proposals[*other], &proposals[index])?;
            if iou > self.config.max_iou {
                return Ok(Some((*other, iou)));
            }
        }
        Ok(None)
    }
}

fn iou(a: &Proposal, b: &Proposal) -> Result<f64> {
    let (a, b) = (&a.mask, &b.mask);
    if (a.width(), a.height()) == (b.width(), b.height()) {
        return a.iou(b);
    }
    let (width, height) = [a, b]
        .map(|mask| (mask.width(), mask.height()))
        .into_iter()
        .max_by_key(|(w, h)| (u64::from(*w) * u64::from(*h), Reverse(*w)))
        .unwrap_or((1, 1));
    a.resize_nearest(width, height)?.iou(&b.resize_nearest(width, height)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::{BoundingBox, Error, Mask};

    #[test]
    fn the_best_scored_of_overlapping_masks_stays_whatever_their_sizes() {
        let strip = |width, size| Mask::from_box(size, size, BoundingBox { x: 0, y: 0, width, height: size }).unwrap();
        let proposals = [(strip(8, 20), 0.2), (strip(20, 40), 0.9), (strip(3, 20), 0.5)].map(|(mask, score)| Proposal::new(mask, score).unwrap());
        let refiner = Nms::new(NmsConfig::default(), Context::for_tests(&[])).unwrap();
        let refined = refiner.refine(&LazyImage::new(|| Err(Error::invalid("no image is needed"))), &proposals).unwrap();
        assert_eq!(refined[0], Refinement::Drop { reason: "it overlaps mask 1 of its image: iou 0.800 is above 0.7".into() });
        assert_eq!(refined[1], Refinement::Keep(proposals[1].clone()));
        assert_eq!(refined[2], Refinement::Keep(proposals[2].clone()));
    }
}

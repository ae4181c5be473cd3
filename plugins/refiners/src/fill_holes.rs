use convert_sdk::{Context, LazyImage, Plugin, Proposal, Refinement, Refiner, Result, config};

use crate::change::keep_if_alike;
use crate::holes::fill_holes;

/// Fills the holes of every mask and drops a mask that this changes too much (method 1.10 without the CRF).
#[config(default)]
#[derive(Clone, Debug)]
pub struct FillHolesConfig {
    /// Drop a mask whose IoU before and after is below this, in [0, 1]. Default 0.5 (method 1.10).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_iou: f64,
}

impl Default for FillHolesConfig {
    fn default() -> Self {
        Self { min_iou: 0.5 }
    }
}

/// The refiner `fill-holes`.
#[derive(Clone, Debug)]
pub struct FillHoles {
    config: FillHolesConfig,
}

impl Plugin for FillHoles {
    type Config = FillHolesConfig;

    fn new(config: FillHolesConfig, _: Context) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Refiner for FillHoles {
    fn refine(&self, _: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        let refine = |proposal: &Proposal| keep_if_alike(proposal, fill_holes(&proposal.mask)?, self.config.min_iou, "filling its holes");
        proposals.iter().map(refine).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::{BoundingBox, Error, Mask};

    #[test]
    fn a_ring_around_most_of_the_image_is_dropped_with_its_iou() {
        let ring = |inner: u32| {
            let hole = BoundingBox { x: 1, y: 1, width: inner, height: inner };
            Mask::full(10, 10).unwrap().difference(&Mask::from_box(10, 10, hole).unwrap()).unwrap()
        };
        let proposals = [ring(8), ring(3), Mask::empty(4, 4).unwrap()].map(|mask| Proposal::new(mask, 1.0).unwrap());
        let refiner = FillHoles::new(FillHolesConfig::default(), Context::for_tests(&[])).unwrap();
        let no_image = LazyImage::new(|| Err(Error::invalid("no image is needed")));
        let refined = refiner.refine(&no_image, &proposals).unwrap();
        assert_eq!(refined[0], Refinement::Drop { reason: "filling its holes changed the mask too much: iou 0.360 is below 0.5".into() });
        assert_eq!(refined[1], Refinement::Keep(Proposal::new(Mask::full(10, 10).unwrap(), 1.0).unwrap()));
        assert_eq!(refined[2], Refinement::Drop { reason: "filling its holes left nothing of the mask".into() });
    }
}

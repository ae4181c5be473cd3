use convert_sdk::{Context, LazyImage, Plugin, Proposal, Refinement, Refiner, Result, config};

/// Drops masks that cover too little of the image.
#[config(default)]
#[derive(Clone, Debug)]
pub struct DropSmallConfig {
    /// Drop a mask that covers less than this share of the image, in [0, 1]. Default 0.01, the share of MaskCut's own rule (method 1.7).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_area: f64,
}

impl Default for DropSmallConfig {
    fn default() -> Self {
        Self { min_area: 0.01 }
    }
}

/// The refiner `drop-small`.
#[derive(Clone, Debug)]
pub struct DropSmall {
    config: DropSmallConfig,
}

impl Plugin for DropSmall {
    type Config = DropSmallConfig;

    fn new(config: DropSmallConfig, _: Context) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Refiner for DropSmall {
    fn refine(&self, _: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        let refine = |proposal: &Proposal| {
            let mask = &proposal.mask;
            let share = f64::from(mask.area()) / (f64::from(mask.width()) * f64::from(mask.height()));
            if mask.is_empty() || share < self.config.min_area {
                return Refinement::Drop { reason: format!("too small: it covers {share:.4} of the image, less than {}", self.config.min_area) };
            }
            Refinement::Keep(proposal.clone())
        };
        Ok(proposals.iter().map(refine).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::{BoundingBox, Error, Mask};

    #[test]
    fn a_mask_below_the_share_goes_and_one_at_the_share_stays() {
        let square = |side| Mask::from_box(100, 100, BoundingBox { x: 0, y: 0, width: side, height: side }).unwrap();
        let proposals = [square(10), square(9)].map(|mask| Proposal::new(mask, 1.0).unwrap());
        let refiner = DropSmall::new(DropSmallConfig::default(), Context::for_tests(&[])).unwrap();
        let refined = refiner.refine(&LazyImage::new(|| Err(Error::invalid("no image is needed"))), &proposals).unwrap();
        assert_eq!(refined[0], Refinement::Keep(proposals[0].clone()));
        assert_eq!(refined[1], Refinement::Drop { reason: "too small: it covers 0.0081 of the image, less than 0.01".into() });
    }
}

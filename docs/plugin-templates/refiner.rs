//! A refiner: drops masks that cover so much of the image that they are its ground.
use convert_sdk::*;

/// Drops masks that cover too much of the image.
#[config(default)]
struct Config {
    /// Drop a mask that covers more than this share of the image.
    #[schemars(range(min = 0.0, max = 1.0))]
    max_area: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_area: 0.9 }
    }
}

struct DropLarge(Config);

impl Plugin for DropLarge {
    type Config = Config;

    fn new(config: Config, _: Context) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Refiner for DropLarge {
    fn refine(&self, _: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>> {
        let refine = |proposal: &Proposal| {
            let mask = &proposal.mask;
            let share = f64::from(mask.area()) / (f64::from(mask.width()) * f64::from(mask.height()));
            if share > self.0.max_area {
                Refinement::Drop { reason: format!("it covers {share:.3} of the image, more than {}", self.0.max_area) }
            } else {
                Refinement::Keep(proposal.clone())
            }
        };
        Ok(proposals.iter().map(refine).collect())
    }
}

export_plugins! { refiner "drop-large" => DropLarge }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_at_the_limit_stays_and_a_larger_one_goes() {
        let mask = |height| Mask::from_box(10, 10, BoundingBox { x: 0, y: 0, width: 10, height }).unwrap();
        let proposals = [9, 10].map(|height| Proposal::new(mask(height), 1.0).unwrap());
        let refiner = DropLarge::new(Config::default(), Context::for_tests(&["a", "b"])).unwrap();
        let refined = refiner.refine(&LazyImage::new(|| Err(Error::invalid("this refiner looks at no pixel"))), &proposals).unwrap();
        assert_eq!(refined[0], Refinement::Keep(proposals[0].clone()));
        assert_eq!(refined[1], Refinement::Drop { reason: "it covers 1.000 of the image, more than 0.9".into() });
    }

    #[test]
    fn it_keeps_the_rules_of_its_role() {
        convert_testing::refiner::<DropLarge>(r#"{"max_area": 0.8}"#);
    }
}

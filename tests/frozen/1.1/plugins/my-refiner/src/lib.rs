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

struct MyRefinerRefiner(Config);

impl Plugin for MyRefinerRefiner {
    type Config = Config;

    fn new(config: Config, _: Context) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Refiner for MyRefinerRefiner {
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

export_plugins! { refiner "my-refiner" => MyRefinerRefiner }


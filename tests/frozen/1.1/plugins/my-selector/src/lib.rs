//! A selector: photographers put what they mean in the middle.
use convert_sdk::*;

/// Keeps the regions whose bounding box has its middle near that of the image.
#[config(default)]
struct Config {
    /// Keep a region whose middle is no farther from the image's than this share of the image's half diagonal.
    #[schemars(range(min = 0.0, max = 1.0))]
    distance: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self { distance: 0.5 }
    }
}

struct MySelectorSelector(Config);

/// How far a mask's box is from the image's middle: 0 there, 1 in a corner.
fn distance(mask: &Mask) -> f32 {
    let (width, height) = (mask.width() as f32, mask.height() as f32);
    let Some(bounds) = mask.bounding_box() else { return 1.0 };
    let x = bounds.x as f32 + bounds.width as f32 / 2.0 - width / 2.0;
    let y = bounds.y as f32 + bounds.height as f32 / 2.0 - height / 2.0;
    (x.hypot(y) / (width / 2.0).hypot(height / 2.0)).min(1.0)
}

impl Plugin for MySelectorSelector {
    type Config = Config;

    fn new(config: Config, _: Context) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Selector for MySelectorSelector {
    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>> {
        let answer = |region: &Region| {
            let distance = distance(&region.mask);
            Ok(Selection { confidence: Probability::new(1.0 - distance)?, keep: distance <= self.0.distance, label: subject.label })
        };
        subject.regions.iter().map(answer).collect()
    }
}

export_plugins! { selector "my-selector" => MySelectorSelector }


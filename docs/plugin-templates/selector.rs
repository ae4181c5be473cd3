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

struct Central(Config);

/// How far a mask's box is from the image's middle: 0 there, 1 in a corner.
fn distance(mask: &Mask) -> f32 {
    let (width, height) = (mask.width() as f32, mask.height() as f32);
    let Some(bounds) = mask.bounding_box() else { return 1.0 };
    let x = bounds.x as f32 + bounds.width as f32 / 2.0 - width / 2.0;
    let y = bounds.y as f32 + bounds.height as f32 / 2.0 - height / 2.0;
    (x.hypot(y) / (width / 2.0).hypot(height / 2.0)).min(1.0)
}

impl Plugin for Central {
    type Config = Config;

    fn new(config: Config, _: Context) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Selector for Central {
    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>> {
        let answer = |region: &Region| {
            let distance = distance(&region.mask);
            Ok(Selection { confidence: Probability::new(1.0 - distance)?, keep: distance <= self.0.distance, label: subject.label })
        };
        subject.regions.iter().map(answer).collect()
    }
}

export_plugins! { selector "central" => Central }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_in_the_middle_is_kept_and_one_in_the_corner_is_not() {
        let region = |x, y| {
            let mask = Mask::from_box(100, 80, BoundingBox { x, y, width: 20, height: 20 }).unwrap();
            Region { mask, source: "test".into(), score: 1.0, measures: Vec::new() }
        };
        let (image, regions) = (LazyImage::new(|| Err(Error::invalid("this selector looks at no pixel"))), [region(40, 30), region(0, 0)]);
        let selector = Central::new(Config::default(), Context::for_tests(&["a", "b"])).unwrap();
        let answers = selector.select(&Subject { id: "x", label: 1, image: &image, regions: &regions, map: None, predictions: None }).unwrap();
        assert_eq!(answers[0], Selection { confidence: Probability::ONE, keep: true, label: 1 });
        assert!(!answers[1].keep && answers[1].confidence.get() < 0.5);
    }

    #[test]
    fn it_keeps_the_rules_of_its_role() {
        convert_testing::selector::<Central>("{}");
    }
}

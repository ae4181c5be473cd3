//! The trivial selector: the largest region is taken for the one that shows the image's label.

use convert_sdk::{Context, Error, Plugin, Probability, Region, Result, Selection, Selector, Subject, config};

/// Keeps the largest region of each image and trains it with the image's single label.
///
/// The baseline for datasets without label maps: it looks at no pixel. Of regions of equal area the first is kept. An image whose every
/// region is larger than `max_area` shows one object that fills it: its largest region is kept all the same, so that every image trains.
#[config(default)]
#[derive(Clone, Debug)]
pub struct KeepLargestConfig {
    /// Largest area of a region that counts as an object, as a share of the image; above it a region is taken for background and passed over
    /// while a smaller one exists. 1 takes every region, 0.9 leaves out masks of the whole scene.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_area: f64,
}

impl Default for KeepLargestConfig {
    fn default() -> Self {
        Self { max_area: 1.0 }
    }
}

/// See [`KeepLargestConfig`].
#[derive(Debug)]
pub struct KeepLargest {
    max_area: f64,
}

impl KeepLargest {
    /// The index of the largest region that `wanted` accepts, the first of equal ones.
    fn largest(regions: &[Region], wanted: impl Fn(&Region) -> bool) -> Option<usize> {
        let candidates = regions.iter().enumerate().filter(|(_, region)| wanted(region));
        // `max_by_key` gives the last of equal ones, hence the reversal
        candidates.rev().max_by_key(|(_, region)| region.mask.area()).map(|(index, _)| index)
    }
}

impl Plugin for KeepLargest {
    type Config = KeepLargestConfig;

    fn new(config: Self::Config, _context: Context) -> Result<Self> {
        if !(0.0..=1.0).contains(&config.max_area) {
            return Err(Error::config(format!("max_area is {}: it is a share of the image, give a number from 0 to 1", config.max_area)));
        }
        Ok(Self { max_area: config.max_area })
    }
}

impl Selector for KeepLargest {
    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>> {
        let fits = |region: &Region| {
            let pixels = f64::from(region.mask.width()) * f64::from(region.mask.height());
            f64::from(region.mask.area()) <= self.max_area * pixels
        };
        let kept = Self::largest(subject.regions, fits).or_else(|| Self::largest(subject.regions, |_| true));
        let selection = |index| {
            let keep = Some(index) == kept;
            Selection { confidence: if keep { Probability::ONE } else { Probability::default() }, keep, label: subject.label }
        };
        Ok((0..subject.regions.len()).map(selection).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::{BoundingBox, Image, LazyImage, Mask};

    /// Which of regions that cover so many of an image's ten columns are kept.
    fn check(max_area: f64, columns: &[u32], expected: Option<usize>) {
        let regions: Vec<Region> = columns
            .iter()
            .map(|width| Region {
                mask: Mask::from_box(10, 4, BoundingBox { x: 0, y: 0, width: *width, height: 4 }).unwrap(),
                source: "test".into(),
                score: 0.0,
                measures: Vec::new(),
            })
            .collect();
        let image = LazyImage::from(Image::new(10, 4, vec![0; 120]).unwrap());
        let selector = KeepLargest::new(KeepLargestConfig { max_area }, Context::for_tests(&["a", "b"])).unwrap();
        let answers = selector.select(&Subject { id: "x", label: 1, image: &image, regions: &regions, map: None, predictions: None }).unwrap();
        assert_eq!(answers.len(), columns.len());
        for (index, answer) in answers.iter().enumerate() {
            assert_eq!(answer.keep, Some(index) == expected, "max_area {max_area}, columns {columns:?}, region {index}");
            assert_eq!((answer.label, answer.confidence.get()), (1, if answer.keep { 1.0 } else { 0.0 }));
        }
    }

    #[test]
    fn exactly_the_largest_region_within_the_limit_is_kept() {
        check(1.0, &[2, 10, 5], Some(1));
        check(0.9, &[2, 10, 5], Some(2));
        check(0.9, &[2, 9, 5], Some(1));
        check(1.0, &[3, 5, 5], Some(1));
        check(0.1, &[10, 9], Some(0));
        check(1.0, &[], None);
    }

    #[test]
    fn a_limit_outside_0_to_1_is_refused() {
        let error = KeepLargest::new(KeepLargestConfig { max_area: 1.5 }, Context::for_tests(&[])).unwrap_err();
        assert_eq!(error.to_string(), "max_area is 1.5: it is a share of the image, give a number from 0 to 1");
    }
}

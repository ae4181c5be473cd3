use convert_sdk::{Error, Result, config};

/// One self-contained page: the labels in numbers and charts, and a gallery of images with their masks.
///
/// CostEstimates offline, without any other file, and stays below 20 MB by showing a sample of the images: half of them those whose labels
/// changed most, half chosen by the recipe's seed.
#[config(default)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HtmlReportConfig {
    /// Images in the gallery; fewer are shown where the page would exceed 20 MB. Default 60.
    #[schemars(range(min = 0, max = 1000))]
    pub images: u32,
    /// Longest side of a gallery image in pixels; a smaller image keeps its size. Default 480.
    #[schemars(range(min = 64, max = 1600))]
    pub thumbnail: u32,
    /// JPEG quality of the gallery images, from 1 to 100. Default 82.
    #[schemars(range(min = 1, max = 100))]
    pub quality: u8,
}

impl Default for HtmlReportConfig {
    fn default() -> Self {
        Self { images: 60, thumbnail: 480, quality: 82 }
    }
}

impl HtmlReportConfig {
    /// The config itself, if its numbers are in range.
    pub fn validated(self) -> Result<Self> {
        let check = |name: &str, value: u32, min: u32, max: u32| match (min..=max).contains(&value) {
            true => Ok(()),
            false => Err(Error::config(format!("{name} is {value}: give a number from {min} to {max}"))),
        };
        check("images", self.images, 0, 1000)?;
        check("thumbnail", self.thumbnail, 64, 1600)?;
        check("quality", u32::from(self.quality), 1, 100)?;
        Ok(self)
    }
}

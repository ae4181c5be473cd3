use convert_sdk::{Deserialize, Error, JsonSchema, Result, config, schemars, serde};

/// Proposes the regions of a hierarchical grouping: segments of alike colours, joined pair by pair by colour, texture, size and shape, until one is left (selective search,
/// Uijlings et al., IJCV 2013). It needs no weights, and no particular content.
///
/// Every colour space, scale and strategy gives a hierarchy of its own; the defaults have the colour spaces and strategies of the paper's fast mode, and scales of their own, on a smaller image. A mask has the size of the
/// shrunk image. Its score ranks large, compact regions that touch few borders first, and so does not say how surely it is an object. Its measures are `level` (how many
/// regions its hierarchy joined after it; 0 is the whole image) and `scale`.
#[config(default)]
#[derive(Clone, Debug)]
pub struct SelectiveSearchConfig {
    /// The longer side in pixels that images are shrunk to; smaller ones stay as they are. Default 320.
    #[schemars(range(min = 16, max = 4096))]
    pub size: u32,
    /// The colour spaces in which images are segmented. Default hsv and lab.
    #[schemars(length(min = 1, max = 3))]
    pub colour_spaces: Vec<ColourSpace>,
    /// k: how large segments are, in bytes of colour times pixels of the shrunk image (Felzenszwalb & Huttenlocher, IJCV 2004). Default 150 and 300.
    #[schemars(length(min = 1, max = 16))]
    #[schemars(inner(range(min = 0.0, max = 1e6)))]
    pub scales: Vec<f32>,
    /// What makes two regions alike. Default `colour-texture-size-fill` and `texture-size-fill`.
    #[schemars(length(min = 1, max = 4))]
    pub strategies: Vec<Strategy>,
    /// Standard deviation of the Gaussian that smooths the shrunk image before it is segmented, in pixels. Default 0.8.
    #[schemars(range(min = 0.0, max = 20.0))]
    pub sigma: f64,
    /// Segments of fewer pixels of the shrunk image are joined to a neighbour before anything is grouped. Default 20.
    #[schemars(range(min = 1))]
    pub min_segment: u32,
    /// Leave out masks that cover less than this share of the image, in [0, 1]. Default 0.002.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_area: f64,
    /// Leave out masks that cover more than this share of the image, in [0, 1]. Default 0.95.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_area: f64,
    /// Leave out a mask whose IoU with a better-scored one is above this, in [0, 1]. Default 0.6.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_iou: f64,
    /// The most masks of an image; those with the best scores. Default 50.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_masks: usize,
}

impl Default for SelectiveSearchConfig {
    fn default() -> Self {
        Self {
            size: 320,
            colour_spaces: vec![ColourSpace::Hsv, ColourSpace::Lab],
            scales: vec![150.0, 300.0],
            strategies: vec![Strategy::ColourTextureSizeFill, Strategy::TextureSizeFill],
            sigma: 0.8,
            min_segment: 20,
            min_area: 0.002,
            max_area: 0.95,
            max_iou: 0.6,
            max_masks: 50,
        }
    }
}

impl SelectiveSearchConfig {
    /// What no single key's range says.
    ///
    /// # Errors
    /// Shares between which no mask fits.
    pub(crate) fn check(&self) -> Result<()> {
        if self.min_area > self.max_area {
            return Err(Error::config(format!("min_area {} is above max_area {}: no mask is both", self.min_area, self.max_area)));
        }
        Ok(())
    }
}

/// A colour space in which images are segmented and their colours counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "serde", rename_all = "kebab-case")]
#[schemars(crate = "schemars")]
pub enum ColourSpace {
    /// Hue, saturation and value.
    Hsv,
    /// CIE L*a*b*.
    Lab,
    /// Red, green and blue.
    Rgb,
}

/// What makes two regions alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "serde", rename_all = "kebab-case")]
#[schemars(crate = "schemars")]
pub enum Strategy {
    /// Colour, texture, small size, and filling each other's gaps.
    ColourTextureSizeFill,
    /// The same without colour.
    TextureSizeFill,
    /// Small size alone.
    Size,
    /// Filling each other's gaps alone.
    Fill,
}

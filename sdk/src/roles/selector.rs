use super::{Measure, PluginConfig};
use crate::{Context, LazyImage, Mask, Probability, Result};

/// A proposal after refinement, fitted to its image.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// At the image's size, not empty.
    pub mask: Mask,
    /// The proposal configuration it comes from.
    pub source: String,
    /// The proposer's score.
    pub score: f32,
    /// The proposer's numbers.
    pub measures: Vec<Measure>,
}

/// An image with its single label and its regions.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The sample's id.
    pub id: &'a str,
    /// The sample's single label.
    pub label: u32,
    /// The image.
    pub image: &'a LazyImage<'a>,
    /// The regions, never empty.
    pub regions: &'a [Region],
}

/// What a selector says of a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    /// How surely the region shows its training label.
    pub confidence: Probability,
    /// Whether the labeler trains on it.
    pub keep: bool,
    /// The label it trains with.
    pub label: u32,
}

/// Role `selector`: the regions that really show the image's class.
pub trait Selector: Send + Sync {
    /// The plugin's section of the recipe.
    type Config: PluginConfig
    where
        Self: Sized;

    /// Builds the selector.
    fn new(config: Self::Config, context: Context) -> Result<Self>
    where
        Self: Sized;

    /// One answer for each region, in their order.
    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>>;
}

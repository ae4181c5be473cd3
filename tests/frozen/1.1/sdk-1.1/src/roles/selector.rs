use serde::{Deserialize, Serialize};

use super::Measure;
use crate::{ClassScore, LabelMap, LazyImage, Mask, Probability, Result};

/// A proposal after refinement, fitted to its image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The image's own label map, in the first round of a selector that [wants](SelectorNeeds) one.
    pub map: Option<&'a LabelMap>,
    /// From the second round on, what the labeler of the round before says of each region: its classes, best first.
    pub predictions: Option<&'a [Vec<ClassScore>]>,
}

/// What a selector wants of the host besides images and regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SelectorNeeds {
    /// Label maps made from the dataset's own labels: the labeler is trained on whole images first, and its opinion of every place becomes [`Subject::map`].
    pub maps: bool,
    /// How often regions are chosen and the labeler is trained, at least 1; from the second round on the labeler of the round before gives [`Subject::predictions`].
    pub rounds: u32,
    /// Whether an image's kept regions with one label are merged to one training region.
    pub merge_by_label: bool,
}

impl Default for SelectorNeeds {
    fn default() -> Self {
        Self { maps: false, rounds: 1, merge_by_label: false }
    }
}

/// What a selector says of a region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
    /// What this selector wants of the host.
    fn needs(&self) -> SelectorNeeds {
        SelectorNeeds::default()
    }

    /// One answer for each region, in their order.
    fn select(&self, subject: &Subject<'_>) -> Result<Vec<Selection>>;
}

//! One row an image, for the exporters `jsonl` and `parquet`.

use convert_sdk::{ClassScore, LabelledRegion, LabelledSample, Serialize, serde};

/// An image with its labels and the regions that ground them.
#[derive(Serialize, serde::Deserialize)]
#[serde(crate = "serde")]
pub struct Row {
    /// The sample's id.
    pub id: String,
    /// Its single label, an index into the classes.
    pub label: i64,
    /// The image's size in pixels.
    pub width: u32,
    pub height: u32,
    /// The classes of the final labels, ascending, and the probability of each.
    pub classes: Vec<i64>,
    pub probabilities: Vec<f32>,
    /// The masks.
    pub regions: Vec<RegionRow>,
}

/// A mask and what is known of it.
#[derive(Serialize, serde::Deserialize)]
#[serde(crate = "serde")]
pub struct RegionRow {
    /// COCO's compressed run-length code of the mask, at the image's size.
    pub counts: String,
    /// x, y, width, height in pixels.
    pub bbox: Vec<u32>,
    /// Pixels of the mask.
    pub area: u32,
    /// The proposal configuration, and its score.
    pub source: String,
    pub score: f32,
    /// Whether the labeler was trained on it.
    pub selected: bool,
    /// Its most probable classes, best first, and the probability of each.
    pub classes: Vec<i64>,
    pub probabilities: Vec<f32>,
}

fn unzipped(scores: &[ClassScore]) -> (Vec<i64>, Vec<f32>) {
    scores.iter().map(|score| (i64::from(score.class), score.probability.get())).unzip()
}

impl From<&LabelledSample<'_>> for Row {
    fn from(sample: &LabelledSample<'_>) -> Self {
        let (classes, probabilities) = unzipped(sample.labels.entries());
        Self {
            id: sample.id.clone(),
            label: i64::from(sample.label),
            width: sample.width,
            height: sample.height,
            classes,
            probabilities,
            regions: sample.regions.iter().map(RegionRow::from).collect(),
        }
    }
}

impl From<&LabelledRegion> for RegionRow {
    fn from(region: &LabelledRegion) -> Self {
        let (classes, probabilities) = unzipped(&region.top);
        let bounds = region.mask.bounding_box();
        Self {
            counts: region.mask.counts(),
            bbox: bounds.map_or_else(|| vec![0; 4], |bounds| vec![bounds.x, bounds.y, bounds.width, bounds.height]),
            area: region.mask.area(),
            source: region.source.clone(),
            score: region.score,
            selected: region.selected,
            classes,
            probabilities,
        }
    }
}

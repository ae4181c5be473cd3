//! One row an image, for the exporters `jsonl` and `parquet`.

use convert_sdk::{ClassScore, LabelledRegion, LabelledSample, Serialize, serde};

/// An image with its labels and the regions that ground them.
#[derive(Serialize, serde::Deserialize)]
#[serde(crate = "serde")]
pub struct Row {
    /// The sample's id.
    pub id: String,
    /// Its single label, an index into the classes, and its name.
    pub label: i64,
    pub label_name: String,
    /// The image's size in pixels.
    pub width: u32,
    pub height: u32,
    /// The classes of the final labels, ascending, with the name and the probability of each.
    pub classes: Vec<i64>,
    pub class_names: Vec<String>,
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
    /// Its most probable classes, best first, with the name and the probability of each.
    pub classes: Vec<i64>,
    pub class_names: Vec<String>,
    pub probabilities: Vec<f32>,
}

impl Row {
    /// The row of a sample, with the names of its classes.
    pub fn of(sample: &LabelledSample<'_>, names: &[String]) -> Self {
        let Scores { classes, class_names, probabilities } = Scores::of(sample.labels.entries(), names);
        Self {
            id: sample.id.clone(),
            label: i64::from(sample.label),
            label_name: name(sample.label, names),
            width: sample.width,
            height: sample.height,
            classes,
            class_names,
            probabilities,
            regions: sample.regions.iter().map(|region| RegionRow::of(region, names)).collect(),
        }
    }
}

impl RegionRow {
    fn of(region: &LabelledRegion, names: &[String]) -> Self {
        let Scores { classes, class_names, probabilities } = Scores::of(&region.top, names);
        let bounds = region.mask.bounding_box();
        Self {
            counts: region.mask.counts(),
            bbox: bounds.map_or_else(|| vec![0; 4], |bounds| vec![bounds.x, bounds.y, bounds.width, bounds.height]),
            area: region.mask.area(),
            source: region.source.clone(),
            score: region.score,
            selected: region.selected,
            classes,
            class_names,
            probabilities,
        }
    }
}

/// Scores as columns.
struct Scores {
    classes: Vec<i64>,
    class_names: Vec<String>,
    probabilities: Vec<f32>,
}

impl Scores {
    fn of(scores: &[ClassScore], names: &[String]) -> Self {
        Self {
            classes: scores.iter().map(|score| i64::from(score.class)).collect(),
            class_names: scores.iter().map(|score| name(score.class, names)).collect(),
            probabilities: scores.iter().map(|score| score.probability.get()).collect(),
        }
    }
}

fn name(class: u32, names: &[String]) -> String {
    names.get(class as usize).cloned().unwrap_or_default()
}

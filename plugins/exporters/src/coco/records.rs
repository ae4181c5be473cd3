//! The objects of the file, in the order of their keys.

use convert_sdk::{ClassScore, Error, ExportRun, LabelledRegion, LabelledSample, Result, Serialize, serde};

use crate::coco_file::Segmentation;

/// A category's id: COCO counts from 1.
fn category_id(class: u32) -> u64 {
    u64::from(class) + 1
}

#[derive(Serialize)]
#[serde(crate = "serde")]
pub struct Info {
    description: String,
    version: String,
}

impl Info {
    /// No date: the same run gives the same bytes.
    pub fn of(run: &ExportRun) -> Self {
        Self { description: format!("masks and labels of {}", run.name), version: format!("convert {}", run.version) }
    }
}

#[derive(Serialize)]
#[serde(crate = "serde")]
pub struct Category<'a> {
    id: u64,
    name: &'a str,
    supercategory: &'a str,
}

impl<'a> Category<'a> {
    pub fn of(class: u32, name: &'a str) -> Self {
        Self { id: category_id(class), name, supercategory: "" }
    }
}

#[derive(Serialize)]
#[serde(crate = "serde")]
pub struct Score {
    category_id: u64,
    probability: f32,
}

impl From<&ClassScore> for Score {
    fn from(score: &ClassScore) -> Self {
        Self { category_id: category_id(score.class), probability: score.probability.get() }
    }
}

#[derive(Serialize)]
#[serde(crate = "serde")]
pub struct ImageRecord<'a> {
    id: u64,
    file_name: &'a str,
    width: u32,
    height: u32,
    category_id: u64,
    labels: Vec<Score>,
}

impl<'a> ImageRecord<'a> {
    pub fn of(id: u64, sample: &'a LabelledSample<'_>) -> Self {
        Self {
            id,
            file_name: &sample.id,
            width: sample.width,
            height: sample.height,
            category_id: category_id(sample.label),
            labels: sample.labels.entries().iter().map(Score::from).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(crate = "serde")]
pub struct Annotation<'a> {
    id: u64,
    image_id: u64,
    category_id: u64,
    pub score: f32,
    bbox: [u32; 4],
    area: u32,
    iscrowd: u8,
    segmentation: Segmentation,
    top5: Vec<Score>,
    source: &'a str,
    proposal_score: f32,
    selected: bool,
}

impl<'a> Annotation<'a> {
    pub fn of(id: u64, image_id: u64, region: &'a LabelledRegion) -> Result<Self> {
        let (Some(top), Some(bounds)) = (region.top.first(), region.mask.bounding_box()) else {
            return Err(Error::invalid(format!("a region of source {:?} has an empty mask or no class", region.source)));
        };
        Ok(Self {
            id,
            image_id,
            category_id: category_id(top.class),
            score: top.probability.get(),
            bbox: [bounds.x, bounds.y, bounds.width, bounds.height],
            area: region.mask.area(),
            iscrowd: 0,
            segmentation: Segmentation::from(&region.mask),
            top5: region.top.iter().map(Score::from).collect(),
            source: &region.source,
            proposal_score: region.score,
            selected: region.selected,
        })
    }
}

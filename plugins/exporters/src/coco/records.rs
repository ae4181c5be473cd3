//! The objects of the file, in the order of their keys.

use convert_sdk::{ClassScore, Error, ExportRun, LabelledRegion, LabelledSample, Result, Serialize, serde};

use crate::coco_file::Segmentation;

/// The categories' ids: those of the dataset's own file, else the classes' indices from 1 on.
#[derive(Clone, Debug)]
pub struct CategoryIds(Vec<u64>);

impl CategoryIds {
    pub fn of(run: &ExportRun) -> Self {
        Self(run.class_numbers.clone())
    }

    pub fn get(&self, class: u32) -> u64 {
        self.0.get(class as usize).copied().unwrap_or(u64::from(class) + 1)
    }

    fn scores<'s>(&self, scores: impl IntoIterator<Item = &'s ClassScore>) -> Vec<Score> {
        let score = |score: &ClassScore| Score { category_id: self.get(score.class), probability: score.probability.get() };
        scores.into_iter().map(score).collect()
    }
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
    pub fn of(id: u64, name: &'a str) -> Self {
        Self { id, name, supercategory: "" }
    }
}

#[derive(Serialize)]
#[serde(crate = "serde")]
pub struct Score {
    category_id: u64,
    probability: f32,
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
    pub fn of(id: u64, sample: &'a LabelledSample<'_>, categories: &CategoryIds) -> Self {
        Self {
            id,
            file_name: &sample.id,
            width: sample.width,
            height: sample.height,
            category_id: categories.get(sample.label),
            labels: categories.scores(sample.labels.entries()),
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
    pub fn of(id: u64, image_id: u64, region: &'a LabelledRegion, categories: &CategoryIds) -> Result<Self> {
        let (Some(top), Some(bounds)) = (region.top.first(), region.mask.bounding_box()) else {
            return Err(Error::invalid(format!("a region of source {:?} has an empty mask or no class", region.source)));
        };
        Ok(Self {
            id,
            image_id,
            category_id: categories.get(top.class),
            score: top.probability.get(),
            bbox: [bounds.x, bounds.y, bounds.width, bounds.height],
            area: region.mask.area(),
            iscrowd: 0,
            segmentation: Segmentation::from(&region.mask),
            top5: categories.scores(&region.top),
            source: &region.source,
            proposal_score: region.score,
            selected: region.selected,
        })
    }
}

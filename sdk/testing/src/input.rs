//! What stages before would have given: masks, regions, training samples, labelled samples.

use super::build::{CLASSES, given};
use super::images::images;
use convert_sdk::{
    BoundingBox, ClassScore, Image, LabelMap, LabelVector, LabelledRegion, LabelledSample, Mask, Probability, Proposal, Region, Result,
    TrainingRegion, TrainingSample, TrainingSet,
};

/// Masks of an image's size: everything, one pixel, a part.
pub fn masks(width: u32, height: u32) -> Vec<Mask> {
    let part = |x: u32, y: u32, w: u32, h: u32| BoundingBox { x, y, width: w.max(1), height: h.max(1) };
    let boxes = [
        part(0, 0, width, height),
        part(width / 2, height / 2, 1, 1),
        part(0, 0, width / 2, height),
        part(width / 3, height / 4, width / 2, height / 2),
    ];
    boxes.into_iter().map(|area| given("a mask", Mask::from_box(width, height, area))).collect()
}

pub fn proposals(width: u32, height: u32) -> Vec<Proposal> {
    let scored = masks(width, height).into_iter().zip([0.9, 0.1, 0.5, 0.5]);
    scored.map(|(mask, score)| given("a proposal", Proposal::new(mask, score)).with_measure("eigenvalue", 0.25)).collect()
}

pub fn regions(image: &Image<'_>) -> Vec<Region> {
    let region = |proposal: Proposal| Region { mask: proposal.mask, source: "masks".into(), score: proposal.score, measures: proposal.measures };
    proposals(image.width(), image.height()).into_iter().map(region).collect()
}

pub fn probability(value: f32) -> Probability {
    given("a probability", Probability::new(value))
}

/// All classes, best first, beginning with one of them.
pub fn scores(first: usize) -> Vec<ClassScore> {
    let of = |at: usize| ClassScore { class: ((first + at) % CLASSES.len()) as u32, probability: probability([0.6, 0.25, 0.1, 0.05][at]) };
    (0..CLASSES.len()).map(of).collect()
}

pub fn label_map() -> LabelMap {
    let (depth, side) = (2, 3);
    let classes: Vec<u32> = (0..depth).flat_map(|rank| (0..side * side).map(move |cell| ((rank + cell) % CLASSES.len()) as u32)).collect();
    let logits = classes.iter().enumerate().map(|(at, _)| 5.0 - at as f32 / 4.0).collect();
    given("a label map", LabelMap::new(depth, side, side, logits, classes))
}

pub fn labelled_regions(image: &Image<'_>) -> Vec<LabelledRegion> {
    let labelled = |(at, region): (usize, Region)| LabelledRegion {
        mask: region.mask,
        source: region.source,
        score: region.score,
        selected: at == 0,
        top: scores(at),
    };
    regions(image).into_iter().enumerate().map(labelled).collect()
}

pub fn labels() -> LabelVector {
    scores(1).into_iter().filter(|score| score.probability.get() > 0.2).collect::<Vec<_>>().into()
}

/// Every image as a labelled sample.
pub fn labelled_samples() -> Vec<LabelledSample<'static>> {
    let sample = |(at, (_, image)): (usize, (&str, Image<'static>))| LabelledSample {
        id: format!("{}/image {at}.png", CLASSES[at % CLASSES.len()]),
        number: None,
        label: (at % CLASSES.len()) as u32,
        width: image.width(),
        height: image.height(),
        labels: labels(),
        regions: if at == 0 { Vec::new() } else { labelled_regions(&image) },
        truth: None,
        image: image.into(),
    };
    images().into_iter().enumerate().map(sample).collect()
}

/// Images of one colour a class, several of each class.
pub struct Colours;

impl Colours {
    pub fn image(class: usize, copy: usize) -> Image<'static> {
        let (width, height) = (40 + copy as u32, 32);
        let colour = [[200, 30, 30], [90, 190, 60], [120, 40, 150], [40, 50, 160]][class].map(|channel: u8| channel.wrapping_add(copy as u8));
        given("an image", Image::new(width, height, colour.repeat((width * height) as usize)))
    }
}

impl TrainingSet for Colours {
    fn len(&self) -> usize {
        8 * CLASSES.len()
    }

    fn get(&self, index: usize) -> Result<TrainingSample<'_>> {
        let class = index % CLASSES.len();
        let image = Self::image(class, index / CLASSES.len());
        let mask = Mask::from_box(image.width(), image.height(), BoundingBox { x: 2, y: 3, width: 20, height: 25 })?;
        let regions = vec![TrainingRegion { mask: Some(mask), label: class as u32 }, TrainingRegion { mask: None, label: class as u32 }];
        Ok(TrainingSample { id: format!("{index:03}"), label: class as u32, image: image.into(), regions })
    }
}

use convert_sdk::{BoundingBox, ClassScore, Image, LabelVector, LabelledRegion, Mask, Probability, Statistics};
use serde_json::{Value, json};

use super::*;

pub(crate) fn run() -> ExportRun {
    ExportRun {
        name: "a \"test\"".into(),
        recipe: String::new(),
        version: "0.0.0".into(),
        plugins: Vec::new(),
        class_numbers: Vec::new(),
        stages: Vec::new(),
        samples: 0,
        statistics: Statistics { threshold: 0.5, images: 0, by_count: [0; 5], average: 0.0, skipped: 0 },
        curve: Vec::new(),
        held_out: None,
        skipped: Vec::new(),
        calibration: None,
        evaluation: None,
    }
}

fn score(class: u32, probability: f32) -> ClassScore {
    ClassScore { class, probability: Probability::new(probability).unwrap() }
}

/// Classes and their probabilities.
pub(crate) type Scores = [(u32, f32)];

/// The box and the most probable classes of a region.
type Boxed<'a> = ([u32; 4], &'a Scores);

/// A sample of 8x6 pixels.
pub(crate) fn sample(id: &str, label: u32, labels: &Scores, regions: &[Boxed<'_>]) -> LabelledSample<'static> {
    let scores = |scores: &Scores| scores.iter().map(|(class, p)| score(*class, *p)).collect::<Vec<_>>();
    LabelledSample {
        id: id.into(),
        number: None,
        label,
        width: 8,
        height: 6,
        labels: LabelVector::from(scores(labels)),
        regions: regions
            .iter()
            .map(|([x, y, width, height], top)| LabelledRegion {
                mask: Mask::from_box(8, 6, BoundingBox { x: *x, y: *y, width: *width, height: *height }).unwrap(),
                source: "cut".into(),
                score: 2.5,
                selected: true,
                top: scores(top),
            })
            .collect(),
        truth: None,
        image: Image::new(8, 6, vec![0; 144]).unwrap().into(),
    }
}

fn export(min_score: f32, classes: &[&str], samples: &[LabelledSample<'_>]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("annotations.json");
    let mut exporter = Coco::new(CocoConfig { min_score }, Context::for_tests(classes)).unwrap().begin(run(), &path).unwrap();
    for sample in samples {
        exporter.write(sample).unwrap();
    }
    exporter.finish().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left behind");
    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
}

#[test]
fn every_key_of_an_export_is_as_documented() {
    let samples = [
        sample("n01/a.jpg", 1, &[(0, 0.25), (1, 1.0)], &[([1, 1, 3, 2], &[(1, 0.75), (0, 0.25)]), ([0, 0, 8, 6], &[(0, 0.125)])]),
        sample("n02/b.jpg", 0, &[], &[]),
    ];
    assert_eq!(
        export(0.0, &["cat", "dog"], &samples),
        json!({
            "info": {"description": "masks and labels of a \"test\"", "version": "convert 0.0.0"},
            "licenses": [],
            "categories": [{"id": 1, "name": "cat", "supercategory": ""}, {"id": 2, "name": "dog", "supercategory": ""}],
            "images": [
                {"id": 1, "file_name": "n01/a.jpg", "width": 8, "height": 6, "category_id": 2,
                 "labels": [{"category_id": 1, "probability": 0.25}, {"category_id": 2, "probability": 1.0}]},
                {"id": 2, "file_name": "n02/b.jpg", "width": 8, "height": 6, "category_id": 1, "labels": []},
            ],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 2, "score": 0.75, "bbox": [1, 1, 3, 2], "area": 6, "iscrowd": 0,
                 "segmentation": {"size": [6, 8], "counts": samples[0].regions[0].mask.counts()},
                 "top5": [{"category_id": 2, "probability": 0.75}, {"category_id": 1, "probability": 0.25}],
                 "source": "cut", "proposal_score": 2.5, "selected": true},
                {"id": 2, "image_id": 1, "category_id": 1, "score": 0.125, "bbox": [0, 0, 8, 6], "area": 48, "iscrowd": 0,
                 "segmentation": {"size": [6, 8], "counts": samples[0].regions[1].mask.counts()},
                 "top5": [{"category_id": 1, "probability": 0.125}],
                 "source": "cut", "proposal_score": 2.5, "selected": true},
            ],
        })
    );
}

#[test]
fn ids_stay_dense_when_masks_are_left_out() {
    let regions: &[Boxed<'_>] = &[([0, 0, 2, 2], &[(0, 0.4)]), ([2, 2, 2, 2], &[(0, 0.5)]), ([4, 4, 2, 2], &[(0, 0.9)])];
    let file = export(0.5, &["cat"], &[sample("a", 0, &[], regions), sample("b", 0, &[], regions)]);
    let ids: Vec<_> = file["annotations"].as_array().unwrap().iter().map(|a| (a["id"].as_u64(), a["image_id"].as_u64())).collect();
    assert_eq!(ids, [(Some(1), Some(1)), (Some(2), Some(1)), (Some(3), Some(2)), (Some(4), Some(2))]);
}

#[test]
fn hostile_names_and_an_empty_dataset_give_valid_json() {
    let name = "\"},{\"id\":9\n\u{0}\u{2028}</script>\\";
    let file = export(0.0, &[name], &[sample(name, 0, &[], &[])]);
    assert_eq!((file["categories"][0]["name"].as_str(), file["images"][0]["file_name"].as_str()), (Some(name), Some(name)));
    let file = export(0.0, &[], &[]);
    assert_eq!((&file["images"], &file["annotations"]), (&json!([]), &json!([])));
}

#[test]
fn a_score_outside_0_to_1_is_refused_before_any_work() {
    let error = Coco::new(CocoConfig { min_score: 1.5 }, Context::for_tests(&[])).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "min_score is 1.5: give a probability from 0 to 1");
}

use super::*;
use convert_sdk::{Image, Mask};

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(coco: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("masks.json"), coco).unwrap();
        Self { folder }
    }

    fn open(&self, change: impl FnOnce(&mut CocoMasksConfig)) -> Result<CocoMasks> {
        let file = InputFile::from(self.folder.path().join("masks.json"));
        let mut config = CocoMasksConfig { file, crowds: false, missing: Missing::Skip, results: None, min_score: None };
        change(&mut config);
        CocoMasks::new(config, Context::for_tests(&["a", "b"]))
    }
}

fn propose(plugin: &CocoMasks, id: &str, width: u32, height: u32) -> Result<Vec<Proposal>> {
    let image = Image::new(width, height, vec![0; (width * height * 3) as usize]).unwrap();
    Ok(plugin.propose(&[SampleImage { id, image }])?.remove(0))
}

/// As CutLER writes it: images with width and height swapped, annotations with their own size. 5x4 pixels.
const CUTLER: &str = r#"{"info": {"year": 2023}, "licenses": [], "categories": [{"id": 1, "name": "fg", "supercategory": "fg"}],
 "images": [{"id": 1, "file_name": "n1/x.JPEG", "width": 4, "height": 5, "license": 1}, {"id": 2, "file_name": "n2/y.JPEG", "width": 4, "height": 5}],
 "annotations": [
  {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 6, "bbox": [1, 1, 3, 2], "segmentation": {"size": [4, 5], "counts": "5220003"}, "width": 5, "height": 4},
  {"id": 2, "image_id": 2, "category_id": 1, "iscrowd": 0, "segmentation": {"size": [4, 5], "counts": "0d0"}},
  {"id": 3, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": {"size": [4, 5], "counts": [5, 2, 2, 2, 2, 2, 5]}, "score": 0.25},
  {"id": 4, "image_id": 1, "category_id": 1, "iscrowd": 1, "segmentation": {"size": [4, 5], "counts": "0d0"}},
  {"id": 5, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": [[1, 1, 4, 1, 4, 3, 1, 3]], "score": 0.5}]}"#;

#[test]
fn it_keeps_the_rules_of_its_role() {
    let cases = convert_testing::images();
    let images = cases
        .iter()
        .zip(1..)
        .map(|((name, image), id)| format!(r#"{{"id": {id}, "file_name": "{name}", "width": {}, "height": {}}}"#, image.width(), image.height()));
    let annotations = cases.iter().zip(1..).map(|((_, image), id)| {
        format!(
            r#"{{"id": {id}, "image_id": {id}, "category_id": 1, "segmentation": {{"size": [{}, {}], "counts": [0, {}]}}}}"#,
            image.height(),
            image.width(),
            image.width() * image.height()
        )
    });
    let list = |items: Vec<String>| items.join(", ");
    let coco = format!(
        r#"{{"images": [{}], "annotations": [{}], "categories": [{{"id": 1, "name": "fg"}}]}}"#,
        list(images.collect()),
        list(annotations.collect())
    );
    let case = Case::new(&coco);
    convert_testing::proposer::<CocoMasks>(&format!(r#"{{"file": {:?}}}"#, case.folder.path().join("masks.json")));
}

#[test]
fn cutlers_swapped_sizes_are_noticed_and_every_form_of_mask_is_read() {
    let case = Case::new(CUTLER);
    let plugin = case.open(|_| ()).unwrap();
    assert_eq!(plugin.file.swapped, 2);
    let expected = Mask::from_counts(5, 4, "5220003").unwrap();
    let proposals = propose(&plugin, "n1/x.JPEG", 5, 4).unwrap();
    assert_eq!(proposals.iter().map(|p| (p.score, p.measures[0].value)).collect::<Vec<_>>(), [(1.0, 1.0), (0.25, 3.0), (0.5, 5.0)]);
    assert!(proposals.iter().all(|proposal| proposal.mask == expected && proposal.measures[0].name == "annotation"));
    assert_eq!(
        propose(&plugin, "elsewhere/y.png", 5, 4).unwrap(),
        [Proposal::new(Mask::full(5, 4).unwrap(), 1.0).unwrap().with_measure("annotation", 2.0)]
    );
    assert_eq!(propose(&case.open(|config| config.crowds = true).unwrap(), "n1/x.JPEG", 5, 4).unwrap().len(), 4);
    assert_eq!(propose(&case.open(|config| config.min_score = Some(0.5)).unwrap(), "n1/x.JPEG", 5, 4).unwrap().len(), 2);
}

#[test]
fn sizes_that_are_right_are_left_alone() {
    let case = Case::new(&CUTLER.replace(r#""width": 4, "height": 5"#, r#""width": 5, "height": 4"#));
    let plugin = case.open(|_| ()).unwrap();
    assert_eq!((plugin.file.swapped, plugin.file.image("n1/x.JPEG").unwrap().size), (0, Some((5, 4))));
}

#[test]
fn annotations_may_come_before_the_images() {
    let text =
        r#"{"annotations": [{"image_id": 7, "segmentation": {"size": [4, 5], "counts": "0d0"}}], "images": [{"id": 7, "file_name": "a.jpg"}]}"#;
    let plugin = Case::new(text).open(|_| ()).unwrap();
    assert_eq!(propose(&plugin, "a.jpg", 5, 4).unwrap().len(), 1);
}

#[test]
fn an_image_that_is_not_there_is_an_error_unless_asked_otherwise() {
    let case = Case::new(CUTLER);
    let error = propose(&case.open(|_| ()).unwrap(), "n9/z.JPEG", 5, 4).unwrap_err().to_string();
    assert!(error.starts_with("the image is not in the COCO file"), "{error}");
    assert!(propose(&case.open(|config| config.missing = Missing::Empty).unwrap(), "n9/z.JPEG", 5, 4).unwrap().is_empty());
}

#[test]
fn a_mask_that_lies_across_its_image_is_an_error() {
    let error = propose(&Case::new(CUTLER).open(|_| ()).unwrap(), "n1/x.JPEG", 4, 5).unwrap_err().to_string();
    assert_eq!(error, "annotation 1: its mask has 5x4 pixels, its image 4x5");
}

#[test]
fn region_results_give_score_and_class() {
    let case = Case::new(CUTLER);
    let file = case.folder.path().join("results.json");
    std::fs::write(
        &file,
        r#"{"1": {"prob": [0.75, 0.1], "label": [7, 3]}, "3": {"prob": [0.5], "label": [9]}, "5": {"prob": [0.25], "label": [1]}}"#,
    )
    .unwrap();
    let open = |file: &std::path::Path| case.open(|config| config.results = Some(file.to_path_buf().into()));
    let proposals = propose(&open(&file).unwrap(), "n1/x.JPEG", 5, 4).unwrap();
    let top = |p: &Proposal| (p.score, p.measures.iter().find(|measure| measure.name == "class").unwrap().value);
    assert_eq!(proposals.iter().map(top).collect::<Vec<_>>(), [(0.75, 7.0), (0.5, 9.0), (0.25, 1.0)]);
    let error = propose(&open(&file).unwrap(), "n2/y.JPEG", 5, 4).unwrap_err().to_string();
    assert_eq!(error, "the region results have no mask 2: are they those of these masks?");
    std::fs::write(&file, r#"{"1": {"prob": [1.75], "label": [7]}}"#).unwrap();
    assert!(open(&file).unwrap_err().to_string().contains("the mask 1"));
}

#[test]
fn files_that_are_none_are_named() {
    for (text, what) in [
        ("[]", "is not a COCO file with `images` and `annotations`"),
        ("{}", "is not a COCO file with `images` and `annotations`"),
        (r#"{"images": [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}], "annotations": []}"#, "two images are named `a`"),
        (r#"{"images": [{"id": 1}], "annotations": []}"#, "missing field `file_name`"),
        (r#"{"images": [], "annotations": [{"image_id": 1, "segmentation": {"size": [4, 5]}}]}"#, "missing field `counts`"),
    ] {
        let error = Case::new(text).open(|_| ()).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

use super::*;
use serde_json::{Value, json};

/// Three images: a cat and a dog, two small dogs with a larger cat and a crowd of cats, and nothing.
fn file() -> Value {
    json!({
        "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
        "images": [
            {"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}, {"id": 5, "file_name": "b.jpg", "width": 40, "height": 30},
            {"id": 9, "file_name": "sub/c.jpg", "width": 40, "height": 30},
        ],
        "annotations": [
            {"image_id": 1, "category_id": 18, "area": 50.0, "segmentation": [[0, 0, 10, 0, 10, 5, 0, 5]]},
            {"image_id": 5, "category_id": 18, "area": 30.0}, {"image_id": 5, "category_id": 17, "bbox": [0, 0, 4, 10]}, {"image_id": 5, "category_id": 18, "area": 30.0},
            {"image_id": 5, "category_id": 17, "area": 900.0, "iscrowd": 1},
        ],
    })
}

fn dataset(file: &Value, change: impl FnOnce(&mut CocoConfig)) -> Result<Coco> {
    opened(file, change).1
}

fn opened(file: &Value, change: impl FnOnce(&mut CocoConfig)) -> (tempfile::TempDir, Result<Coco>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    for name in ["a.jpg", "sub/c.jpg"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    let path = folder.path().join("coco.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let (label, incomplete) = (LabelRule::Only, Incomplete::Skip);
    let mut config = CocoConfig { file: path.into(), root: None, label, crowds: false, incomplete, truth: false };
    change(&mut config);
    let dataset = Coco::new(config, Context::for_tests(&[]));
    (folder, dataset)
}

fn labels(dataset: &Coco) -> Vec<(String, u32)> {
    dataset.samples().unwrap().into_iter().map(|sample| (sample.id, sample.label)).collect()
}

#[test]
fn it_keeps_the_rules_of_its_role() {
    let (folder, _) = opened(&file(), |_| ());
    std::fs::write(folder.path().join("b.jpg"), "b").unwrap();
    convert_testing::dataset::<Coco>(&format!(
        r#"{{"file": {:?}, "label": "largest-object", "incomplete": "skip", "truth": true}}"#,
        folder.path().join("coco.json")
    ));
}

#[test]
fn each_rule_finds_its_label() {
    let check = |rule: LabelRule, crowds: bool, expected: &[(&str, u32)]| {
        let dataset = dataset(&file(), |config| (config.label, config.crowds) = (rule, crowds)).unwrap();
        assert_eq!(dataset.classes(), ["cat", "dog"], "in the order of the ids");
        assert_eq!(labels(&dataset), expected.iter().map(|(id, label)| ((*id).to_owned(), *label)).collect::<Vec<_>>(), "{rule:?}");
    };
    // Dogs of 30 + 30, a cat of 4 x 10.
    check(LabelRule::LargestObject, false, &[("a.jpg", 1), ("b.jpg", 0)]);
    let mut all_dogs = file();
    all_dogs["images"][2]["category_id"] = json!(17);
    let (_folder, by_area) = opened(&all_dogs, |config| config.label = LabelRule::LargestArea);
    let by_area = by_area.unwrap();
    assert_eq!(labels(&by_area), [("a.jpg".into(), 1), ("b.jpg".into(), 1), ("sub/c.jpg".into(), 0)]);
    check(LabelRule::LargestArea, true, &[("a.jpg", 1), ("b.jpg", 0)]);
    let only = dataset(&all_dogs, |_| ()).unwrap();
    assert_eq!(labels(&only), [("a.jpg".into(), 1), ("sub/c.jpg".into(), 0)], "b.jpg shows two classes");
    // A second listing reads the file again.
    assert_eq!(by_area.samples().unwrap().iter().map(|sample| sample.revision == Sample::MISSING).collect::<Vec<_>>(), [false, true, false]);
}

#[test]
fn the_annotations_are_the_truth_when_asked_for() {
    let truth = |truth| dataset(&file(), |config| (config.label, config.truth) = (LabelRule::LargestObject, truth)).unwrap().truth("a.jpg").unwrap();
    let [object] = truth(true).unwrap().try_into().unwrap();
    assert_eq!((object.class, object.mask.map(|mask| (mask.width(), mask.height(), mask.area()))), (1, Some((40, 30, 50))));
    assert_eq!(truth(false), None);
}

#[test]
fn bad_files_are_named() {
    let check = |path: &str, value: Value, what: &str| {
        let mut file = file();
        let (parent, key) = path.rsplit_once('/').unwrap();
        file.pointer_mut(parent).unwrap()[key] = value;
        let error = dataset(&file, |config| (config.label, config.incomplete) = (LabelRule::LargestObject, Incomplete::Stop))
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(error.contains(what), "`{what}` is not in {error}");
    };
    check("/images", json!([]), "it lists no images");
    check("/images/1/id", json!(1), "two images have the id 1");
    check("/images/1/file_name", json!("a.jpg"), "two images are named \"a.jpg\"");
    check("/images/1/file_name", json!(3), "is not a COCO file, or a broken one: invalid type");
    check("/images/1/category_id", json!(3), "the image \"b.jpg\" is of the category 3, which the file does not list");
    check("/categories", json!([{"id": 17, "name": "cat"}]), "it has 1 categories");
    check("/categories/0/name", json!("cat"), "its categories 17 and 18 have the same name");
    check("/categories/0/id", json!(17), "two of its categories have the id 17");
    check("/annotations/1/image_id", json!(7), "annotation 2 is of the image 7");
    check("/annotations/1/category_id", json!(7), "annotation 2 is of the category 7");
    check("/annotations/1/area", Value::Null, "annotation 2 has no `area` and no `bbox`");
    check("/annotations/0/iscrowd", json!(1), "the image \"a.jpg\" of ");
    check("/annotations/0/area", json!(50.0), "the image \"sub/c.jpg\" of ");
    let error = dataset(&file(), |config| config.incomplete = Incomplete::Stop).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("has 2 categories (cat, dog), and so no label by `label: only`"), "{error}");
    let error = dataset(&file(), |_| ()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("one class only, \"dog\""), "{error}");
    let elsewhere = tempfile::tempdir().unwrap();
    let error = dataset(&file(), |config| (config.label, config.root) = (LabelRule::LargestObject, Some(elsewhere.path().to_path_buf().into())));
    assert!(error.map(|_| ()).unwrap_err().to_string().contains("check `root`"));
}

//! The same twelve photos as a COCO file, as tar shards and as Parquet (`plugins/datasets/tests/data/make.py`), run to labels through the plugin library.

use std::path::PathBuf;

use convert_tests::{Place, convert, repository, stderr, stdout};
use serde_json::Value;

fn data() -> PathBuf {
    repository().join("plugins/datasets/tests/data")
}

fn recipe(dataset: &str) -> String {
    format!(
        "version: 1
work_dir: work
shard_size: 5
dataset: {{ {dataset} }}
proposals:
  - plugin: maskcut
    config: {{ backbone: {{ family: patch-stats }}, input_size: 96, tau: 0.5, masks: 2 }}
refine: [ {{ plugin: fill-holes }} ]
select: {{ plugin: keep-largest }}
label: {{ plugin: mlp-head, config: {{ backbone: {{ family: patch-stats }}, input_size: 96, epochs: 4, hidden: 16 }} }}
export:
  - {{ plugin: multilabel-tsv, file: labels.tsv }}
  - {{ plugin: coco, file: annotations.json }}
"
    )
}

/// Runs a dataset to its labels, and gives what was said, each image's id with the name of its single label, and each image's masks.
fn run(dataset: &str) -> (String, Vec<(String, String)>, Vec<Vec<String>>) {
    let place = Place::new(&recipe(dataset));
    let check = convert().arg("check").arg(place.path("recipe.yaml")).output().expect("convert can be started");
    assert!(check.status.success() && stdout(&check).contains("12 samples, 2 classes"), "{}{}", stdout(&check), stderr(&check));
    let output = place.run(&["--strict"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(String::from_utf8(place.result("labels.tsv")).unwrap().lines().count(), 12);
    let file: Value = serde_json::from_slice(&place.result("annotations.json")).unwrap();
    let name = |id: &Value| {
        file["categories"].as_array().unwrap().iter().find(|category| category["id"] == *id).unwrap()["name"].as_str().unwrap().to_owned()
    };
    let images = file["images"].as_array().unwrap();
    let labels = images.iter().map(|image| (image["file_name"].as_str().unwrap().to_owned(), name(&image["category_id"]))).collect();
    let annotations = file["annotations"].as_array().unwrap();
    let masks_of = |image: &Value| {
        let own = annotations.iter().filter(|annotation| annotation["image_id"] == image["id"]);
        own.map(|annotation| annotation["segmentation"]["counts"].as_str().unwrap().to_owned()).collect()
    };
    (text, labels, images.iter().map(masks_of).collect())
}

#[test]
fn one_set_of_photos_gives_the_same_masks_and_labels_in_every_form() {
    let data = data();
    let data = data.display();
    let (said, coco, masks) = run(&format!("plugin: coco, file: {data}/coco/annotations.json, truth: true"));
    assert!(said.contains("per-image AP"), "the annotations are the truth:\n{said}");
    assert!(masks.iter().map(Vec::len).sum::<usize>() >= 12, "{masks:?}");
    let (_, shards, of_shards) =
        run(&format!("plugin: webdataset, root: {data}/webdataset, files: 'train-{{000..001}}.tar', classes: {data}/webdataset/classes.txt"));
    let (_, named, _) = run(&format!("plugin: webdataset, root: {data}/webdataset, label: json, json_key: name"));
    let (_, rows, of_rows) = run(&format!("plugin: parquet, root: {data}/parquet"));
    let (_, saved, of_saved) = run(&format!("plugin: parquet, root: {data}/saved"));
    let (_, paths, _) = run(&format!("plugin: parquet, root: {data}/parquet, id_column: image.path"));
    for (at, (id, class)) in coco.iter().enumerate() {
        let label = if at % 2 == 0 { "apple" } else { "pear" };
        assert_eq!((id.as_str(), class.as_str()), (format!("images/{at:02}.png").as_str(), label));
        let expected = [
            format!("train-{:03}/photos/{at:02}.png", at / 6),
            format!("train-{:05}-of-00002/{:08}", at / 6, at % 6),
            format!("data-{:05}-of-00002/{:08}", at / 6, at % 6),
            format!("{at:02}.png"),
        ];
        for ((set, id), what) in [&shards, &rows, &saved, &paths].into_iter().zip(&expected).zip(["webdataset", "parquet", "arrow", "image.path"]) {
            assert_eq!(set[at], (id.clone(), label.to_owned()), "{what}");
        }
        assert_eq!(named[at], shards[at], "classes found by name");
    }
    assert!(masks == of_shards && masks == of_rows && masks == of_saved, "the same bytes give the same masks");
}

#[test]
fn a_cut_shard_and_a_missing_column_stop_the_recipe_at_the_dataset() {
    let place = Place::new(&recipe("plugin: webdataset, root: shards, label: json, json_key: name"));
    std::fs::create_dir(place.path("shards")).unwrap();
    let whole = std::fs::read(data().join("webdataset/train-000.tar")).unwrap();
    std::fs::write(place.path("shards/train-000.tar"), &whole[..20_000]).unwrap();
    let output = place.run(&[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("error: recipe.yaml:4:20: dataset webdataset: the shard ") && text.contains("fetch it again"), "{text}");
    let place = Place::new(&recipe(&format!("plugin: parquet, root: {}/parquet, label_column: fine_label", data().display())));
    let text = stderr(&place.run(&[]));
    assert!(text.contains("has no column \"fine_label\": its columns are image, label"), "{text}");
}

#[test]
fn a_member_that_is_no_image_is_a_bad_sample_and_the_rest_is_labelled() {
    let place = Place::new(&recipe("plugin: webdataset, root: shards, label: json, json_key: name"));
    std::fs::create_dir(place.path("shards")).unwrap();
    let mut shard = std::fs::read(data().join("webdataset/train-000.tar")).unwrap();
    // The first image's bytes begin behind its header of 512 bytes.
    shard[512..1024].fill(0);
    std::fs::write(place.path("shards/train-000.tar"), &shard).unwrap();
    let output = place.run(&["--strict"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let ledger = String::from_utf8(place.result("errors.jsonl")).unwrap();
    assert!(ledger.lines().count() == 1 && ledger.contains("train-000/photos/00.png") && ledger.contains("not an image"), "{ledger}");
    assert_eq!(String::from_utf8(place.result("labels.tsv")).unwrap().lines().count(), 5);
}

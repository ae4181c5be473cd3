//! What people said of a run: believed by the exporters and tables, as figures, as a truth, and in the files of other tools.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use convert_tests::{Place, convert, repository, skipped, stderr, stdout};
use serde_json::{Value, json};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 4
dataset: { plugin: image-folder, root: data }
proposals:
  - { plugin: maskcut, config: { backbone: { family: patch-stats }, input_size: 96, tau: 0.95, masks: 2, split_components: true, early_stop: false } }
  - { plugin: grid, config: { cells: 2 } }
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 40, hidden: 32, batch_size: 8, learning_rate: 0.05, cache: true } }
export: [{ plugin: jsonl, file: labels.jsonl }, { plugin: multilabel-tsv, file: out/labels.tsv }]
";

const NAMES: [&str; 3] = ["black & white", "green", "red"];

fn finished() -> Place {
    let place = Place::new(RECIPE);
    place.write_images(&NAMES, 4);
    succeeded(&place.run(&[]));
    place
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

fn on_run(place: &Place, command: &[&str], more: &[&str]) -> Output {
    convert().args(command).arg("work").args(more).current_dir(place.path("")).output().unwrap()
}

fn rows(place: &Place, file: &str) -> BTreeMap<String, Value> {
    let text = String::from_utf8(place.result(file)).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect()
}

fn names(row: &Value) -> Vec<String> {
    serde_json::from_value(row["class_names"].clone()).unwrap()
}

/// The classes above 0.5.
fn above(row: &Value) -> Vec<String> {
    let probabilities = row["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap());
    names(row).into_iter().zip(probabilities).filter(|(_, p)| *p > 0.5).map(|(name, _)| name).collect()
}

/// A line of `reviews.jsonl` by hand.
fn event(number: u32, who: &str, sample: &str, rest: &Value) -> String {
    let mut line = json!({ "version": 1, "id": format!("{number:016x}"), "time": "2026-11-29T10:15:03.123Z", "who": who, "sample": sample });
    line.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    format!("{line}\n")
}

const FIRST: &str = "black & white/black & white-000.png";
const SECOND: &str = "green/green-001.png";
const THIRD: &str = "red/red-002.png";

/// The given label of the first image is wrong, one class is added with a mask, and its first region's mask is bad; the second image is as it is, by two people.
fn review(place: &Place, file: &str) -> Value {
    let before = rows(place, "labels.jsonl");
    let (width, height) = (before[FIRST]["width"].as_u64().unwrap(), before[FIRST]["height"].as_u64().unwrap());
    // The first ten pixels of the first column.
    let mask = convert_sdk::Mask::from_runs(width as u32, height as u32, &[0, 10, (width * height - 10) as u32]).unwrap();
    let drawn = json!({ "size": [height, width], "counts": mask.counts() });
    let second = above(&before[SECOND]);
    let lines = [
        event(1, "anna", FIRST, &json!({ "action": "reject", "class": "black & white", "queue": "random", "p": 1.0 })),
        event(2, "anna", FIRST, &json!({ "action": "add", "class": "red", "mask": drawn, "queue": "random" })),
        event(3, "anna", FIRST, &json!({ "action": "bad-mask", "region": 0 })),
        event(4, "anna", SECOND, &json!({ "action": "complete", "labels": second, "queue": "random" })),
        event(5, "bob", SECOND, &json!({ "action": "complete", "labels": second, "queue": "second", "blind": true })),
        event(6, "bob", THIRD, &json!({ "action": "reject", "class": "red" })),
        event(7, "bob", THIRD, &json!({ "action": "undo", "of": format!("{:016x}", 6) })),
        event(8, "anna", FIRST, &json!({ "action": "complete", "labels": ["red"], "queue": "random" })),
    ];
    fs::write(place.path(file), lines.concat()).unwrap();
    drawn
}

#[test]
fn a_recipe_believes_reviews_in_seconds_and_stores_nothing_of_them() {
    let place = finished();
    let before = rows(&place, "labels.jsonl");
    assert!(before[FIRST]["regions"].as_array().unwrap().len() > 1);
    let stages =
        || convert_tests::files_below(&place.path("work/stages")).into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect::<Vec<_>>();
    let stored = stages();
    let drawn = review(&place, "said.jsonl");
    let output = place.run(&["--set", "reviews=said.jsonl"]);
    succeeded(&output);
    let text = stderr(&output);
    let labels = above(&before[FIRST]);
    let red = labels.contains(&"red".to_owned());
    let changed = format!("the labels of 1 changed: {} added, {} taken out", u64::from(!red), labels.len() - usize::from(red));
    assert!(text.contains(&format!("reviews: 2 images, 2 of them finished; {changed}")), "{changed}:\n{text}");
    assert!(text.contains("1 masks left out, 1 drawn"), "{text}");
    for row in ["reviewed", "changed by review"] {
        assert!(text.lines().any(|line| line.contains(row)), "{row}:\n{text}");
    }
    assert!(!text.contains("training mlp-head"), "{text}");
    assert!(stages() == stored, "reviews change nothing that is stored");

    let after = rows(&place, "labels.jsonl");
    assert_eq!((names(&after[FIRST]), &after[FIRST]["probabilities"]), (vec!["red".to_owned()], &json!([1.0])));
    let (old, new) = (before[FIRST]["regions"].as_array().unwrap(), after[FIRST]["regions"].as_array().unwrap());
    assert_eq!(new.len(), old.len(), "one is left out, one is drawn");
    assert_eq!(new[..new.len() - 1], old[1..]);
    let added = &new[new.len() - 1];
    assert_eq!(
        (&added["counts"], &added["source"], &added["selected"], &added["classes"]),
        (&drawn["counts"], &json!("review"), &json!(false), &json!([2]))
    );
    assert_eq!(above(&after[SECOND]), above(&before[SECOND]));
    assert_eq!(after[THIRD], before[THIRD], "what was taken back says nothing");
    let run: Value = serde_json::from_slice(&place.result("run.json")).unwrap();
    let counts = &run["reviews"];
    assert_eq!([&counts["images"], &counts["complete"], &counts["changed"], &counts["elsewhere"]], [2, 2, 1, 0]);

    // Without a new word nothing is written again; with one the files are.
    let written = fs::metadata(place.path("work/labels.jsonl")).unwrap().modified().unwrap();
    succeeded(&place.run(&["--set", "reviews=said.jsonl"]));
    assert_eq!(fs::metadata(place.path("work/labels.jsonl")).unwrap().modified().unwrap(), written);
    let more = event(9, "anna", THIRD, &json!({ "action": "reject", "class": "red" }))
        + &event(10, "bob", "gone.png", &json!({ "action": "accept", "class": "unicorn" }));
    fs::write(place.path("said.jsonl"), fs::read_to_string(place.path("said.jsonl")).unwrap() + &more).unwrap();
    let output = place.run(&["--set", "reviews=said.jsonl"]);
    succeeded(&output);
    assert!(stderr(&output).contains("reviews without effect: 1 of classes that the run does not have (`unicorn`)"), "{}", stderr(&output));
    assert!(!names(&rows(&place, "labels.jsonl")[THIRD]).contains(&"red".to_owned()));
    // And without reviews they are as they were.
    succeeded(&place.run(&[]));
    assert_eq!(rows(&place, "labels.jsonl"), before);
}

#[test]
fn a_run_that_believes_its_own_reviews_can_be_moved() {
    let place = finished();
    review(&place, "work/reviews.jsonl");
    succeeded(&place.run(&["--set", "reviews=work/reviews.jsonl"]));
    fs::rename(place.path("work"), place.path("moved")).unwrap();
    let stats = convert().args(["review", "stats", "moved"]).current_dir(place.path("")).output().unwrap();
    assert!(succeeded(&stats).contains("precision"), "{}", stderr(&stats));
    succeeded(&convert().args(["export", "moved", "--output", "elsewhere"]).current_dir(place.path("")).output().unwrap());
    assert_eq!(fs::read(place.path("elsewhere/labels.jsonl")).unwrap(), fs::read(place.path("moved/labels.jsonl")).unwrap());
}

#[test]
fn reviews_that_cannot_be_used_are_refused_in_a_line() {
    let place = finished();
    let refused = |code: i32, expected: &str| {
        let output = place.run(&["--set", "reviews=said.jsonl"]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    };
    refused(2, "said.jsonl` does not exist");
    fs::write(place.path("said.jsonl"), event(1, "anna", FIRST, &json!({ "action": "like" }))).unwrap();
    refused(1, "said.jsonl, line 1 is no review: the action `like` is none of accept, reject");
    let output = on_run(&place, &["review", "stats"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("there are no reviews in") && stderr(&output).contains("work/reviews.jsonl"), "{}", stderr(&output));
    let taken = place.run(&["--set", "export.0.file=reviews.jsonl"]);
    assert!(stderr(&taken).contains("a name that the run itself uses"), "{}", stderr(&taken));
}

#[test]
fn a_finished_run_is_exported_again_beside_its_own_files() {
    let place = finished();
    let own = ["labels.jsonl", "out/labels.tsv", "run.json"].map(|file| place.result(file));
    review(&place, "work/reviews.jsonl");
    let text = succeeded(&on_run(&place, &["export"], &["--reviewed"]));
    assert!(text.contains("work/labels.reviewed.jsonl") && text.contains("work/out/labels.reviewed.tsv"), "{text}");
    assert!(text.contains("reviews: 2 images, 2 of them finished"), "{text}");
    assert_eq!(names(&rows(&place, "labels.reviewed.jsonl")[FIRST]), ["red"]);
    succeeded(&on_run(&place, &["export"], &["--reviewed", "--reviews", "work/reviews.jsonl", "--output", "elsewhere"]));
    assert_eq!(fs::read(place.path("elsewhere/labels.jsonl")).unwrap(), place.result("labels.reviewed.jsonl"));
    assert_eq!(fs::read(place.path("elsewhere/out/labels.tsv")).unwrap(), place.result("out/labels.reviewed.tsv"));
    assert_eq!(["labels.jsonl", "out/labels.tsv", "run.json"].map(|file| place.result(file)), own, "the run is as it was");

    // Without reviews: copies, or what is missing of the run's own.
    succeeded(&on_run(&place, &["export"], &["--output", "copies"]));
    assert_eq!(fs::read(place.path("copies/labels.jsonl")).unwrap(), own[0]);
    fs::remove_file(place.path("work/out/labels.tsv")).unwrap();
    succeeded(&on_run(&place, &["export"], &[]));
    assert_eq!(["labels.jsonl", "out/labels.tsv"].map(|file| place.result(file))[..], own[..2]);
    let output = on_run(&place, &["export"], &["--reviewed", "--output", "work"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("labels.jsonl is a file of the run itself"), "{}", stderr(&output));
}

#[test]
fn finished_images_are_a_truth() {
    let place = finished();
    review(&place, "work/reviews.jsonl");
    let evaluate = |truth: &str| {
        let arguments = ["evaluate", "labels", "--predictions", "work/out/labels.tsv", "--truth", truth];
        convert().args(arguments).current_dir(place.path("")).output().unwrap()
    };
    let text = succeeded(&evaluate("work/reviews.jsonl"));
    assert!(text.contains("truth: reviews, 2 images, 3 classes") && text.contains("2 images compared, 2 of them with true labels"), "{text}");
    fs::copy(place.path("work/reviews.jsonl"), place.path("alone.jsonl")).unwrap();
    let output = evaluate("alone.jsonl");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("put the run's classes.txt beside the reviews"), "{}", stderr(&output));
    // Where classes are known by their names, none is needed.
    let output = place.run(&["--set", "calibrate.truth=alone.jsonl"]);
    succeeded(&output);
    assert!(stderr(&output).contains("labels calibrated on 2 images"), "{}", stderr(&output));
    let pairs = convert().args(["pairs", "--truth", "alone.jsonl", "--min-count", "1"]).current_dir(place.path("")).output().unwrap();
    succeeded(&pairs);
}

#[test]
fn figures_come_from_the_images_that_came_up_at_random() {
    let place = finished();
    review(&place, "work/reviews.jsonl");
    let before = rows(&place, "labels.jsonl");
    let text = succeeded(&on_run(&place, &["review", "stats"], &["--json", "figures.json"]));
    assert!(text.contains("6 events of anna, bob on 2 images; 2 images are finished, 2 of them came up at random"), "{text}");
    let report: Value = serde_json::from_slice(&fs::read(place.path("figures.json")).unwrap()).unwrap();
    let all = &report["figures"]["quality"]["all"];
    // Of the first image nothing but red is right, whatever the run said; of the second everything.
    let (first, second) = (above(&before[FIRST]), above(&before[SECOND]));
    let right = second.len() + usize::from(first.contains(&"red".to_owned()));
    assert_eq!((&all["precision"]["right"], &all["precision"]["of"]), (&json!(right), &json!(first.len() + second.len())));
    assert_eq!((&all["recall"]["right"], &all["recall"]["of"]), (&json!(right), &json!(second.len() + 1)));
    assert_eq!((&report["reviewers"], &report["figures"]["random_images"]), (&json!(["anna", "bob"]), &json!(2)));
}

/// The classes and masks of the finished images, as far as a file of reviews says.
fn said(place: &Place, file: &str) -> Vec<Value> {
    let text = fs::read_to_string(place.path(file)).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kept =
        |event: &Value| json!([event["sample"], event["action"], event["class"], event["labels"], event["mask"], event["region"], event["queue"]]);
    let mut said: Vec<Value> = events.map(|event| kept(&event)).collect();
    said.sort_by_key(Value::to_string);
    said
}

#[test]
fn images_go_to_other_tools_and_come_back() {
    let place = finished();
    let drawn = review(&place, "work/reviews.jsonl");
    for (format, file) in [("label-studio", "tasks.json"), ("cvat", "datumaro.json")] {
        let text = succeeded(&on_run(&place, &["review", "export"], &["--format", format, "--output", file, "--random", "3"]));
        assert!(text.contains("2 finished images, 3 others"), "{text}");
        let output = format!("{format}.jsonl");
        let imported = ["work", file, "--reviews", &output, "--who", "carol"];
        let import = || convert().args(["review", "import"]).args(imported).current_dir(place.path("")).output().unwrap();
        let text = succeeded(&import());
        assert!(text.contains("3 events of 2 images; 0 were there already"), "{format}: {text}");
        let mut labels = above(&rows(&place, "labels.jsonl")[SECOND]);
        labels.sort();
        let mut expected = vec![
            json!([FIRST, "add", "red", null, drawn, null, "random"]),
            json!([FIRST, "complete", null, ["red"], null, null, "random"]),
            json!([SECOND, "complete", null, labels, null, null, "random"]),
        ];
        expected.sort_by_key(Value::to_string);
        assert_eq!(said(&place, &output), expected, "{format}");
        assert!(succeeded(&import()).contains("0 events of 0 images; 2 were there already"), "what is known is not taken over twice");
        assert_eq!(said(&place, &output).len(), 3);
        let text = fs::read_to_string(place.path(file)).unwrap().replace("\"red\"", "\"rot\"");
        fs::write(place.path("other.json"), text).unwrap();
        let output = on_run(&place, &["review", "import"], &["other.json", "--reviews", "none.jsonl"]);
        assert!(stderr(&output).contains("the class `rot` is not one of the run's"), "{}", stderr(&output));
        assert!(!place.path("none.jsonl").exists(), "all or nothing");
    }
    read_by_their_own(&place);
}

/// label-studio-sdk and Datumaro read what was written.
fn read_by_their_own(place: &Place) {
    let environment = std::process::Command::new(repository().join("tests/reader-environment.sh")).output().expect("bash can be started");
    if !environment.status.success() {
        return skipped("images_go_to_other_tools_and_come_back", stderr(&environment).trim());
    }
    let python = Path::new(stdout(&environment).trim()).join("bin/python");
    let script = repository().join("tests/data/read_reviews.py");
    let output = std::process::Command::new(python).arg(script).arg(place.path("")).output().expect("Python can be started");
    assert_eq!(succeeded(&output).trim(), "5 images");
}

#[test]
fn the_line_of_the_page_is_read() {
    let page = fs::read_to_string(repository().join("docs/reviews.md")).unwrap();
    let line = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a snippet");
    let place = finished();
    fs::write(place.path("work/reviews.jsonl"), line).unwrap();
    let text = succeeded(&on_run(&place, &["review", "stats"], &[]));
    assert!(text.contains("no finished image came up at random"), "{text}");
}

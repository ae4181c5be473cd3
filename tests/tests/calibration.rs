//! Labels calibrated on known truth, and thresholds chosen for a precision; on synthetic scenes, which know what they show.

use std::fs;

use convert_tests::{Place, convert, stderr, stdout};
use serde_json::Value;

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 16
dataset: { plugin: scenes, count: 60, size: 128 }
proposals: [{ plugin: grid, config: { cells: 3 } }]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 128, epochs: 20, hidden: 32, batch_size: 8, learning_rate: 0.05, cache: true } }
export:
  - { plugin: multilabel-tsv, file: labels.tsv }
  - { plugin: html-report, file: report.html }
";

fn succeed(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

fn json(place: &Place, file: &str) -> Value {
    serde_json::from_slice(&place.result(file)).unwrap()
}

/// Id, original class, and the labels besides it.
type Labelled = (String, u32, Vec<(u32, f32)>);

fn labels(place: &Place) -> Vec<Labelled> {
    let text = String::from_utf8(place.result("labels.tsv")).unwrap();
    let row = |line: &str| {
        let mut fields = line.split('\t');
        let (id, label) = (fields.next().unwrap().to_owned(), fields.next().unwrap().parse().unwrap());
        let classes = fields.next().unwrap().split(',').filter(|class| !class.is_empty()).map(|class| class.parse::<u32>().unwrap());
        let probabilities = fields.next().unwrap().split(',').filter(|number| !number.is_empty()).map(|number| number.parse::<f32>().unwrap());
        let others = classes.zip(probabilities).filter(|(class, _)| *class != label).collect();
        (id, label, others)
    };
    text.lines().map(row).collect()
}

fn calibrate(place: &Place, more: &[&str]) -> std::process::Output {
    convert().arg("calibrate").arg(place.path("work")).args(more).output().unwrap()
}

/// A file as somebody writes who looked at every third scene, and found the original label true and those whose probability is above 0.2.
fn reviews(place: &Place) -> std::path::PathBuf {
    succeed(place, &[]);
    let file = place.path("reviews.tsv");
    let row = |(id, label, others): Labelled| {
        let found = others.into_iter().filter(|(_, probability)| *probability > 0.2).map(|(class, _)| class);
        let mut classes: Vec<u32> = std::iter::once(label).chain(found).collect();
        classes.sort_unstable();
        let classes: Vec<String> = classes.iter().map(u32::to_string).collect();
        format!("{id}\t{label}\t{}\t{}\n", classes.join(","), vec!["1"; classes.len()].join(","))
    };
    fs::write(&file, labels(place).into_iter().step_by(3).map(row).collect::<String>()).unwrap();
    file
}

#[test]
fn a_target_leaves_the_labels_above_the_threshold_that_the_truth_gives() {
    let place = Place::new(RECIPE);
    succeed(&place, &[]);
    let before = labels(&place);
    let text = succeed(&place, &["--set", "calibrate.target.precision=0.25"]);
    assert!(!text.contains("training mlp-head") && text.contains("labels calibrated on 60 images"), "nothing but the labels changes:\n{text}");

    let run = json(&place, "run.json");
    let (calibration, evaluation) = (&run["calibration"], &run["evaluation"]);
    let chosen = &calibration["chosen"];
    let threshold = chosen["threshold"].as_f64().unwrap() as f32;
    assert_eq!((&calibration["images"], &run["statistics"]["threshold"]), (&60.into(), &chosen["threshold"]));
    assert!(chosen["expected_precision"].as_f64().unwrap() >= 0.25, "{chosen}");
    let after = labels(&place);
    let kept: usize = after.iter().map(|(_, _, others)| others.len()).sum();
    // The file has four decimals.
    assert!(after.iter().flat_map(|(_, _, others)| others).all(|(_, probability)| *probability >= threshold - 1e-4), "{threshold}");
    assert_eq!(chosen["labels"], kept);
    assert!(kept > 0 && kept < before.iter().map(|(_, _, others)| others.len()).sum(), "{kept} are kept");
    // What is measured is of calibrations that did not know the image, so that it agrees with the comparison at the end of the run.
    assert_eq!(chosen["precision"], evaluation["rows"][1]["added_precision"]);
    assert_eq!(chosen["recall"], evaluation["rows"][1]["added_recall"]);
    let report = String::from_utf8(place.result("report.html")).unwrap();
    assert!(report.contains("calibrated on 60 images"), "the report says nothing of it");

    // The command finds the same, and leaves the run alone.
    let (labels_before, figures) = (place.result("labels.tsv"), place.path("figures.json"));
    let output = calibrate(&place, &["--precision", "0.25,0.9", "--json", figures.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("calibrate: { target: { precision: "), "{}", stdout(&output));
    let figures: Value = serde_json::from_slice(&fs::read(figures).unwrap()).unwrap();
    assert_eq!((&figures["choices"][0], &figures["after"]), (chosen, &calibration["after"]));
    assert_eq!(place.result("labels.tsv"), labels_before);
}

#[test]
fn reviews_of_some_images_calibrate_all_and_a_changed_file_changes_the_labels() {
    let place = Place::new(RECIPE);
    let file = reviews(&place);
    let truth = format!("calibrate.truth={}", file.display());
    let text = succeed(&place, &["--set", &truth]);
    assert!(text.contains("labels calibrated on 20 images"), "{text}");
    let run = json(&place, "run.json");
    assert_eq!(run["calibration"]["chosen"], Value::Null);
    // All labels stay, the original one as it was, with other probabilities.
    let first = labels(&place);
    assert!(first.iter().all(|(_, _, others)| !others.is_empty()));
    let error = |when: &str| run["calibration"][when]["reliability"]["ece"].as_f64().unwrap();
    assert!(error("after") <= error("before"), "{} {}", error("before"), error("after"));

    let shorter: String = fs::read_to_string(&file).unwrap().lines().take(10).map(|line| format!("{line}\n")).collect();
    fs::write(&file, shorter).unwrap();
    let text = succeed(&place, &["--set", &truth]);
    assert!(text.contains("labels calibrated on 10 images"), "{text}");
    assert_ne!(labels(&place), first);
}

#[test]
fn hard_labels_are_those_above_the_threshold() {
    let place = Place::new(RECIPE);
    succeed(&place, &["--set", "aggregate.mode=hard"]);
    let output = calibrate(&place, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("has hard labels, which have no probabilities to calibrate"), "{}", stderr(&output));

    succeed(&place, &["--set", "aggregate.mode=hard", "--set", "calibrate.target.precision=0.25"]);
    let listed = labels(&place);
    assert!(listed.iter().flat_map(|(_, _, others)| others).all(|(_, probability)| *probability == 1.0));
    let added: usize = listed.iter().map(|(_, _, others)| others.len()).sum();
    assert_eq!(json(&place, "run.json")["calibration"]["chosen"]["labels"], added);
    assert!(added > 0);
}

#[test]
fn without_known_labels_their_own_probabilities_are_believed() {
    let place = Place::new(&RECIPE.replace("{ plugin: scenes, count: 60, size: 128 }", "{ plugin: image-folder, root: data }"));
    place.write_images(&["blue", "green", "red"], 6);
    let text = succeed(&place, &["--set", "calibrate.target.precision=0.9"]);
    assert!(text.contains("no true labels are known: the labels' own probabilities are believed"), "{text}");
    let run = json(&place, "run.json");
    assert_eq!((&run["calibration"]["images"], &run["calibration"]["before"]), (&0.into(), &Value::Null));
}

#[test]
fn a_file_of_other_images_or_classes_is_refused() {
    let place = Place::new(RECIPE);
    for (name, text, expected) in [
        ("others.tsv", "elsewhere.jpg\t0\t0\t1\n", "lists none of the dataset's images"),
        ("classes.tsv", "elsewhere.jpg\t0\t99\t1\n", "it has a class 99, but the dataset has"),
        (
            "coco.json",
            r#"{"images": [], "annotations": [], "categories": [{"id": 1, "name": "unicorn"}]}"#,
            "its category `unicorn` is not a class of the dataset",
        ),
    ] {
        fs::write(place.path(name), text).unwrap();
        let output = place.run(&["--set", &format!("calibrate.truth={}", place.path(name).display())]);
        assert!(!output.status.success() && stderr(&output).contains(expected), "{}", stderr(&output));
    }
    let output = place.run(&["--set", "calibrate.target.precision=90"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("must be at most 1, not 90"), "{}", stderr(&output));
}

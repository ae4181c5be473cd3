//! What a finished run says of its labels: held-out figures, the audit, and neighbours; on photos drawn in three colours, some in the wrong folder.

use std::fs;

use convert_tests::{Place, convert, stderr, stdout};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 16
dataset: { plugin: image-folder, root: data }
proposals: [{ plugin: grid, config: { cells: 1 } }]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 64, epochs: 40, hidden: 32, batch_size: 8, learning_rate: 0.05, folds: 4, cache: true } }
export:
  - { plugin: multilabel-tsv, file: labels.tsv }
  - { plugin: html-report, file: report.html }
";

/// A run on three classes, one photo of which lies in the folder of another, and one twice under two classes.
fn place() -> Place {
    let place = Place::new(RECIPE);
    place.write_images(&["blue", "green", "red"], 16);
    let images = place.path("data");
    fs::rename(images.join("red/red-003.png"), images.join("blue/astray.png")).unwrap();
    fs::copy(images.join("green/green-005.png"), images.join("red/twice.png")).unwrap();
    place
}

fn audit(place: &Place, more: &[&str]) -> std::process::Output {
    convert().arg("audit").arg(place.path("work")).args(more).output().unwrap()
}

#[test]
fn labels_that_nothing_supports_come_first_and_duplicates_with_two_labels_are_named() {
    let place = place();
    let output = place.run(&[]);
    let text = stderr(&output);
    assert!(output.status.success() && text.contains("held-out regions get the class that they were kept for"), "{text}");
    let run: serde_json::Value = serde_json::from_slice(&place.result("run.json")).unwrap();
    assert_eq!((&run["held_out"]["folds"], &run["held_out"]["regions"], &run["device"]), (&4.into(), &49.into(), &"cpu".into()));
    let report = String::from_utf8(place.result("report.html")).unwrap();
    assert!(report.contains("How far to trust the labels") && report.contains("held-out regions"), "the report says nothing of held-out regions");

    let output = audit(&place, &["--top", "3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer = stdout(&output);
    let wrong = answer.lines().find(|line| line.contains("blue/astray.png")).unwrap_or_else(|| panic!("{answer}"));
    assert!(wrong.contains("red"), "{wrong}");
    let twice =
        answer.lines().find(|line| line.contains("green/green-005.png") && line.contains("red/twice.png")).unwrap_or_else(|| panic!("{answer}"));
    assert!(twice.contains("1.0000"), "{twice}");
    let rows = String::from_utf8(place.result("audit.tsv")).unwrap();
    let first: Vec<&str> = rows.lines().skip(1).take(2).filter_map(|row| row.split('\t').next()).collect();
    assert_eq!((rows.lines().next(), rows.lines().count()), (Some("id\tlabel\tsupport\tseen\tprobability"), 50));
    assert!(first.contains(&"blue/astray.png") && first.contains(&"red/twice.png"), "{first:?}");

    // Elsewhere, with nothing left to compute, the answer is the same.
    fs::rename(place.path("work"), place.path("moved")).unwrap();
    let again = convert().arg("audit").arg(place.path("moved")).args(["--top", "3"]).output().unwrap();
    let lines = |text: &str| text.lines().filter(|line| !line.contains("audit.tsv")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&stdout(&again)), lines(&answer), "{}", stderr(&again));
    assert!(!stderr(&again).contains("training"), "{}", stderr(&again));
}

#[test]
fn neighbours_of_a_run_are_printed_and_written() {
    let place = place();
    assert!(place.run(&[]).status.success());
    let (json, vectors) = (place.path("neighbours.json"), place.path("vectors.safetensors"));
    let mut command = convert();
    command.args(["evaluate", "neighbours"]).arg(place.path("work")).args(["--k", "3", "--json"]).arg(&json).arg("--vectors").arg(&vectors);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let figures: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!((&figures["images"]["vectors"], &figures["regions"]["vectors"]), (&49.into(), &49.into()));
    // The only region of a photo is the whole of it.
    assert_eq!(figures["images"]["entropy"], figures["regions"]["entropy"]);
    assert!(figures["images"]["same_class"].as_f64().unwrap() > 0.8, "{figures}");
    assert!(stdout(&output).contains("regions trained on"), "{}", stdout(&output));

    let bytes = fs::read(vectors).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (images, regions, labels) = (file.tensor("images").unwrap(), file.tensor("regions").unwrap(), file.tensor("image_labels").unwrap());
    assert_eq!((images.shape()[0], labels.shape(), images.data()), (49, &[49][..], regions.data()));
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let ids: Vec<String> = serde_json::from_str(&header.metadata().as_ref().unwrap()["ids"]).unwrap();
    assert_eq!((ids.len(), ids[0].as_str()), (49, "blue/astray.png"));
}

#[test]
fn what_is_no_finished_run_is_refused_with_what_to_do() {
    let place = place();
    let refused = |output: std::process::Output, expected: &str| {
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    };
    refused(audit(&place, &[]), "holds no finished run, there is no run.json in it");
    assert!(place.run(&["--set", "label.config.folds=1"]).status.success());
    let output = audit(&place, &[]);
    assert!(!output.status.success() && stderr(&output).contains("set `label.config.folds: 5` and run the recipe again"), "{}", stderr(&output));
    let file = convert().arg("audit").arg(place.path("work/run.json")).output().unwrap();
    refused(file, "is a file: name the work directory of a finished run");
}

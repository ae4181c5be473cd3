//! `convert evaluate proposals` against pycocotools, and on what is not a COCO file.

use std::path::{Path, PathBuf};

use convert_tests::{convert, repository, stderr, stdout};
use serde_json::Value;

fn data(name: &str) -> PathBuf {
    repository().join("tests/tests/data/proposals").join(name)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).expect("JSON")
}

fn evaluate(predictions: &Path, truth: &Path, json: &Path) -> std::process::Output {
    let mut command = convert();
    command.args(["evaluate", "proposals", "--predictions"]).arg(predictions).arg("--truth").arg(truth).arg("--json").arg(json);
    command.output().expect("convert can be started")
}

#[test]
fn the_figures_are_pycocotools() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("scores.json");
    let output = evaluate(&data("predictions.json"), &data("truth.json"), &json);
    assert!(output.status.success(), "{}", stderr(&output));
    let (scores, expected) = (read(&json), read(&data("expected.json")));
    assert_eq!((&scores["objects"], &scores["images"]), (&expected["objects"], &expected["images"]));
    for kind in ["boxes", "masks"] {
        for (name, value) in expected[kind].as_object().expect("figures by name") {
            let ours = scores[kind][name].as_f64().unwrap_or_else(|| panic!("{kind}.{name} in {scores}"));
            assert!((ours - value.as_f64().expect("a number")).abs() < 1e-9, "{kind}.{name}: {ours} instead of {value}");
        }
    }
    assert!(stdout(&output).contains("recall, IoU"), "{}", stdout(&output));
}

#[test]
fn what_is_no_coco_file_is_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nonsense = folder.path().join("nonsense.json");
    std::fs::write(&nonsense, "nonsense").expect("a file");
    for (predictions, truth) in [(nonsense.as_path(), data("truth.json")), (&folder.path().join("missing.json"), data("truth.json"))] {
        let output = evaluate(predictions, &truth, &folder.path().join("scores.json"));
        assert_eq!((output.status.code(), stderr(&output).trim().lines().count()), (Some(2), 1), "{}", stderr(&output));
        assert!(stderr(&output).contains(&predictions.display().to_string()), "{}", stderr(&output));
    }
}

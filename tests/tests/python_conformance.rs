//! `convert_sdk.testing`: its checks can fail, and what the repository gives away as templates and examples passes them.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use convert_tests::{Place, convert, python, python_of_examples, repository, stderr, stdout};

/// `python -m convert_sdk.testing`, as from the wheel.
fn testing(python: impl AsRef<OsStr>, folder: &Path, entry: &str, config: &str) -> Output {
    let mut command = Command::new(python);
    command.args(["-m", "convert_sdk.testing", entry, "--config", config]).current_dir(folder);
    command.env("PYTHONPATH", repository().join("sdk/python/src")).output().expect("Python can be started")
}

/// A class passes every check, of which there are more than that it can be built.
fn passes(python: impl AsRef<OsStr>, folder: &Path, entry: &str, config: &str) {
    let output = testing(python, folder, entry, config);
    let text = stdout(&output);
    assert!(output.status.success() && text.lines().count() >= 5, "{entry}: {text}{}", stderr(&output));
}

#[test]
fn each_check_can_fail() {
    let file = repository().join("sdk/python/tests/test_testing.py");
    let output = Command::new(python()).arg(file).env("PYTHONPATH", repository().join("sdk/python/src")).output().expect("Python can be started");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_types_of_configs_are_read_and_described_alike() {
    let file = repository().join("sdk/python/tests/test_config.py");
    let output = Command::new(python()).arg(file).env("PYTHONPATH", repository().join("sdk/python/src")).output().expect("Python can be started");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn pydantic_models_are_read_and_described() {
    let Some(python) = python_of_examples("pydantic_models_are_read_and_described") else { return };
    let file = repository().join("sdk/python/tests/test_pydantic.py");
    let output = Command::new(python).arg(file).env("PYTHONPATH", repository().join("sdk/python/src")).output().expect("Python can be started");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn every_template_passes() {
    let place = Place::new("");
    place.write_images(&["apple", "pear"], 2);
    for class in ["apple", "pear"] {
        std::fs::copy(place.path(&format!("data/{class}/{class}-000.png")), place.path(&format!("data/{class}-0.png"))).unwrap();
    }
    for role in ["dataset", "proposer", "refiner", "selector", "labeler", "postprocessor", "exporter", "extractor"] {
        let made = convert().args(["plugins", "new", role, "mine", "--language", "python", "--dir"]).arg(place.path(role)).output().unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        let class = format!("mine.py:Mine{}{}", role[..1].to_uppercase(), &role[1..]);
        passes(python(), &place.path(role), &class, if role == "dataset" { r#"{"folder": "../data"}"# } else { "{}" });
        assert!(stdout(&made).contains("python -m convert_sdk.testing"), "{}", stdout(&made));
    }
}

#[test]
fn every_example_passes() {
    let Some(python) = python_of_examples("every_example_passes") else { return };
    let place = Place::new("");
    place.write_images(&["apple", "pear"], 2);
    let run = |arguments: &[&OsStr], folder: &Path| assert!(Command::new(&python).args(arguments).current_dir(folder).status().unwrap().success());
    run(&["-m", "zipfile", "-c", "../photos.zip", "apple", "pear"].map(OsStr::new), &place.path("data"));
    run(&[repository().join("tests/tests/python/tiny_sam.py").as_os_str(), OsStr::new("make"), OsStr::new("model")], &place.path(""));
    let examples = repository().join("docs/examples/python");
    let mut configs = vec![
        ("dataset_zip.py:ZipFolders", r#"{"file": "photos.zip"}"#),
        ("sklearn_labeler.py:Logistic", "{}"),
        ("pascal_voc.py:PascalVoc", r#"{"threshold": 0.3}"#),
        ("slic.py:Slic", r#"{"superpixels": 20}"#),
        ("sam.py:Sam", r#"{"model": "model", "points_per_side": 3, "pred_iou_thresh": -100, "stability_score_thresh": 0}"#),
    ];
    for (entry, config) in &configs {
        passes(&python, &place.path(""), &format!("{}/{entry}", examples.display()), config);
    }
    configs.retain(|(entry, _)| !examples.join(entry.split(':').next().unwrap_or_default()).is_file());
    let count = std::fs::read_dir(&examples).unwrap().flatten().filter(|file| file.path().extension() == Some(OsStr::new("py"))).count();
    assert!(configs.is_empty() && count == 5, "an example is not tried: {count}");
}

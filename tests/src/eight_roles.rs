//! Plugins of all roles, as `convert plugins new` writes them, in one run.

use convert_formats::tensors::TensorFile;

use crate::{Place, convert, stderr};

/// The roles.
pub const ROLES: [&str; 8] = ["dataset", "proposer", "refiner", "selector", "labeler", "postprocessor", "exporter", "extractor"];

/// A run whose every step is one of the plugins `my-ROLE` in a folder, and `convert features` with the extractor.
///
/// # Panics
/// When one of them does not do its part.
pub fn run_with_all(plugins: &str) {
    let place = Place::new(
        "version: 1
work_dir: work
dataset: { plugin: my-dataset, folder: data, separator: '-' }
proposals: [ { plugin: my-proposer, config: { cells: 3 } } ]
refine: [ { plugin: my-refiner } ]
select: { plugin: my-selector }
label: { plugin: my-labeler }
postprocess: [ { plugin: my-postprocessor, config: { classes: 2 } } ]
export: [ { plugin: my-exporter, file: classes.csv } ]
",
    );
    place.write_images(&["apple", "pear"], 4);
    for class in ["apple", "pear"] {
        for file in std::fs::read_dir(place.path("data").join(class)).unwrap().flatten() {
            std::fs::rename(file.path(), place.path("data").join(file.file_name())).unwrap();
        }
    }
    let output = place.run(&["--plugin-dir", plugins, "--strict"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table = String::from_utf8(place.result("classes.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), rows[0].as_slice()), (9, &["id", "label", "classes"][..]), "{table}");
    for row in &rows[1..] {
        assert!(row[0].starts_with(row[1]) && row[2].split(';').any(|class| class == row[1]), "an image keeps its own label: {row:?}");
    }
    let image = std::fs::read_dir(place.path("data")).unwrap().flatten().next().expect("an image").path();
    let features = place.path("features.safetensors");
    let mut command = convert();
    command.args(["features", "--plugin-dir", plugins, "--backbone", r#"{"plugin": "my-extractor", "cells": 3}"#, "--image"]).arg(image);
    let output = command.arg("--output").arg(&features).output().expect("convert can be started");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let written = TensorFile::open(&features).expect("tensors");
    assert_eq!(written.entries().len(), 1, "the features of one image");
}

//! Bad recipes stop before any work, with file, line, column, and what was probably meant.

use convert_tests::{Place, convert, stderr};

const GOOD: &str = "version: 1
work_dir: work
dataset: { plugin: image-folder, root: data }
proposals:
  - plugin: grid
    config: { cells: 2 }
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 2 } }
export:
  - { plugin: multilabel-tsv, file: labels.tsv }
";

/// Runs the good recipe with one text replaced; the run must stop with exit code 2, say `expected`, and leave nothing behind.
fn check(replace: (&str, &str), expected: &str) {
    let place = Place::new(&GOOD.replacen(replace.0, replace.1, 1));
    place.write_images(&["apple", "pear"], 2);
    refused(&place, expected);
}

fn refused(place: &Place, expected: &str) {
    let output = place.run(&[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(expected), "`{expected}` is not in:\n{text}");
    assert!(!place.path("work").join("stages").exists(), "no work was begun");
}

#[test]
fn the_recipe_that_the_others_are_made_from_runs() {
    let place = Place::new(GOOD);
    place.write_images(&["apple", "pear"], 2);
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(String::from_utf8(place.result("labels.tsv")).unwrap().lines().count(), 4);
}

#[test]
fn a_missing_folder() {
    check(("root: data", "root: dota"), "recipe.yaml:3:40: `root` of dataset image-folder: the folder `");
}

#[test]
fn a_folder_without_images() {
    let place = Place::new(GOOD);
    std::fs::create_dir_all(place.path("data/apple")).unwrap();
    std::fs::create_dir_all(place.path("data/pear")).unwrap();
    refused(&place, "recipe.yaml:3:20: dataset image-folder:");
}

#[test]
fn one_class_only() {
    let place = Place::new(GOOD);
    place.write_images(&["apple"], 3);
    refused(&place, "error: recipe.yaml:3:20: dataset image-folder:");
    refused(&place, "has images of one class only, \"apple\"");
}

#[test]
fn an_unknown_plugin_with_the_nearest_name() {
    check(("plugin: grid", "plugin: gird"), "recipe.yaml:5:13: unknown proposer `gird`; did you mean `grid`?");
}

#[test]
fn a_plugin_of_another_role() {
    check(("plugin: grid", "plugin: coco"), "recipe.yaml:5:13: `coco` is a dataset and an exporter, not a proposer");
}

#[test]
fn a_key_in_the_wrong_place() {
    check(("    config: { cells: 2 }", "    cells: 2"), "recipe.yaml:6:5: `cells` is a key of the plugin grid: put it under `config:`");
}

#[test]
fn an_unknown_key_with_the_nearest_one() {
    check(("cells: 2", "cels: 2"), "recipe.yaml:6:15: unknown key `cels` in the config of grid; did you mean `cells`?");
    check(("select:", "selct:"), "recipe.yaml:7:1: unknown key `selct` in the recipe; did you mean `select`");
}

#[test]
fn an_error_shows_its_place_in_the_recipe_and_nothing_else() {
    let place = Place::new(&GOOD.replacen("cells: 2", "cels: 2", 1));
    place.write_images(&["apple", "pear"], 2);
    insta::assert_snapshot!(stderr(&place.run(&[])), @"
    error: recipe.yaml:6:15: unknown key `cels` in the config of grid; did you mean `cells`?
    6 |     config: { cels: 2 }
      |               ^^^^
    ");
}

#[test]
fn a_value_of_the_wrong_kind_or_size() {
    check(("cells: 2", "cells: two"), "recipe.yaml:6:22: `cells` of the config of grid must be an integer, not a text (`two`)");
    check(("cells: 2", "cells: 0"), "recipe.yaml:6:22: `cells` of the config of grid must be at least 1, not 0");
    check(("version: 1", "version: 2"), "recipe.yaml:1:10: `version` of the recipe must be at most 1, not 2");
}

#[test]
fn a_variable_that_is_not_set() {
    check(("root: data", "root: \"${NO_SUCH_VARIABLE}\""), "recipe.yaml:3:40: the environment variable NO_SUCH_VARIABLE is not set");
}

/// As a failed `$(ls …)` after `--set label.checkpoint=` leaves it: the run would train on the images that it was to judge.
#[test]
fn an_empty_checkpoint_is_no_wish_to_train() {
    let expected = "`checkpoint` of the labeler is empty: name a file, or leave the key out to train";
    check(("plugin: mlp-head, config", "plugin: mlp-head, checkpoint: null, config"), expected);
    check(
        ("plugin: mlp-head, config", "plugin: mlp-head, checkpoint: \"${NO_SUCH_CHECKPOINT:-}\", config"),
        "`label.checkpoint` of the recipe is empty: name a file",
    );
    let place = Place::new(GOOD);
    place.write_images(&["apple", "pear"], 2);
    let output = place.run(&["--set", "label.checkpoint="]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    assert!(!place.path("work").join("stages").exists(), "nothing was trained");
}

#[test]
fn text_that_is_no_yaml() {
    check(("{ cells: 2 }", "{ cells: 2"), "recipe.yaml:");
}

#[test]
fn two_configurations_of_one_name() {
    check(("    config: { cells: 2 }\n", "  - plugin: grid\n"), "two proposal configurations are named `grid`");
}

#[test]
fn a_set_that_leads_nowhere() {
    let place = Place::new(GOOD);
    place.write_images(&["apple", "pear"], 2);
    let output = place.run(&["--set", "proposals.3.config.cells=2"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--set `3` in `proposals.3.config.cells` is neither an index below 1"), "{}", stderr(&output));
}

#[test]
fn what_no_command_understands() {
    let output = convert_tests::convert().args(["--recipe"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let output = convert_tests::convert().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no recipe given"));
}

/// What was typed into the shell is relative to its folder, what stands in the recipe to the recipe's, `--set` and variables included.
#[test]
fn relative_paths_are_relative_to_where_they_were_written() {
    let place = Place::new(&GOOD.replacen("root: data", "root: \"${PHOTOS:-data}\"", 1).replacen("work_dir: work", "work_dir: \"${RUN:-work}\"", 1));
    place.write_images(&["apple", "pear"], 2);
    let shell = place.path("shell");
    std::fs::create_dir(&shell).unwrap();
    std::fs::rename(place.path("data"), place.path("shell/photos")).unwrap();
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = convert();
        command
            .args(["--recipe", "../recipe.yaml"])
            .args(arguments)
            .current_dir(&shell)
            .env_remove("PHOTOS")
            .env_remove("RUN")
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    };
    let refused = |variables: &[(&str, &str)], arguments: &[&str], expected: String| {
        let output = run(variables, arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(&expected), "{expected} is not in {}", stderr(&output));
    };
    let missing = |path: &str, written: &str| format!("the folder `{}` does not exist (`{written}", place.path(path).display());
    refused(&[], &[], missing("data", "data` in the recipe's folder)"));
    refused(&[("PHOTOS", "data")], &[], missing("shell/data", "data` in the current folder)"));
    refused(&[], &["--set", "dataset.root=../data"], missing("data", "../data` in the current folder)"));
    refused(&[], &["--set", "dataset={plugin: image-folder, root: data}"], missing("shell/data", "data` in the current folder)"));

    for (variables, arguments, work) in [
        (&[("PHOTOS", "photos"), ("RUN", "runs/one")][..], &[][..], "shell/runs/one"),
        (&[("PHOTOS", "photos")], &[], "work"),
        (&[], &["--set", "dataset.root=photos", "--set", "work_dir=runs/two"], "shell/runs/two"),
        (&[("PHOTOS", "photos")], &["--work-dir", "runs/three"], "shell/runs/three"),
    ] {
        let output = run(variables, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(place.path(work).join("labels.tsv").is_file(), "{work}: {}", stderr(&output));
    }
}

/// A run without proposals blames them, not the selection.
#[test]
fn a_run_without_any_region_blames_the_proposals() {
    let dropped = "config: { cells: 2 }\nrefine: [ { plugin: drop-small, config: { min_area: 0.9 } } ]";
    let place = Place::new(&GOOD.replacen("config: { cells: 2 }", dropped, 1));
    place.write_images(&["apple", "pear"], 2);
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let expected = "WARN select-keep-largest: the proposals found no region in 4 images, or the refiners dropped them all";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    let expected =
        "error: train-mlp-head: there is no region to train on: no image has a region: the proposals found none, or the refiners dropped them all";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}

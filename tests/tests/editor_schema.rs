//! `convert check --schema`: what an editor is told of recipes. Another implementation of JSON schema judges the recipes of the repository by it, and wrong ones.

use std::process::Command;

use convert_tests::{convert, python, repository, stderr};
use serde_json::{Value, json};

/// The schema, and the `jsonschema` of Python to judge by it.
struct Validator(tempfile::TempDir);

impl Validator {
    fn new() -> Self {
        let output = convert().args(["check", "--schema"]).output().expect("convert can be started");
        assert!(output.status.success(), "{}", stderr(&output));
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("schema.json"), output.stdout).expect("the schema can be written");
        Self(folder)
    }

    /// For each recipe the places that are wrong, with what is wrong.
    fn wrong(&self, recipes: &[String]) -> Vec<Vec<String>> {
        let recipes: Vec<Value> = recipes.iter().map(|recipe| serde_yaml::from_str(recipe).expect("YAML")).collect();
        std::fs::write(self.0.path().join("recipes.json"), json!(recipes).to_string()).expect("the recipes can be written");
        let script = repository().join("tests/tests/python/judge_recipes.py");
        let output = Command::new(python()).arg(script).current_dir(self.0.path()).output().expect("Python can be started");
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).expect("a list for each recipe")
    }
}

#[test]
fn every_recipe_of_the_repository_fits() {
    let folders = ["recipes", "tests/recipes"].map(|folder| std::fs::read_dir(repository().join(folder)).unwrap().flatten());
    let files: Vec<_> =
        folders.into_iter().flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    let recipes: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    assert!(recipes.len() >= 9, "only {} recipes were read", recipes.len());
    for (file, found) in files.iter().zip(Validator::new().wrong(&recipes)) {
        assert!(found.is_empty(), "{}: {found:#?}", file.display());
    }
}

const GOOD: &str = "version: 1
dataset: { plugin: image-folder, root: data }
proposals:
  - plugin: grid
    config: { cells: 2 }
  - { name: own, plugin: python, config: { entry: 'a.py:A', config: { any: thing } } }
refine: [{ plugin: drop-small }]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, epochs: 2 } }
export: [{ plugin: multilabel-tsv, file: labels.tsv }]
";

/// The good recipe with one text replaced.
fn changed((from, to): (&str, &str)) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

#[test]
fn a_wrong_recipe_does_not_fit_and_the_place_is_told() {
    let cases = [
        ("version: 1", "version: 2", "/version: "),
        ("plugin: grid", "plugin: gird", "/proposals/0/plugin: "),
        ("cells: 2", "cels: 2", "/proposals/0/config: "),
        ("cells: 2", "cells: two", "/proposals/0/config/cells: "),
        ("cells: 2", "cells: 0", "/proposals/0/config/cells: "),
        ("entry: 'a.py:A', ", "", "/proposals/1/config: "),
        ("root: data", "roots: data", "/dataset: "),
        ("plugin: keep-largest", "plugin: grid", "/select/plugin: "),
        ("family: patch-stats", "family: patches", "/label/config/backbone"),
        ("[{ plugin: drop-small }]", "[{ plugin: drop-small, config: { min_area: big } }]", "/refine/0/config/min_area: "),
        ("plugin: grid\n    config: { cells: 2 }", "plugin: coco-masks", "/proposals/0: "),
        ("config: { cells: 2 }", "config: '${CONFIG}'", "/proposals/0/config: "),
        ("export:", "exports:", ": "),
    ];
    let recipes: Vec<String> = cases.iter().map(|(from, to, _)| changed((from, to))).collect();
    for ((from, to, place), found) in cases.iter().zip(Validator::new().wrong(&recipes)) {
        assert!(!found.is_empty() && found.iter().all(|problem| problem.starts_with(place)), "{to} for {from} at {place}: {found:#?}");
    }
}

#[test]
fn a_variable_may_stand_for_any_value_that_is_no_list_or_mapping() {
    let with_variables = [("cells: 2", "cells: '${CELLS:-2}'"), ("patch-stats", "'${FAMILY}'"), ("plugin: grid", "plugin: '${PLUGIN}'")];
    let recipes: Vec<String> = [("", "")].into_iter().chain(with_variables).map(changed).collect();
    for (recipe, found) in recipes.iter().zip(Validator::new().wrong(&recipes)) {
        assert!(found.is_empty(), "{recipe}: {found:#?}");
    }
}

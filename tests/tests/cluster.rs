//! Runs on many machines: the scheduler and its simulation, and a cluster of Ray on this machine where `tests/cluster-environment.sh` can install it.

use std::ffi::OsStr;
use std::process::Command;

use convert_tests::{Place, build_folder, python, python_of_clusters, repository, stderr, stdout};

/// Shards that take about a second, a training between, and exports that are compared.
const RECIPE: &str = "version: 1
name: cluster
work_dir: work
shard_size: 6
dataset: { plugin: scenes, count: 60 }
proposals:
  - plugin: maskcut
    config: { backbone: { family: patch-stats }, feature: k, input_size: 256, tau: 0.95, min_area: 0.005, masks: 3, early_stop: false }
refine: [ { plugin: dense-crf } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 256, epochs: 5 } }
aggregate: { mode: soft, global: original }
export:
  - { plugin: multilabel-tsv, file: labels.tsv }
  - { plugin: coco, file: annotations.json }
";

/// A file of tests in Python.
fn tried(python: impl AsRef<OsStr>, file: &str, place: &Place) {
    let mut command = Command::new(python);
    command.arg(repository().join("sdk/python/tests").join(file)).env("PYTHONPATH", repository().join("sdk/python/src"));
    command.env("CONVERT_EXECUTABLE", build_folder().join("convert")).env("CONVERT_RECIPE", place.path("recipe.yaml"));
    let output = command.env_remove("CONVERT_PLUGIN_PATH").output().expect("Python can be started");
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn the_scheduler_hands_out_what_is_ready_and_nothing_twice() {
    tried(python(), "test_schedule.py", &Place::new(RECIPE));
}

#[test]
fn the_scripts_for_slurm_make_the_labels_of_one_machine() {
    tried(python(), "test_slurm.py", &Place::new(RECIPE));
}

#[test]
fn a_run_on_three_nodes_survives_one_of_them_and_its_driver() {
    let Some(python) = python_of_clusters("a_run_on_three_nodes_survives_one_of_them_and_its_driver") else { return };
    tried(python, "test_ray.py", &Place::new(RECIPE));
}

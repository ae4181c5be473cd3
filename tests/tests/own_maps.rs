//! Runs that make their own label maps and choose regions in rounds: the same bytes whatever the threads, what a run leaves, maps as files, and Parquet in Python.

use std::process::Command;

use convert_tests::{Place, convert, repository, stderr};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 8
dataset: { plugin: scenes, count: 24, size: 128 }
proposals:
  - plugin: maskcut
    config: { backbone: { family: patch-stats }, input_size: 128, tau: 0.5, masks: 3 }
select: { plugin: relabel-filter, config: { maps: own, rounds: 2 } }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 128, epochs: 6, hidden: 32, views: 2, dropout: 0.2, pooling: mean-std, cache: true } }
export:
  - { plugin: multilabel-tsv, file: labels.tsv }
  - { plugin: jsonl, file: labels.jsonl }
  - { plugin: parquet, file: labels.parquet }
  - { plugin: training-json, file: train.json }
";

fn succeed(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

#[test]
fn rounds_with_own_maps_give_the_same_bytes_with_one_and_two_threads_and_all_of_it_is_cached() {
    let (one, two) = (Place::new(RECIPE), Place::new(RECIPE));
    succeed(&one, &["--threads", "1"]);
    let text = succeed(&two, &["--threads", "2"]);
    for file in ["labels.tsv", "labels.jsonl", "train.json"] {
        assert!(one.result(file) == two.result(file), "{file} depends on the threads");
    }
    for stage in [
        "maps-train-mlp-head",
        "maps ",
        "round-1-select-relabel-filter",
        "round-1-train-mlp-head",
        "round-1-predict-mlp-head",
        "select-relabel-filter",
    ] {
        assert!(text.contains(stage), "{stage} is not in:\n{text}");
    }
    assert!(text.contains("kept ") && text.contains("will take"), "the kept share and the cache's size are said:\n{text}");
    let again = succeed(&one, &[]);
    assert!(!again.contains("training mlp-head"), "nothing is trained again:\n{again}");
}

#[test]
fn augmented_training_gives_the_same_bytes_with_one_and_two_threads() {
    let changes = ["--set", "label.config.mode=augmented", "--set", "label.config.epochs=2", "--set", "select={plugin: keep-largest}"];
    let labels = ["1", "2"].map(|threads| {
        let place = Place::new(RECIPE);
        succeed(&place, &[&["--threads", threads][..], &changes[..]].concat());
        place.result("labels.tsv")
    });
    assert!(labels[0] == labels[1]);
}

#[test]
fn maps_are_written_as_files_that_the_selector_reads() {
    let place = Place::new(RECIPE);
    succeed(&place, &[]);
    for stage in ["maps", "label-maps"] {
        let folder = place.path(stage);
        let output =
            convert().current_dir(place.path("")).args(["stage", stage, "--recipe", "recipe.yaml", "--output"]).arg(&folder).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 24, "{stage}");
    }
    let text = succeed(&place, &["--set", "select.config.maps=maps", "--set", "select.config.keep=best"]);
    assert!(text.contains("kept 24 of") || text.contains("kept 23 of"), "one region an image: {text}");
    let output = convert().current_dir(place.path("")).args(["stage", "regions", "--recipe", "recipe.yaml", "--output", "x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--output is for the stages of label maps"), "{}", stderr(&output));
}

#[test]
fn pyarrow_reads_the_parquet_file() {
    let place = Place::new(RECIPE);
    succeed(&place, &[]);
    let python = repository().join("vendor/venv/bin/python");
    assert!(python.exists(), "the tests' Python is missing: run `make setup-tests`");
    let code = "
import json, sys
import pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
rows = [json.loads(line) for line in open(sys.argv[2])]
assert table.to_pylist() == [{**row, 'probabilities': got['probabilities'], 'regions': got['regions']} for row, got in zip(rows, table.to_pylist())]
for row, got in zip(rows, table.to_pylist()):
    assert all(abs(a - b) < 1e-6 for a, b in zip(row['probabilities'], got['probabilities']))
    assert [r['counts'] for r in row['regions']] == [r['counts'] for r in got['regions']]
print('read', table.num_rows, 'rows', len(json.loads(table.schema.metadata[b'classes'])), 'classes')
";
    let output =
        Command::new(python).arg("-c").arg(code).args([place.path("work/labels.parquet"), place.path("work/labels.jsonl")]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("read 24 rows 16 classes"), "{text}");
}

//! What a stored result is known by: keys and rows that stay the same from version to version, and change with what the results depend on alone.

use std::process::Command;

use convert_tests::{Place, convert, repository, stderr, stdout};
use serde_json::{Value, json};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 8
dataset: { plugin: image-folder, root: data, truth: truth.json }
proposals:
  - plugin: maskcut
    config: { backbone: { family: patch-stats }, input_size: 64, tau: 0.5, masks: 2 }
refine: [ { plugin: fill-holes } ]
select: { plugin: relabel-filter, config: { maps: own, keep: best, rounds: 2 } }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 64, epochs: 4, hidden: 16 } }
export:
  - { plugin: multilabel-tsv, file: labels.tsv }
  - { plugin: jsonl, file: labels.jsonl }
";

/// A place with ten photos of two classes and the truth about them: an object in each image.
fn place() -> Place {
    let place = Place::new(RECIPE);
    place.write_images(&["apple", "pear"], 5);
    write_truth(&place, 10);
    place
}

/// The truth about the first images: an object each.
fn write_truth(place: &Place, objects: usize) {
    let names = ["apple", "pear"].iter().flat_map(|class| (0..5).map(move |number| format!("{class}/{class}-{number:03}.png")));
    let images: Vec<Value> = names.enumerate().map(|(id, name)| json!({ "id": id, "file_name": name, "width": 96, "height": 96 })).collect();
    let object = |id: usize| json!({ "id": id + 1, "image_id": id, "category_id": 1 + id / 5, "bbox": [20, 20, 40, 40], "area": 1600, "iscrowd": 0 });
    let truth = json!({
        "images": images,
        "categories": [{ "id": 1, "name": "apple" }, { "id": 2, "name": "pear" }],
        "annotations": (0..objects).map(object).collect::<Vec<_>>(),
    });
    std::fs::write(place.path("truth.json"), truth.to_string()).expect("the truth can be written");
}

fn succeed(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stderr(&output)
}

/// `convert plan --json`.
fn plan(place: &Place, arguments: &[&str]) -> Value {
    let output =
        convert().current_dir(place.path("")).args(["plan", "recipe.yaml", "--json"]).args(arguments).output().expect("convert can be started");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).expect("JSON")
}

fn steps(plan: &Value) -> &Vec<Value> {
    plan["steps"].as_array().expect("steps")
}

/// The steps that are left to do, exports and those on demand apart.
fn to_do(place: &Place, arguments: &[&str]) -> Vec<String> {
    let plan = plan(place, arguments);
    let left = steps(&plan).iter().filter(|step| step["done"] == json!(false) && step["on_demand"] == json!(false));
    left.map(|step| step["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_plan_says_what_runs_what_it_reads_and_what_is_done() {
    let place = place();
    let before = plan(&place, &[]);
    assert_eq!((&before["samples"], &before["shards"], &before["shard_size"]), (&json!(10), &json!(2), &json!(8)));
    let names: Vec<&str> = steps(&before).iter().filter_map(|step| step["name"].as_str()).collect();
    assert!(steps(&before).iter().all(|step| step["done"] != json!(true)));
    // Every step comes after those that it reads.
    for (at, step) in steps(&before).iter().enumerate() {
        for read in step["reads"].as_array().expect("a list") {
            assert!(names[..at].contains(&read.as_str().expect("a name")), "{step}");
        }
    }
    let segment = |name: &str| steps(&before).iter().find(|step| step["name"] == name).map(|step| step["segment"].clone());
    assert_eq!(segment("proposals-maskcut"), segment("regions"));
    assert_eq!(segment("maps"), segment("round-1-select-relabel-filter"));
    assert_eq!(segment("predict-mlp-head"), segment("labels"));
    assert_ne!(segment("regions"), segment("maps"));
    assert_eq!(segment("train-mlp-head"), Some(Value::Null));
    let left: Vec<_> = std::fs::read_dir(place.path("work")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["cache"], "a plan remembers what it found of files, and does nothing else");

    succeed(&place, &[]);
    let after = plan(&place, &[]);
    let regions = steps(&after).iter().find(|step| step["name"] == "regions").expect("regions");
    assert_eq!(regions["shards"], json!({ "done": [0, 1], "to_do": [] }));
    assert_eq!(to_do(&place, &[]), [""; 0]);
    assert_eq!(to_do(&place, &["--set", "select.config.rounds=1"]), ["select-relabel-filter", "train-mlp-head", "predict-mlp-head", "labels"]);
}

#[test]
fn a_step_whose_reads_are_not_done_says_which_is_to_run_first() {
    let place = place();
    for (stage, code, message) in [
        ("regions", 1, "error: shard 0 of refine-maskcut-1-fill-holes is not there: run that stage first"),
        ("predict-mlp-head", 2, "error: there is no trained labeler yet: run the stage train-mlp-head first"),
    ] {
        let output =
            convert().current_dir(place.path("")).args(["stage", stage, "--recipe", "recipe.yaml"]).output().expect("convert can be started");
        let text = stderr(&output);
        assert_eq!(
            (output.status.code(), text.lines().filter(|line| line.starts_with("error:")).collect::<Vec<_>>()),
            (Some(code), vec![message]),
            "{text}"
        );
    }
}

#[test]
fn a_seed_redoes_what_draws_by_it_alone() {
    let place = place();
    succeed(&place, &[]);
    let redone = to_do(&place, &["--set", "seed=7"]);
    assert_eq!(redone[0], "maps-train-mlp-head", "proposals and masks know no seed: {redone:?}");
    assert!(redone.contains(&"labels".to_owned()), "{redone:?}");
}

#[test]
fn another_truth_redoes_no_step_but_what_shows_it() {
    let place = place();
    succeed(&place, &[]);
    let text = |name: &str| String::from_utf8(place.result(name)).expect("text");
    let (scores, shown) = (text("evaluation.json"), text("labels.jsonl"));
    write_truth(&place, 7);
    assert_eq!(to_do(&place, &[]), [""; 0]);
    succeed(&place, &[]);
    assert_ne!(text("evaluation.json"), scores, "fewer objects are known");
    assert_eq!(text("labels.jsonl"), shown, "which the labels do not show");
}

#[test]
fn a_cpu_s_results_are_not_a_gpu_s() {
    let place = place();
    succeed(&place, &[]);
    let redone = to_do(&place, &["--device", "cuda"]);
    assert_eq!(redone[0], "proposals-maskcut");
    assert_eq!(to_do(&place, &["--device", "cuda:1"]), redone, "which of them makes no difference");
}

/// A change here makes every user's stored results useless: say so in the changelog, or find another way.
#[test]
fn keys_stay_what_they_were() {
    let place = Place::new(
        &RECIPE
            .replace("plugin: image-folder, root: data, truth: truth.json", "plugin: scenes, count: 10, size: 96")
            .replace("  - { plugin: jsonl, file: labels.jsonl }\n", ""),
    );
    let plan = plan(&place, &[]);
    let lines: Vec<String> =
        steps(&plan).iter().map(|step| format!("{} {}", step["key"].as_str().unwrap_or(""), step["name"].as_str().unwrap_or(""))).collect();
    insta::assert_snapshot!("keys", lines.join("\n"));
}

/// What other programs read of the stages.
#[test]
fn rows_stay_what_they_were() {
    let place = place();
    succeed(&place, &[]);
    let python = repository().join("vendor/venv/bin/python");
    assert!(python.exists(), "the tests' Python is missing: run `make setup-tests`");
    let program = "
import pathlib, pyarrow.parquet
for stage in sorted(pathlib.Path('work/stages').iterdir(), key=lambda stage: stage.name):
    shard = stage / 'shard-00000.parquet'
    if shard.exists():
        value = pyarrow.parquet.read_schema(shard).field('value').type
        print(stage.name.rsplit('-', 1)[0], value, sep='\\n  ')
";
    let output = Command::new(python).current_dir(place.path("")).args(["-c", program]).output().expect("Python can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    insta::assert_snapshot!("rows", text);
}

//! What schedulers rely on: parts of a run in other processes, their answers and exit codes, and that all of them add up to the run of one.

use std::process::Command;
use std::time::{Duration, Instant};

use convert_tests::worker::{Worker, plan, tasks};
use convert_tests::{Place, convert, stderr};
use serde_json::json;

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 8
dataset: { plugin: scenes, count: 24, size: 128 }
proposals:
  - plugin: maskcut
    config: { backbone: { family: patch-stats }, input_size: 128, tau: 0.5, masks: 3 }
refine: [ { plugin: fill-holes } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 128, epochs: 12, hidden: 64 } }
export:
  - { plugin: multilabel-tsv, file: labels.tsv }
  - { plugin: coco, file: annotations.json }
";

fn whole() -> Place {
    let place = Place::new(RECIPE);
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    place
}

fn same_results(place: &Place, whole: &Place) {
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for file in ["labels.tsv", "annotations.json"] {
        assert!(place.result(file) == whole.result(file), "{file} is another");
    }
}

#[test]
fn two_workers_and_a_training_add_up_to_the_run_and_no_shard_is_made_twice() {
    let (place, whole) = (Place::new(RECIPE), whole());
    let plan = plan(&place.path(""), &[], &[]);
    let start = |arguments: &[&str]| Worker::start(&place.path(""), arguments, &[]).map_err(|(code, text)| format!("{code:?} {text}")).unwrap();
    let (mut first, mut second) = (start(&["--lead"]), start(&["--threads", "1"]));
    assert_eq!((&first.ready["samples_key"], &first.ready["ready"]), (&plan["samples_key"], &json!(true)));
    assert_ne!(first.ready["slot"], second.ready["slot"], "each has its own notes");
    let (mut created, mut found) = (0, 0);
    for (at, task) in tasks(&plan).iter().enumerate() {
        let answer = if at % 2 == 0 { first.ask(task) } else { second.ask(task) };
        assert_eq!((&answer["outcome"], &answer["code"], &answer["id"]), (&json!("done"), &json!(0), &task["id"]), "{answer}");
        created += answer["shards"].as_array().unwrap().iter().filter(|shard| shard["made"] == "created").count();
        // The same once more is there already.
        let again = second.ask(task);
        assert!(again["outcome"] == "done" && again["shards"].as_array().unwrap().iter().all(|shard| shard["made"] == "found"), "{again}");
        found += again["shards"].as_array().unwrap().len();
    }
    assert_eq!((created, found), (6 * 3, 6 * 3), "six steps in three shards");
    assert_eq!((first.end(), second.end()), (Some(0), Some(0)));
    same_results(&place, &whole);
}

#[test]
fn what_a_worker_is_not_asked_rightly_is_said_and_it_goes_on() {
    let place = Place::new(RECIPE);
    let mut worker = Worker::start(&place.path(""), &[], &[]).map_err(|(_, text)| text).unwrap();
    let mut refused = |line: serde_json::Value, expected: &str| {
        let answer = worker.ask(&line);
        assert_eq!((&answer["outcome"], &answer["code"]), (&json!("failed"), &json!(2)), "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(expected), "{answer}");
    };
    refused(json!({ "id": 1, "stages": ["regionz"], "shards": [0] }), "unknown stage `regionz`; did you mean `regions`?");
    refused(json!({ "id": 2, "stages": ["regions"], "shards": [3] }), "there is no shard 3, the run has 3, from 0 on");
    refused(json!({ "id": 3, "stages": ["regions"] }), "`shards` names none");
    refused(json!({ "id": 4, "stages": ["train-mlp-head"], "shards": [1] }), "train-mlp-head works on the whole set: leave `shards` out");
    refused(json!({ "stage": "regions" }), "not a task: unknown field `stage`");
    refused(json!({ "id": 5, "stages": ["export-labels.tsv"] }), "written by the run itself");
    let planned = json!({ "proposals-maskcut": { "name": "maskcut", "version": "9.9.9" } });
    let line =
        json!({ "id": 6, "stages": ["proposals-maskcut"], "keys": { "proposals-maskcut": "0123456789abcdef" }, "plugins": planned, "shards": [0] });
    refused(line, "and 0123456789abcdef in the plan, so its results would differ: planned with maskcut 9.9.9, here is maskcut 0.1.0");
    // What it needs may be there later.
    let early = worker.ask(&json!({ "id": 7, "stages": ["regions"], "shards": [0] }));
    assert_eq!((&early["outcome"], &early["code"]), (&json!("transient"), &json!(1)), "{early}");
    assert!(early["error"].as_str().unwrap().ends_with("is not there: run that stage first"), "{early}");
    let done = worker.ask(&json!({ "id": 8, "stages": ["proposals-maskcut"], "shards": [0, 2] }));
    assert_eq!((&done["outcome"], &done["images"]), (&json!("done"), &json!(16)), "{done}");
    assert_eq!(worker.end(), Some(0));
}

#[test]
fn a_run_has_one_leader() {
    let place = Place::new(RECIPE);
    let first = Worker::start(&place.path(""), &["--lead"], &[]).map_err(|(_, text)| text).unwrap();
    let (code, text) = Worker::start(&place.path(""), &["--lead"], &[]).map(|worker| worker.end()).unwrap_err();
    assert!(code == Some(1) && text.contains("error: another process leads the run in ") && text.contains("wait for it"), "{code:?} {text}");
    let (code, text) = Worker::start(&place.path(""), &["--slot", "0"], &[]).map(|worker| worker.end()).unwrap_err();
    assert!(code == Some(2) && text.contains("another worker has the slot 0"), "{code:?} {text}");
    assert_eq!(first.end(), Some(0));
    let second = Worker::start(&place.path(""), &["--lead"], &[]).map_err(|(_, text)| text).unwrap();
    assert_eq!(second.end(), Some(0));
}

#[test]
fn a_worker_that_is_told_to_stop_keeps_what_is_done_and_says_so() {
    let place = Place::new(&RECIPE.replace("count: 24", "count: 400").replace("shard_size: 8", "shard_size: 400"));
    let mut worker = Worker::start(&place.path(""), &[], &[]).map_err(|(_, text)| text).unwrap();
    worker.send(&json!({ "id": 1, "stages": ["proposals-maskcut", "refine-maskcut-1-fill-holes", "regions"], "shards": [0] }));
    std::thread::sleep(Duration::from_millis(1500));
    let (begun, process) = (Instant::now(), worker.child.id());
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {process}")]).status().unwrap().success());
    let answer = worker.answer().expect("an answer");
    assert_eq!((&answer["outcome"], &answer["code"]), (&json!("preempted"), &json!(130)), "{answer}");
    assert_eq!(worker.end(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let parts: Vec<_> =
        convert_tests::files_below(&place.path("work")).into_iter().filter(|file| file.to_string_lossy().contains("/unfinished/")).collect();
    assert_eq!(parts.len(), 3, "what was done is kept, step by step: {parts:?}");
}

#[test]
fn listed_shards_of_a_stage_are_done_and_no_others() {
    let place = Place::new(RECIPE);
    let stage = |arguments: &[&str]| {
        convert().current_dir(place.path("")).args(["stage", "proposals-maskcut", "--recipe", "recipe.yaml"]).args(arguments).output().unwrap()
    };
    let output = stage(&["--shards", "0,2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let plan = plan(&place.path(""), &[], &[]);
    assert_eq!(plan["steps"][0]["shards"], json!({ "done": [0, 2], "to_do": [1] }));
    let output = stage(&["--shards", "1,3"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--shards: there is no shard 3, the run has 3, from 0 on"), "{}", stderr(&output));
}

#[test]
fn what_fails_for_good_has_another_code_than_what_may_pass() {
    // Every image is broken: another try, here or elsewhere, would find it so.
    let place = Place::new(&RECIPE.replace("plugin: scenes, count: 24, size: 128", "plugin: image-folder, root: data"));
    for class in ["apple", "pear"] {
        std::fs::create_dir_all(place.path("data").join(class)).unwrap();
        for number in 0..10 {
            std::fs::write(place.path("data").join(class).join(format!("{number}.png")), "no image").unwrap();
        }
    }
    let stage = |name: &str| convert().current_dir(place.path("")).args(["stage", name, "--recipe", "recipe.yaml"]).output().unwrap();
    let output = stage("proposals-maskcut");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("samples in a row failed"), "{}", stderr(&output));
    let output = stage("regions");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("run that stage first"), "{}", stderr(&output));
}

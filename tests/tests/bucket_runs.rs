//! Runs in an object store: moto's S3 server on this machine, the executable as its users start it. Every process with a scratch folder of its own is a machine of its own.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use convert::storage::{ObjectStorage, Store};
use convert_tests::s3_server::{Fate, FaultProxy, S3Server, environment};
use convert_tests::worker::{Worker, plan, tasks};
use convert_tests::{Place, stderr, stdout};
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
const RUN: &str = "s3://bucket/runs/a";

/// A machine that reaches the server at a port.
struct Machine {
    place: Place,
    variables: Vec<(String, String)>,
}

impl Machine {
    fn new(recipe: &str, port: u16) -> Self {
        let place = Place::new(recipe);
        let scratch = place.path("scratch").to_string_lossy().into_owned();
        let variables = environment(port).into_iter().chain([("CONVERT_SCRATCH".to_owned(), scratch)]).collect();
        Self { place, variables }
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.place.command(&["--work-dir", RUN]);
        command.args(arguments).envs(self.variables()).output().expect("convert can be started")
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    }

    fn worker(&self) -> Worker {
        Worker::start(&self.place.path(""), &["--work-dir", RUN], &self.variables()).map_err(|(code, text)| format!("{code:?} {text}")).unwrap()
    }
}

/// The run's place as the tests look into it.
fn bucket(port: u16) -> ObjectStorage {
    ObjectStorage::open_in(RUN, environment(port), Duration::from_secs(60)).expect("an address")
}

fn start(test: &str) -> Option<S3Server> {
    let server = S3Server::start(test)?;
    server.make_bucket("bucket");
    Some(server)
}

fn local() -> Place {
    let place = Place::new(RECIPE);
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    place
}

/// Every file that a run in a folder stored, as the bucket has it.
fn same_bytes(local: &Place, store: &dyn Store) {
    let work = local.path("work");
    let mut compared = 0;
    for file in convert_tests::files_below(&work) {
        let key = file.strip_prefix(&work).unwrap().to_str().unwrap();
        let result = key.ends_with(".parquet") || ["labels.tsv", "annotations.json", "classes.txt", "evaluation.json"].contains(&key);
        if result && !key.starts_with("cache/") {
            let stored = store.get(key).unwrap().unwrap_or_else(|| panic!("{key} is not in the bucket"));
            assert!(stored == std::fs::read(&file).unwrap(), "{key} has other bytes");
            compared += 1;
        }
    }
    assert_eq!(compared, 6 * 3 + 4, "six steps in three shards, and four files");
}

#[test]
fn a_run_in_a_bucket_has_the_bytes_of_one_in_a_folder() {
    let Some(server) = start("a_run_in_a_bucket_has_the_bytes_of_one_in_a_folder") else { return };
    let (machine, store, local) = (Machine::new(RECIPE, server.port()), bucket(server.port()), local());
    let text = machine.succeed(&[]);
    assert!(text.contains(&format!("{RUN}/labels.tsv")), "{text}");
    same_bytes(&local, &store);
    assert!(store.get("run.json").unwrap().is_some() && store.get("errors.jsonl").unwrap().is_some());
    assert_eq!(store.get("lease.json").unwrap(), None, "the run is given back");

    // The same command, here and on a machine that knows nothing of it.
    for machine in [&machine, &Machine::new(RECIPE, server.port())] {
        let text = machine.succeed(&[]);
        let rows: Vec<Vec<&str>> =
            text.lines().filter_map(|line| line.trim().strip_prefix('│')).map(|row| row.split_whitespace().collect()).collect();
        let stages: Vec<&Vec<&str>> = rows.iter().filter(|row| row.len() > 4 && row[1].parse::<u64>().is_ok() && row[0].contains('-')).collect();
        assert!(!stages.is_empty() && stages.iter().all(|row| row[1] == row[2]), "all of it is stored:\n{text}");
    }
    same_bytes(&local, &store);

    // A finished run is opened from anywhere.
    let other = Machine::new(RECIPE, server.port());
    let mut command = convert_tests::convert();
    let output = command.args(["evaluate", "neighbours", RUN]).envs(other.variables()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stdout(&output).is_empty());
}

#[test]
fn a_run_through_cuts_and_refusals_loses_nothing() {
    let Some(server) = start("a_run_through_cuts_and_refusals_loses_nothing") else { return };
    let proxy = FaultProxy::seeded(server.port(), true, 7);
    Machine::new(RECIPE, proxy.port()).succeed(&[]);
    for fate in [Fate::Late, Fate::Busy, Fate::CutRequest, Fate::CutBeforeAnswer, Fate::CutAnswer] {
        assert!(proxy.count(fate) > 0, "no request met {fate:?}");
    }
    same_bytes(&local(), &bucket(server.port()));
}

#[test]
fn machines_share_a_run_in_a_bucket_and_no_shard_is_made_twice() {
    let Some(server) = start("machines_share_a_run_in_a_bucket_and_no_shard_is_made_twice") else { return };
    let machines = [Machine::new(RECIPE, server.port()), Machine::new(RECIPE, server.port())];
    let plan = plan(&machines[0].place.path(""), &["--work-dir", RUN], &machines[0].variables());
    let mut workers: Vec<Worker> = machines.iter().map(Machine::worker).collect();
    let mut created = 0;
    for (at, task) in tasks(&plan).iter().enumerate() {
        let answer = workers[at % 2].ask(task);
        assert_eq!(answer["outcome"], json!("done"), "{answer}");
        created += answer["shards"].as_array().unwrap().iter().filter(|shard| shard["made"] == "created").count();
    }
    assert_eq!(created, 6 * 3);
    workers.into_iter().for_each(|worker| assert_eq!(worker.end(), Some(0)));
    Machine::new(RECIPE, server.port()).succeed(&[]);
    same_bytes(&local(), &bucket(server.port()));
}

#[test]
fn a_training_goes_on_where_another_machine_left_it() {
    let Some(server) = start("a_training_goes_on_where_another_machine_left_it") else { return };
    let recipe = RECIPE.replace("epochs: 12", "epochs: 3000");
    let machines = [Machine::new(&recipe, server.port()), Machine::new(&recipe, server.port())];
    let plan = plan(&machines[0].place.path(""), &["--work-dir", RUN], &machines[0].variables());
    let mut first = machines[0].worker();
    let tasks = tasks(&plan);
    let training = tasks.iter().position(|task| task.get("shards").is_none()).expect("a training");
    tasks[..training].iter().for_each(|task| assert_eq!(first.ask(task)["outcome"], json!("done")));
    first.send(&tasks[training]);
    std::thread::sleep(Duration::from_secs(4));
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {}", first.child.id())]).status().unwrap().success());
    assert_eq!(first.answer().expect("an answer")["outcome"], json!("preempted"));
    assert_eq!(first.end(), Some(130));
    let store = bucket(server.port());
    let stage = plan["steps"].as_array().unwrap().iter().find(|step| step["name"] == "train-mlp-head").unwrap();
    let prefix = format!("stages/train-mlp-head-{}", stage["key"].as_str().unwrap());
    let kept = store.list(&format!("{prefix}/training")).unwrap();
    assert!(!kept.is_empty(), "the other machine has something to go on from");
    assert_eq!(store.get(&format!("{prefix}/lease.json")).unwrap(), None, "the stage is free");

    let mut second = machines[1].worker();
    second.send(&tasks[training]);
    std::thread::sleep(Duration::from_secs(2));
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {}", second.child.id())]).status().unwrap().success());
    let stopped = second.answer().expect("an answer");
    let output = second.child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("continu"), "{stopped} {text}");
}

#[test]
fn a_run_in_a_bucket_is_one_s_and_is_taken_over() {
    let Some(server) = start("a_run_in_a_bucket_is_one_s_and_is_taken_over") else { return };
    let machine = Machine::new(RECIPE, server.port());
    let lead = Worker::start(&machine.place.path(""), &["--work-dir", RUN, "--lead"], &machine.variables()).map_err(|(_, text)| text).unwrap();
    let begun = Instant::now();
    let other = Machine::new(RECIPE, server.port());
    let output = other.run(&[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let line = text.lines().last().unwrap();
    assert!(
        line.starts_with("error: ")
            && line.contains("has worked in s3://bucket/runs/a since ")
            && line.ends_with("it is taken over when it was silent for 60 s"),
        "{line}"
    );
    assert!(begun.elapsed() < Duration::from_secs(30), "a holder that lives is seen to");
    assert_eq!(lead.end(), Some(0));
    other.succeed(&[]);
}

#[test]
fn what_is_wrong_with_a_bucket_is_one_line() {
    let Some(server) = start("what_is_wrong_with_a_bucket_is_one_line") else { return };
    let machine = Machine::new(RECIPE, server.port());
    let refused = |place: &str, expected: &str| {
        let output = machine.place.command(&["--work-dir", place]).envs(machine.variables()).output().unwrap();
        let text = stderr(&output);
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error")).collect();
        assert!(matches!(output.status.code(), Some(1 | 2)) && errors.len() == 1 && text.contains(expected), "{place}: {:?} {text}", output.status);
    };
    refused("s3://missing/run", "there is no bucket missing at http://127.0.0.1:");
    refused("ftp://bucket/run", "ftp");
    refused("s3://", "s3://");
    server.request("POST", "/moto-api/reset-auth", "0").unwrap();
    refused(RUN, "are not accepted at http://127.0.0.1:");
}

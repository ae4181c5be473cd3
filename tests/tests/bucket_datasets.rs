//! Datasets, and files that a recipe names, in a bucket: what comes of them is what comes of the same files in folders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use convert::storage::{ObjectStorage, Store};
use convert_tests::s3_server::{Fate, FaultProxy, S3Server, environment};
use convert_tests::{Place, files_below, repository, stderr};

/// Photos in several forms.
fn data() -> PathBuf {
    repository().join("plugins/datasets/tests/data")
}

fn recipe(dataset: &str) -> String {
    format!(
        "version: 1
work_dir: work
shard_size: 4
dataset: {{ {dataset} }}
proposals: [ {{ plugin: maskcut, config: {{ backbone: {{ family: patch-stats }}, input_size: 96, tau: 0.5, masks: 2 }} }} ]
select: {{ plugin: keep-largest }}
label: {{ plugin: mlp-head, config: {{ backbone: {{ family: patch-stats }}, input_size: 96, epochs: 3, hidden: 16 }} }}
export: [ {{ plugin: multilabel-tsv, file: labels.tsv }}, {{ plugin: coco, file: annotations.json }} ]
"
    )
}

/// What a run gives: its labels and masks.
fn run(place: &Place, port: u16) -> [Vec<u8>; 2] {
    let variables = environment(port).into_iter().chain([("CONVERT_WEIGHTS".to_owned(), place.path("weights").to_string_lossy().into_owned())]);
    let output = place.command(&[]).envs(variables).output().expect("convert can be started");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    [place.result("labels.tsv"), place.result("annotations.json")]
}

fn upload(server: &S3Server, folder: &Path, prefix: &str) {
    let store = ObjectStorage::open_in(&format!("s3://data/{prefix}"), environment(server.port()), Duration::from_secs(60)).unwrap();
    for file in files_below(folder) {
        store.publish(&file, file.strip_prefix(folder).unwrap().to_str().unwrap()).unwrap();
    }
}

#[test]
fn datasets_in_a_bucket_are_those_of_the_folder() {
    let Some(server) = S3Server::start("datasets_in_a_bucket_are_those_of_the_folder") else { return };
    server.make_bucket("data");
    let images = Place::new("");
    images.write_images(&["apple", "pear"], 6);
    let (photos, folder) = (data().display().to_string(), images.path("data").display().to_string());
    upload(&server, &data(), "photos");
    upload(&server, &images.path("data"), "images");
    let forms = [
        ("plugin: image-folder, root: HERE", folder.as_str(), "s3://data/images"),
        ("plugin: webdataset, root: HERE/webdataset, files: 'train-{000..001}.tar', label: json, json_key: name", &photos, "s3://data/photos"),
        // The list of classes is fetched.
        ("plugin: webdataset, root: HERE/webdataset, classes: HERE/webdataset/classes.txt", &photos, "s3://data/photos"),
        ("plugin: parquet, root: HERE/parquet", &photos, "s3://data/photos"),
    ];
    for (form, here, there) in forms {
        let local = Place::new(&recipe(&form.replace("HERE", here)));
        let expected = run(&local, server.port());
        // Through a proxy that counts, cuts and refuses.
        let proxy = FaultProxy::seeded(server.port(), false, 11);
        let remote = Place::new(&recipe(&form.replace("HERE", there)));
        assert!(run(&remote, proxy.port()) == expected, "{form}");
        assert!(proxy.count(Fate::Answered) > 0, "{form}: nothing was read from the bucket");
        // Once more: all is stored, and of shards nothing is read again.
        let again = FaultProxy::start(server.port(), false, |_| Fate::Answered);
        assert!(run(&remote, again.port()) == expected, "{form}");
        let most = if form.contains("image-folder") { 8 } else { 12 };
        assert!(again.count(Fate::Answered) <= most, "{form}: {} requests", again.count(Fate::Answered));
    }
}

#[test]
fn what_is_not_there_is_said_at_its_place_in_the_recipe() {
    let Some(server) = S3Server::start("what_is_not_there_is_said_at_its_place_in_the_recipe") else { return };
    server.make_bucket("data");
    let refused = |dataset: &str, expected: &str| {
        let place = Place::new(&recipe(dataset));
        let output = place.command(&[]).envs(environment(server.port())).output().unwrap();
        let text = stderr(&output);
        assert!(output.status.code() == Some(2) && text.contains("recipe.yaml:4:") && text.contains(expected), "{dataset}: {text}");
    };
    refused("plugin: image-folder, root: 's3://none/x'", "there is no bucket none");
    refused("plugin: image-folder, root: 's3://data/x'", "s3://data/x");
    refused("plugin: webdataset, root: 's3://data/x'", "s3://data/x");
    refused("plugin: webdataset, root: 's3://data/x', classes: 's3://data/classes.txt'", "there is no s3://data/classes.txt: correct the address");
}

#[test]
fn what_one_machine_found_in_shards_is_known_to_the_others() {
    let Some(server) = S3Server::start("what_one_machine_found_in_shards_is_known_to_the_others") else { return };
    server.make_bucket("data");
    upload(&server, &data(), "photos");
    let recipe = recipe("plugin: webdataset, root: s3://data/photos/webdataset, label: json, json_key: name");
    let places = [Place::new(&recipe), Place::new(&recipe)];
    // The plan, and what was read of shards for it.
    let plan_on = |place: &Place| {
        let proxy = FaultProxy::start(server.port(), false, |_| Fate::Answered);
        let scratch = ("CONVERT_SCRATCH".to_owned(), place.path("scratch").display().to_string());
        let variables: Vec<(String, String)> = environment(proxy.port()).into_iter().chain([scratch]).collect();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let plan = convert_tests::worker::plan(&place.path(""), &["--work-dir", "s3://data/runs/a"], &variables);
        let reads = proxy.requests().into_iter().filter(|request| request.starts_with("GET ") && request.contains(".tar")).count();
        (plan, reads)
    };
    let (first, reads) = plan_on(&places[0]);
    assert!(reads > 2, "{reads}");
    let store = ObjectStorage::open_in("s3://data/runs/a", environment(server.port()), Duration::from_secs(60)).unwrap();
    assert_eq!(store.list("cache/shard-index").unwrap().len(), 2, "a file a shard");
    let (second, reads) = plan_on(&places[1]);
    assert_eq!(first, second);
    assert_eq!(reads, 1, "the first image is asked for; what the shards hold is known");
}

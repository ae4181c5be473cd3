//! The page of `convert view`: what is built from its sources is what the executable holds, and a browser drives it against a real run.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use convert_tests::viewer::Viewer;
use convert_tests::{Place, files_below, repository, skipped, stderr, stdout};
use serde_json::Value;

/// The page's sources beside its build tools, or a loud word that the test was skipped.
fn sources(test: &str) -> Option<tempfile::TempDir> {
    let environment = Command::new(repository().join("tests/viewer-environment.sh")).output().expect("bash can be started");
    if !environment.status.success() {
        skipped(test, stderr(&environment).lines().last().unwrap_or("it cannot be made"));
        return None;
    }
    let place = tempfile::tempdir().expect("a temporary folder");
    let from = repository().join("host/viewer");
    for file in files_below(&from) {
        let within = file.strip_prefix(&from).expect("below it");
        if within.starts_with("dist") || within.starts_with("node_modules") {
            continue;
        }
        let to = place.path().join(within);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::copy(&file, to).expect("a copy");
    }
    std::os::unix::fs::symlink(stdout(&environment).trim(), place.path().join("node_modules")).expect("a link");
    Some(place)
}

fn succeeds(folder: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect("it can be started");
    assert!(output.status.success(), "{program} {arguments:?}: {}{}", stdout(&output), stderr(&output));
}

#[test]
fn the_page_that_is_committed_is_what_its_sources_give() {
    let Some(place) = sources("the_page_that_is_committed_is_what_its_sources_give") else { return };
    for script in ["check", "test", "build"] {
        succeeds(place.path(), "npm", &["run", script]);
    }
    let committed = repository().join("host/viewer/dist");
    let built = files_below(&place.path().join("dist"));
    assert_eq!(built.len(), files_below(&committed).len());
    for file in built {
        let name = file.file_name().expect("a name");
        assert!(
            std::fs::read(&file).unwrap() == std::fs::read(committed.join(name)).unwrap(),
            "{}: run `npm run build` in host/viewer and commit dist",
            name.display()
        );
    }
}

/// With `CONVERT_VIEW_RUN` it looks at that finished run, whose recipe exports `labels.jsonl`, and reviews `CONVERT_VIEW_IMAGES` of its images; with `CONVERT_SCREENSHOTS` it leaves pictures there.
#[test]
fn a_browser_filters_reviews_draws_and_finds_it_all_again() {
    let test = "a_browser_filters_reviews_draws_and_finds_it_all_again";
    let Some(browser) =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(PathBuf::from).into_iter().find(|file| file.is_file())
    else {
        return skipped(test, "there is no Chromium: apt-get install chromium");
    };
    let Some(page) = sources(test) else { return };
    if let Some(run) = std::env::var_os("CONVERT_VIEW_RUN") {
        let images = std::env::var("CONVERT_VIEW_IMAGES").unwrap_or_else(|_| "5".into());
        return reviewed_in(&browser, page.path(), Path::new(&run), &images);
    }
    // A class that is a trap where names become markup.
    let place = Place::new(
        "version: 1
work_dir: work
shard_size: 16
dataset: { plugin: image-folder, root: data }
proposals: [ { plugin: maskcut, config: { backbone: { family: patch-stats }, input_size: 96, tau: 0.9, masks: 3, min_area: 0.0 } } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 30, hidden: 32 } }
export: [ { plugin: jsonl, file: labels.jsonl } ]
",
    );
    place.write_images(&["<img src=x onerror=alert(1)>", "blue", "green"], 12);
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    reviewed_in(&browser, page.path(), &place.path("work"), "5");
}

/// Reviews so many images of a run in a browser, kills the server, looks again, and exports: the labels are those that were said.
fn reviewed_in(browser: &Path, page: &Path, run: &Path, images: &str) {
    let viewer = Viewer::start(run, &[]);
    let samples = viewer.json("/api/run")["samples"].to_string();
    let browser = browser.display().to_string();
    let mut arguments = vec!["e2e/e2e.mjs", &viewer.address, "--samples", &samples, "--review", images, "--chromium", &browser];
    let shots = std::env::var("CONVERT_SCREENSHOTS").ok();
    if let Some(folder) = &shots {
        arguments.extend(["--screenshots", folder]);
    }
    succeeds(page, "node", &arguments);
    viewer.kill();

    let events = lines_of(&run.join("reviews.jsonl"));
    let undone: HashSet<&str> = events.iter().filter_map(|event| event["of"].as_str()).collect();
    let events = || events.iter().filter(|event| !undone.contains(event["id"].as_str().expect("an id")));
    let finished: HashSet<&str> = events().filter(|event| event["action"] == "complete").map(sample).collect();
    assert!(finished.len() >= images.parse().expect("a number") && events().any(|event| event["mask"].is_object()), "{finished:?}");
    let viewer = Viewer::start(run, &["--read-only"]);
    assert_eq!(viewer.query("reviewed=yes").len(), finished.len());
    drop(viewer);

    let exported = convert_tests::convert().arg("export").arg(run).arg("--reviewed").output().expect("convert can be started");
    assert!(exported.status.success(), "{}", stderr(&exported));
    let labels = |name: &str| -> HashMap<String, HashSet<String>> {
        let shown = |row: &Value| {
            let names = row["class_names"].as_array().expect("names").iter().zip(row["probabilities"].as_array().expect("numbers"));
            names.filter(|(_, p)| p.as_f64() > Some(0.5)).map(|(name, _)| name.as_str().expect("a name").to_owned()).collect()
        };
        lines_of(&run.join(name)).iter().map(|row| (row["id"].as_str().expect("an id").to_owned(), shown(row))).collect()
    };
    let (before, after) = (labels("labels.jsonl"), labels("labels.reviewed.jsonl"));
    let said: HashSet<&str> = events().map(sample).collect();
    let mut expected = before.clone();
    for event in events() {
        let shown = expected.get_mut(sample(event)).expect("a sample of the run");
        let class = || event["class"].as_str().expect("a class").to_owned();
        match event["action"].as_str().expect("an action") {
            "accept" | "add" => drop(shown.insert(class())),
            "reject" => drop(shown.remove(&class())),
            "complete" => *shown = event["labels"].as_array().expect("labels").iter().map(|name| name.as_str().expect("a name").to_owned()).collect(),
            _ => {}
        }
    }
    assert!(after == expected && said.iter().any(|id| before[*id] != after[*id]), "labels that are not those reviewed");
}

fn lines_of(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn sample(event: &Value) -> &str {
    event["sample"].as_str().expect("a sample")
}

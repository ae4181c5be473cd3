//! The page of `convert view`: what is built from its sources is what the executable holds, and a browser drives it against a real run.

use std::path::{Path, PathBuf};
use std::process::Command;

use convert_tests::viewer::Viewer;
use convert_tests::{Place, files_below, repository, skipped, stderr, stdout};

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

#[test]
fn a_browser_filters_reviews_draws_and_finds_it_all_again() {
    let test = "a_browser_filters_reviews_draws_and_finds_it_all_again";
    let Some(browser) =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(PathBuf::from).into_iter().find(|file| file.is_file())
    else {
        return skipped(test, "there is no Chromium: apt-get install chromium");
    };
    let Some(page) = sources(test) else { return };
    // A class that is a trap where names become markup.
    let place = Place::new(
        "version: 1
work_dir: work
shard_size: 16
dataset: { plugin: image-folder, root: data }
proposals: [ { plugin: maskcut, config: { backbone: { family: patch-stats }, input_size: 96, tau: 0.9, masks: 3, min_area: 0.0 } } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 30, hidden: 32 } }
export: [ { plugin: multilabel-tsv, file: labels.tsv } ]
",
    );
    place.write_images(&["<img src=x onerror=alert(1)>", "blue", "green"], 12);
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let viewer = Viewer::start(&place.path("work"), &[]);
    let browser = browser.display().to_string();
    let mut arguments = vec!["e2e/e2e.mjs", &viewer.address, "--samples", "36", "--review", "5", "--chromium", &browser];
    let shots = std::env::var("CONVERT_SCREENSHOTS").ok();
    if let Some(folder) = &shots {
        arguments.extend(["--screenshots", folder]);
    }
    succeeds(page.path(), "node", &arguments);
    let lines = String::from_utf8(place.result("reviews.jsonl")).unwrap();
    assert!(lines.lines().filter(|line| line.contains("\"complete\"")).count() >= 5 && lines.contains("\"mask\""), "{lines}");
}

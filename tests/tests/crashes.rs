//! Plugins that take the whole process with them: the next run says which samples they worked on, tries these alone, and sets aside what crashes again.

use convert_tests::{Place, plugin_folder, stderr};

fn recipe(how: &str, more: &str) -> String {
    format!(
        "version: 1
work_dir: work
shard_size: 4
{more}
dataset: {{ plugin: image-folder, root: data }}
proposals: [ {{ plugin: hostile, config: {{ on: apple-003, how: {how} }} }} ]
select: {{ plugin: keep-largest }}
label: {{ plugin: mlp-head, config: {{ backbone: {{ family: patch-stats }}, input_size: 96, epochs: 2, hidden: 16 }} }}
export: [ {{ plugin: multilabel-tsv, file: labels.tsv }} ]
"
    )
}

/// Runs of a recipe one after the other: the exit code of each, or the signal's number times -1, and what it said.
fn runs(place: &Place, count: usize, arguments: &[&str]) -> Vec<(i32, String)> {
    use std::os::unix::process::ExitStatusExt;
    let plugins = plugin_folder("convert_test_hostile");
    let run = |_| {
        let output = place.command(arguments).arg("--plugin-dir").arg(plugins.path()).output().expect("convert can be started");
        (output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0)), stderr(&output))
    };
    (0..count).map(run).collect()
}

fn place(how: &str, more: &str) -> Place {
    let place = Place::new(&recipe(how, more));
    place.write_images(&["apple", "pear"], 6);
    place
}

fn check(how: &str, more: &str, code: i32, named: &str) {
    let place = place(how, more);
    let [first, second, third, fourth] = runs(&place, 4, &["--threads", "2"]).try_into().expect("four runs");
    assert_eq!((first.0, second.0), (code, code), "{how}: {}\n{}", first.1, second.1);
    let told = |text: &str| {
        text.contains(&format!("the run before ended with {named} while proposals-hostile worked on ")) && text.contains("apple/apple-003.png")
    };
    assert!(!first.1.contains("the run before"), "{}", first.1);
    if code < 0 {
        let said = format!("error: the program ends with {named} while proposals-hostile worked on ");
        assert!(first.1.contains(&said), "{how}: {}", first.1);
    }
    assert!(told(&second.1), "{how}: {}", second.1);
    assert!(told(&third.1) && third.0 == 0, "{how}: {}", third.1);
    let ledger = String::from_utf8(place.result("errors.jsonl")).expect("text");
    assert!(
        ledger.lines().count() == 1 && ledger.contains("apple-003") && ledger.contains(&format!("it crashed the program twice ({named})")),
        "{ledger}"
    );
    assert!(fourth.0 == 0 && !fourth.1.contains("the run before"), "{}", fourth.1);
    assert!(!place.path("work/in-flight").exists(), "the notes of a run that ended by itself are gone");
}

#[test]
fn an_abort_of_a_plugin_that_is_built_names_it_and_its_library() {
    let place = place("abort-at-once", "");
    let [first] = runs(&place, 1, &[]).try_into().expect("a run");
    assert_eq!(first.0, -6, "{}", first.1);
    let said = "error: the program ends with SIGABRT while the proposer hostile of ";
    assert!(first.1.contains(said) && first.1.trim_end().ends_with("libconvert_test_hostile.so was built"), "{}", first.1);
}

#[test]
fn an_abort_and_a_segmentation_fault_cost_two_runs_and_one_sample() {
    check("abort", "", -6, "SIGABRT");
    check("segfault", "", -11, "SIGSEGV");
}

#[test]
fn a_call_that_never_returns_ends_the_run_and_is_tried_alone() {
    check("hang", "timeout_s: 1", 1, "a call of more than 1 s");
}

#[test]
fn a_recipe_may_want_to_stop_at_what_crashed_and_a_retry_tries_it_again() {
    let place = place("abort", "on_crash: stop");
    let ended = runs(&place, 3, &[]);
    assert_eq!(ended.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [-6, -6, 1]);
    assert!(
        ended[2].1.contains("error: proposals-hostile, apple/apple-003.png: it crashed the program twice (SIGABRT; the recipe says on_crash: stop)"),
        "{}",
        ended[2].1
    );
    let mended = recipe("abort", "").replace("on: apple-003", "on: nobody");
    std::fs::write(place.path("recipe.yaml"), mended).expect("the recipe can be written");
    let ended = runs(&place, 1, &["--strict"]);
    assert_eq!(ended[0].0, 0, "another config is another stage: {}", ended[0].1);
}

#[test]
fn what_a_plugin_gives_that_is_no_number_costs_its_sample() {
    let place = place("nan", "");
    let ended = runs(&place, 1, &[]);
    assert_eq!(ended[0].0, 0, "{}", ended[0].1);
    let ledger = String::from_utf8(place.result("errors.jsonl")).expect("text");
    assert!(ledger.lines().count() == 1 && ledger.contains("apple-003"), "{ledger}");
}

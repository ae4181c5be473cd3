//! A device that runs out of memory or fails: no sample is ever filed as bad for its sake, and what is stored is what an untroubled run stores.

use convert_tests::{Place, plugin_folder, stderr};

fn recipe(config: &str) -> String {
    format!(
        "version: 1
work_dir: work
shard_size: 20
dataset: {{ plugin: scenes, count: 50, size: 96 }}
proposals: [ {{ plugin: faulty-device, config: {config} }} ]
refine: [ {{ plugin: fill-holes }} ]
select: {{ plugin: keep-largest }}
label: {{ plugin: mlp-head, config: {{ backbone: {{ family: patch-stats }}, input_size: 64, epochs: 3, hidden: 16 }} }}
export: [ {{ plugin: multilabel-tsv, file: labels.tsv }}, {{ plugin: coco, file: annotations.json }} ]
"
    )
}

/// A run's exit code and what it said.
fn run(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let plugins = plugin_folder("convert_test_hostile");
    let output = place.command(arguments).arg("--plugin-dir").arg(plugins.path()).output().expect("convert can be started");
    (output.status.code(), stderr(&output))
}

fn results(place: &Place) -> [Vec<u8>; 2] {
    ["labels.tsv", "annotations.json"].map(|file| place.result(file))
}

fn shards(place: &Place) -> usize {
    let stages = std::fs::read_dir(place.path("work/stages")).into_iter().flatten().flatten();
    stages.flat_map(|stage| std::fs::read_dir(stage.path()).into_iter().flatten().flatten()).count()
}

#[test]
fn a_batch_that_does_not_fit_is_halved_until_it_does_and_the_results_are_the_same() {
    let (large, small) = (Place::new(&recipe("{ holds: 16 }")), Place::new(&recipe("{ holds: 4 }")));
    let (code, text) = run(&large, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("memory"), "{text}");
    let (code, text) = run(&small, &["--strict"]);
    assert_eq!(code, Some(0), "{text}");
    for step in ["too small for 16 images at once, going on with 8", "too small for 8 images at once, going on with 4"] {
        assert_eq!(text.matches(step).count(), 1, "said once each: {text}");
    }
    assert!(text.contains("50 images, none skipped"), "{text}");
    assert!(results(&large) == results(&small));
}

#[test]
fn memory_that_does_not_hold_one_image_stops_the_run() {
    let place = Place::new(&recipe("{ holds: 0 }"));
    let (code, text) = run(&place, &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("error: proposals-faulty-device, scene-") && text.contains("1 images do not fit"), "{text}");
    assert_eq!((shards(&place), place.result("errors.jsonl").len()), (0, 0), "nothing is stored, nobody is blamed");
}

#[test]
fn a_device_that_fails_in_the_middle_of_a_shard_stops_the_run_and_the_next_one_completes_it() {
    let config = "{ holds: 16, fails_from: scene-00030, fault: fault }";
    let (troubled, untroubled) = (Place::new(&recipe(config)), Place::new(&recipe(config)));
    std::fs::write(troubled.path("fault"), "").unwrap();
    let (code, text) = run(&troubled, &["--threads", "1"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("illegal memory access"), "{text}");
    assert_eq!(troubled.result("errors.jsonl").len(), 0, "no sample is to blame");
    let rows = |shard: &str| {
        let stages = std::fs::read_dir(troubled.path("work/stages")).unwrap().flatten();
        stages.filter(|stage| stage.path().join(shard).exists()).count()
    };
    assert_eq!(rows("shard-00001.parquet"), 0, "nothing of the shard in flight is stored");

    std::fs::remove_file(troubled.path("fault")).unwrap();
    for place in [&troubled, &untroubled] {
        let (code, text) = run(place, &["--strict"]);
        assert_eq!(code, Some(0), "{text}");
    }
    assert!(results(&troubled) == results(&untroubled));
}

#[test]
fn models_that_do_not_fit_together_are_used_one_after_the_other() {
    let write = |extra: &str, weights: u64| {
        Place::new(&recipe("{ holds: 16 }").replace(
            "proposals: [ { plugin: faulty-device, config: { holds: 16 } } ]",
            &format!(
                "{extra}proposals: [ {{ name: a, plugin: faulty-device, config: {{ holds: 16, weights: {weights} }} }}, \
                 {{ name: b, plugin: grid, config: {{ cells: 2 }} }} ]"
            ),
        ))
    };
    let decodes = |place: &Place| {
        let (code, text) = run(place, &["-vv"]);
        assert_eq!(code, Some(0), "{text}");
        let before_training = text.split("train-mlp-head: training").next().unwrap_or_default().to_owned();
        let count = before_training.lines().filter(|line| line.contains("decoding scene-00007")).count();
        (count, text)
    };
    let (together, one, large) = (write("", 0), write("residency: one\n", 0), write("", 1 << 60));
    assert_eq!(decodes(&together).0, 1, "decoded once for both");
    let (count, text) = decodes(&one);
    assert_eq!(count, 2, "decoded again for each: {text}");
    let (count, text) = decodes(&large);
    assert_eq!(count, 2, "{text}");
    assert!(text.contains("the models take") && text.contains("one proposal configuration after the other"), "{text}");
    assert!(results(&together) == results(&one) && results(&together) == results(&large));
}

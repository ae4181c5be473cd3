//! Plugins of every role that panic, fail, abort, crash, hang, answer too little or with what is no number: a call about a sample costs that sample, any other ends the
//! run with one line, and what was done before is kept.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use convert_tests::{Place, build_folder, convert, left_over, plugin_folder, stderr};
use tempfile::TempDir;

/// The sample that plugins misbehave on: its image is narrower than the others.
const VICTIM: &str = "apple/apple-003.png";
const WIDTH: u32 = 80;
const SAMPLES: usize = 12;

/// A recipe with the ordinary plugins, but for one role's.
fn recipe(role: &str, config: &str) -> String {
    let hostile = |of: &str, ordinary: &str| match of == role {
        true if of == "dataset" => format!("{{ plugin: hostile, root: data, {config} }}"),
        true if of == "exporter" => format!("{{ plugin: hostile, file: ids.txt, config: {{ {config} }} }}"),
        true => format!("{{ plugin: hostile, config: {{ {config} }} }}"),
        false => ordinary.to_owned(),
    };
    let list = |of: &str, ordinary: &str| match hostile(of, ordinary) {
        none if none.is_empty() => "[]".to_owned(),
        some => format!("[ {some} ]"),
    };
    format!(
        "version: 1
work_dir: work
shard_size: 4
dataset: {}
proposals: {}
refine: {}
select: {}
label: {}
postprocess: {}
export: [ {{ plugin: multilabel-tsv, file: labels.tsv }}{} ]
",
        hostile("dataset", "{ plugin: image-folder, root: data }"),
        list("proposer", "{ plugin: grid, config: { cells: 2 } }"),
        list("refiner", ""),
        hostile("selector", "{ plugin: keep-largest }"),
        hostile("labeler", "{ plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 2, hidden: 16 } }"),
        list("postprocessor", ""),
        match hostile("exporter", "") {
            none if none.is_empty() => none,
            some => format!(", {some}"),
        },
    )
}

/// A run's place with the plugins.
struct Case {
    place: Place,
    plugins: TempDir,
    role: &'static str,
    name: String,
}

impl Case {
    fn new(role: &'static str, config: &str) -> Self {
        let place = Place::new(&recipe(role, config));
        place.write_images(&["apple", "pear"], SAMPLES as u32 / 2);
        let file = place.path("data").join(VICTIM);
        let image = image::open(&file).expect("an image");
        image.crop_imm(0, 0, WIDTH, 96).save(&file).expect("an image");
        Self { place, plugins: plugin_folder("convert_test_hostile"), role, name: format!("{role}, {config}") }
    }

    /// One that misbehaves on the victim.
    fn on_victim(role: &'static str, how: &str) -> Self {
        Self::new(role, &format!("on: {VICTIM}, width: {WIDTH}, how: {how}"))
    }

    /// A run: its exit code, or the signal's number times -1, and what it said.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = self.place.command(arguments);
        let output = command.args(["--threads", "2", "--plugin-dir"]).arg(self.plugins.path()).output().expect("convert can be started");
        (output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0)), stderr(&output))
    }

    /// Runs of which all end the same way.
    fn runs(&self, count: usize, code: i32, arguments: &[&str]) -> Vec<String> {
        let run = |_| {
            let (ended, text) = self.run(arguments);
            assert_eq!(ended, code, "{}: {text}", self.name);
            text
        };
        (0..count).map(run).collect()
    }

    /// The last line, which is the only error.
    fn error(&self, code: i32, parts: &[&str]) {
        let text = self.runs(1, code, &[]).remove(0);
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && parts.iter().all(|part| errors[0].contains(part)), "{}: not {parts:?}: {text}", self.name);
        assert!(!text.contains("internal error") && !text.contains("thread '"), "{}: {text}", self.name);
    }

    fn ledger(&self) -> String {
        String::from_utf8(self.place.result("errors.jsonl")).expect("text")
    }

    /// The victim alone is in the ledger, with a reason; the others have labels, and nothing else is left.
    fn only_the_victim(&self, text: &str, reason: &str) {
        let ledger = self.ledger();
        assert!(ledger.lines().count() == 1 && ledger.contains(VICTIM) && ledger.contains(reason), "{}: {ledger}{text}", self.name);
        let labelled = String::from_utf8(self.place.result("labels.tsv")).expect("text");
        // A sample that fails in `select` is not trained on, but labelled.
        let expected = if self.role == "selector" { SAMPLES } else { SAMPLES - 1 };
        assert_eq!((labelled.lines().count(), labelled.contains(VICTIM)), (expected, self.role == "selector"), "{}", self.name);
        assert!(left_over(&self.place.path("work")).is_empty(), "{}: {:?}", self.name, left_over(&self.place.path("work")));
    }
}

/// Every way to misbehave on a sample, in a role whose calls are about samples.
fn check_samples(role: &'static str, [too_few, nan]: [&str; 2]) {
    for (how, reason) in [("panic", "cannot stand this image"), ("fail", "cannot read this image"), ("too-few", too_few), ("nan", nan)] {
        let case = Case::on_victim(role, how);
        let text = case.runs(1, 0, &[]).remove(0);
        case.only_the_victim(&text, reason);
    }
    for (how, code, named) in [("abort", -6, "SIGABRT"), ("segfault", -11, "SIGSEGV"), ("hang", 1, "a call of more than 1 s")] {
        let case = Case::on_victim(role, how);
        let timeout: &[&str] = if how == "hang" { &["--set", "timeout_s=1"] } else { &[] };
        let crashed = case.runs(2, code, timeout);
        let told = format!("the run before ended with {named} while ");
        assert!(crashed[1].contains(&told) && crashed[1].contains(VICTIM), "{}: {}", case.name, crashed[1]);
        let text = case.runs(1, 0, timeout).remove(0);
        let ledger = case.ledger();
        assert!(ledger.lines().count() == 1 && ledger.contains(&format!("it crashed the program twice ({named})")), "{}: {ledger}", case.name);
        // The crashes are remembered for `--retry-errors`' sake.
        std::fs::remove_file(case.place.path("work/crashes.json")).expect("they are counted");
        case.only_the_victim(&text, VICTIM);
    }
    Case::on_victim(role, "panic-at-once").error(2, &["recipe.yaml:", "this plugin cannot be built"]);
}

#[test]
fn a_dataset_costs_its_sample() {
    check_samples("dataset", ["broken image", "broken image"]);
}

#[test]
fn a_proposer_costs_its_sample() {
    check_samples("proposer", ["the proposer gave 0 lists of proposals for 1", "NaN"]);
}

#[test]
fn a_refiner_costs_its_sample() {
    check_samples("refiner", ["the refiner gave 3 answers for 4", "NaN"]);
}

#[test]
fn a_selector_costs_its_sample() {
    check_samples("selector", ["the selector gave 3 answers for 4", "NaN"]);
}

#[test]
fn a_labeler_costs_its_sample() {
    check_samples("labeler", ["the labeler gave 1 probabilities for 2 classes", "the labeler gave NaN as a probability"]);
}

#[test]
fn a_postprocessor_costs_its_sample() {
    check_samples("postprocessor", ["a postprocessor gave the class 1000000, but there are 2", "NaN"]);
}

#[test]
fn a_dataset_that_cannot_be_listed_or_has_no_truth_to_give_ends_the_run() {
    Case::new("dataset", "on: samples, how: panic").error(2, &["recipe.yaml:4:20", "panicked at"]);
    Case::new("dataset", "on: samples, how: fail").error(2, &["cannot read this image"]);
    Case::new("dataset", "on: classes, how: too-few").error(2, &["1 class; at least 2 are needed"]);
    Case::new("dataset", "on: classes, how: panic").error(2, &["dataset"]);
    let truth = |how: &str| Case::new("dataset", &format!("on: truth of {VICTIM}, how: {how}"));
    truth("panic").error(1, &[VICTIM, "the dataset's truth of it", "panicked at"]);
    let case = truth("abort");
    let texts = case.runs(2, -6, &[]);
    assert!(texts[1].contains("the run before ended with SIGABRT while labels worked on ") && texts[1].contains(VICTIM), "{}", texts[1]);
    assert!(!case.place.path("work/crashes.json").exists(), "no sample of it can be set aside");
}

#[test]
fn a_labeler_that_cannot_train_or_load_ends_the_run_and_nothing_of_the_stages_before_is_lost() {
    let case = |on: &str, how: &str| Case::new("labeler", &format!("on: {on}, how: {how}"));
    case("train", "panic").error(1, &["train-hostile", "panicked at"]);
    case("train", "fail").error(1, &["train-hostile", "cannot read this image"]);
    case("train", "nan").error(1, &["train-hostile", "in epoch 1 the loss is NaN"]);
    case("train", "too-few").error(1, &["train-hostile", "nothing.txt, which is not there"]);
    case("load", "panic").error(2, &["recipe.yaml:8:18", "labeler hostile", "panicked at"]);
    for (how, code, named) in [("abort", -6, "SIGABRT"), ("segfault", -11, "SIGSEGV")] {
        let case = case("train", how);
        let texts = case.runs(2, code, &[]);
        assert!(texts[1].contains(&format!("the run before ended with {named} in train-hostile")), "{}", texts[1]);
        assert!(!texts[1].contains("proposals-grid"), "what was done is not done again: {}", texts[1]);
    }
}

#[test]
fn what_a_training_lost_and_warned_of_is_stored_and_said_by_every_later_run() {
    let case = Case::new("labeler", "on: nobody, how: never");
    for text in case.runs(3, 0, &[]) {
        assert!(text.contains("train-hostile: learned nothing"), "{text}");
    }
    let stages = std::fs::read_dir(case.place.path("work/stages")).expect("stages").flatten();
    let trained = stages.map(|stage| stage.path().join("trained.json")).find(|file| file.is_file()).expect("it is trained");
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(trained).expect("a file")).expect("JSON");
    assert_eq!((&record["lost"][0], &record["warnings"][0]), (&"one of 12".into(), &"learned nothing".into()));
}

/// Starts a run, waits until it says something, and signals it.
fn signalled(case: &Case, said: &str, signals: usize) -> (Option<i32>, Duration) {
    let log = case.place.path("log");
    let mut process = Command::new(build_folder().join("convert"))
        .current_dir(case.place.path(""))
        .args(["--recipe", "recipe.yaml", "--plugin-dir"])
        .arg(case.plugins.path())
        .stderr(Stdio::from(std::fs::File::create(&log).expect("a file")))
        .spawn()
        .expect("convert can be started");
    let begun = Instant::now();
    let wait_for = |text: &str| {
        while !std::fs::read_to_string(&log).unwrap_or_default().contains(text) {
            assert!(begun.elapsed() < Duration::from_secs(60), "never said {text}: {}", std::fs::read_to_string(&log).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for(said);
    let asked = Instant::now();
    for signal in 0..signals {
        if signal > 0 {
            wait_for("press Ctrl-C again");
        }
        assert!(Command::new("sh").args(["-c", &format!("kill -TERM {}", process.id())]).status().expect("a shell").success());
    }
    let status = process.wait().expect("it ends");
    (status.code(), asked.elapsed())
}

#[test]
fn a_second_signal_ends_a_run_whose_plugin_does_not_return() {
    let case = Case::new("labeler", "on: train, how: hang");
    let (code, time) = signalled(&case, "training hostile", 2);
    assert_eq!(code, Some(130));
    assert!(time < Duration::from_secs(60), "the plugin sleeps for ten minutes; ended after {time:?}");
}

#[test]
fn an_exporter_ends_the_run_and_what_was_written_before_stays() {
    let healthy = Case::new("exporter", "on: nobody, how: never");
    healthy.runs(1, 0, &[]);
    let before = healthy.place.result("ids.txt");
    assert_eq!(before.iter().filter(|byte| **byte == b'\n').count(), SAMPLES);
    let config = |on: &str, how: &str| {
        std::fs::write(healthy.place.path("recipe.yaml"), recipe("exporter", &format!("on: {on}, how: {how}"))).expect("a file")
    };
    let unharmed = |what: &str| {
        assert!(healthy.place.result("ids.txt") == before, "{what}");
        assert!(!healthy.place.path("work/crashes.json").exists(), "{what}");
    };
    for (on, how) in [(VICTIM, "panic"), (VICTIM, "fail"), ("finish", "panic"), ("finish", "fail")] {
        config(on, how);
        let sample = if on == VICTIM { format!("ids.txt, sample {VICTIM}: ") } else { "ids.txt: ".to_owned() };
        healthy.error(1, &["exporter hostile, ", &sample]);
        unharmed(how);
    }
    for (on, how, code, named) in [
        (VICTIM, "abort", -6, "SIGABRT"),
        (VICTIM, "segfault", -11, "SIGSEGV"),
        (VICTIM, "hang", 1, "a call of more than 1 s"),
        ("finish", "abort", -6, "SIGABRT"),
    ] {
        config(on, how);
        let timeout: &[&str] = if how == "hang" { &["--set", "timeout_s=1"] } else { &[] };
        let texts = healthy.runs(2, code, timeout);
        let told = if on == VICTIM {
            format!("the run before ended with {named} while export-")
        } else {
            format!("the run before ended with {named} in export-")
        };
        assert!(texts[1].contains(&told) && (on != VICTIM || texts[1].contains(VICTIM)), "{on} {how}: {}", texts[1]);
        unharmed(how);
    }
    config("accepts", "panic");
    healthy.error(2, &["recipe.yaml:", "exporter hostile", "panicked at"]);
    config("nobody", "panic-at-once");
    healthy.error(2, &["recipe.yaml:", "this plugin cannot be built"]);
    config("nobody", "never");
    healthy.runs(1, 0, &["--strict"]);
    unharmed("in the end");
    assert!(left_over(&healthy.place.path("work")).is_empty(), "{:?}", left_over(&healthy.place.path("work")));
}

#[test]
fn an_extractor_ends_the_command_and_writes_nothing() {
    let case = Case::new("proposer", "on: nobody, how: never");
    let run = |how: &str| {
        let backbone = format!("{{ on: nobody, width: {WIDTH}, how: {how} }}");
        let arguments = [
            "features",
            "--backbone",
            &backbone,
            "--image",
            "data/apple/apple-002.png",
            "--image",
            "data/apple/apple-003.png",
            "--output",
            "features.safetensors",
            "--plugin-dir",
        ];
        let output = convert().current_dir(case.place.path("")).args(arguments).arg(case.plugins.path()).output().expect("convert can be started");
        (output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0)), stderr(&output))
    };
    let left = |folder: &Path| {
        std::fs::read_dir(folder).expect("a folder").flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("features"))
    };
    for (how, code, said) in [
        ("panic", 1, "apple-003.png"),
        ("fail", 1, "apple-003.png"),
        ("too-few", 1, "apple-003.png"),
        ("nan", 1, "apple-003.png"),
        ("panic-at-once", 2, "this plugin cannot be built"),
        ("abort", -6, ""),
        ("segfault", -11, ""),
    ] {
        let (ended, text) = run(how);
        assert!(ended == code && text.contains(said) && (code < 0 || text.contains("error: ")), "{how}: {ended}: {text}");
        assert!(code < 0 || !left(&case.place.path("")), "{how}: half a file is left");
    }
    assert_eq!(run("never").0, 0, "what the dead left is out of the way");
    assert!(case.place.path("features.safetensors").is_file());
}

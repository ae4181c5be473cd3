//! What a run survives: a termination in the middle of a shard, stored files that are damaged, and samples that fail in a row.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use convert_tests::{Place, build_folder, files_below as files, plugin_folder, stderr};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 500
dataset: { plugin: scenes, count: 240, size: 224 }
proposals:
  - plugin: maskcut
    config: { backbone: { family: patch-stats }, input_size: 224, tau: 0.5, masks: 3 }
refine: [ { plugin: fill-holes } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 128, epochs: 4, hidden: 16 } }
export: [ { plugin: multilabel-tsv, file: labels.tsv }, { plugin: coco, file: annotations.json } ]
";

fn results(place: &Place) -> [Vec<u8>; 2] {
    ["labels.tsv", "annotations.json"].map(|file| place.result(file))
}

fn succeed(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

#[test]
fn a_termination_ends_the_run_soon_and_the_next_one_takes_up_what_was_done_of_the_shard() {
    let (stopped, whole) = (Place::new(RECIPE), Place::new(RECIPE));
    let first = Command::new(build_folder().join("convert"))
        .current_dir(stopped.path(""))
        .args(["--recipe", "recipe.yaml", "--threads", "2"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("convert can be started");
    // A moment after the first call of a plugin is noted, behind the header of 4,096 bytes.
    let begun = Instant::now();
    let working = || std::fs::metadata(stopped.path("work/in-flight")).is_ok_and(|notes| notes.len() > 4096);
    while !working() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(400));
    let asked = Instant::now();
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {}", first.id())]).status().expect("a shell").success());
    let output = first.wait_with_output().expect("convert ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let parts: Vec<PathBuf> = files(&stopped.path("work/stages")).into_iter().filter(|file| file.to_string_lossy().contains("unfinished")).collect();
    assert!(!parts.is_empty(), "nothing was kept of the shard: {}", stderr(&output));

    let decoded = |place: &Place| {
        let output = place.command(&["--threads", "2", "-vv"]).output().expect("convert can be started");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        text.matches("decoding scene-").count()
    };
    let (fewer, all) = (decoded(&stopped), decoded(&whole));
    assert!(fewer < all, "{fewer} images were decoded after the interruption, {all} in one go");
    assert!(results(&stopped) == results(&whole));
    let left = files(&stopped.path("work/stages")).into_iter().filter(|file| !file.ends_with(".lock"));
    let names = |files: Vec<PathBuf>| files.into_iter().filter_map(|file| Some(file.file_name()?.to_owned())).collect::<Vec<_>>();
    let (mut left, mut expected) =
        (names(left.collect()), names(files(&whole.path("work/stages")).into_iter().filter(|file| !file.ends_with(".lock")).collect()));
    left.sort();
    expected.sort();
    assert_eq!(left, expected, "nothing is left over");
}

#[test]
fn stored_files_that_are_damaged_are_named_set_aside_and_made_again() {
    let small = RECIPE.replace("count: 240", "count: 20").replace("shard_size: 500", "shard_size: 8");
    let place = Place::new(&small);
    succeed(&place, &[]);
    let expected = results(&place);
    let stages = ["proposals-", "refine-", "regions-", "select-", "train-", "predict-", "labels-"];
    let folder_of = |stage: &str| {
        let folders = std::fs::read_dir(place.path("work/stages")).expect("stages").flatten().map(|entry| entry.path());
        folders.into_iter().find(|folder| folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(stage)))
    };
    let rounds = std::env::var("CONVERT_SOAK").ok().and_then(|count| count.parse().ok()).unwrap_or(3 * stages.len());
    let (mut state, mut said) = (7u64, 0);
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 20) as usize % below
    };
    for round in 0..rounds {
        let at = round % stages.len();
        let folder = folder_of(stages[at]).expect("the stage ran");
        // Of a training its head and its record count, of another stage its shards.
        let read = |file: &PathBuf| {
            file.extension().is_some_and(|end| end == "parquet") || file.ends_with("head.safetensors") || file.ends_with("trained.json")
        };
        let mut there: Vec<PathBuf> = files(&folder).into_iter().filter(read).collect();
        there.sort();
        let file = there.swap_remove(draw(there.len()));
        let mut bytes = std::fs::read(&file).expect("the file is there");
        let bit = draw(bytes.len() * 8);
        match round / stages.len() % 3 {
            0 | 1 => bytes[bit / 8] ^= 1 << (bit % 8),
            _ => bytes.truncate(bit / 8),
        }
        std::fs::write(&file, bytes).expect("the file can be written");
        // What is read only to make something else is read when that is missing.
        for later in &stages[at + 1..] {
            std::fs::remove_dir_all(folder_of(later).expect("the stage ran")).expect("it can be removed");
        }
        let text = succeed(&place, &[]);
        said += usize::from(text.contains("is damaged"));
        assert!(results(&place) == expected, "round {round}, bit {bit} of {}: other bytes: {text}", file.display());
        let kept: Vec<PathBuf> = files(&folder).into_iter().filter(|file| file.extension().is_some_and(|end| end == "damaged")).collect();
        assert!(!kept.is_empty() || !text.contains("is damaged"), "it is kept");
        kept.into_iter().for_each(|file| std::fs::remove_file(file).expect("it can be removed"));
    }
    // A bit of a checksum's name makes a file one of earlier versions, which had none.
    println!("{said} of {rounds} damaged files were noticed; the bytes were the same after all");
    assert!(said * 50 >= rounds * 49, "{said} of {rounds}");
}

#[test]
fn many_failures_in_a_row_stop_the_run_whatever_the_shards_and_a_stated_number_lets_it_go_on() {
    let recipe = |more: &str| {
        format!(
            "version: 1
work_dir: work
shard_size: 15
{more}
dataset: {{ plugin: image-folder, root: data }}
proposals: [ {{ plugin: grid, config: {{ cells: 2 }} }} ]
select: {{ plugin: keep-largest }}
label: {{ plugin: mlp-head, config: {{ backbone: {{ family: patch-stats }}, input_size: 96, epochs: 2, hidden: 16 }} }}
export: [ {{ plugin: multilabel-tsv, file: labels.tsv }} ]
"
        )
    };
    let with_broken = |more: &str, count: u32| {
        let place = Place::new(&recipe(more));
        place.write_images(&["disc", "square"], 12);
        for number in 0..count {
            std::fs::write(place.path(&format!("data/square/torn-{number:03}.png")), "torn").expect("a file");
        }
        let output = place.run(&["--threads", "2"]);
        (output.status.code(), stderr(&output), place)
    };
    let (code, text, place) = with_broken("", 40);
    assert_eq!(code, Some(3), "many samples were skipped: {text}");
    let ledger = String::from_utf8(place.result("errors.jsonl")).expect("text");
    assert_eq!(ledger.lines().filter(|line| line.contains("\"kind\":\"invalid-input\"")).count(), 40, "{ledger}");
    let (code, text, _) = with_broken("", 100);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.contains("64 samples in a row failed") && line.contains("max_errors")), "{text}");
    let (code, text, place) = with_broken("max_errors: 100", 100);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(place.result("errors.jsonl").iter().filter(|byte| **byte == b'\n').count(), 100);
}

#[test]
fn samples_that_were_left_out_are_tried_again_and_what_depends_on_them_is_made_anew_where_they_no_longer_fail() {
    let recipe = "version: 1
work_dir: work
shard_size: 7
dataset: { plugin: scenes, count: 30, size: 96 }
proposals: [ { plugin: grid, config: { cells: 2 } } ]
select: { plugin: picky, config: { fault: fault } }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 2, hidden: 16 } }
export: [ { plugin: multilabel-tsv, file: labels.tsv }, { plugin: coco, file: annotations.json } ]
";
    let plugins = plugin_folder("convert_test_hostile");
    let run = |place: &Place, arguments: &[&str]| {
        let output = place.command(arguments).arg("--plugin-dir").arg(plugins.path()).output().expect("convert can be started");
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        text
    };
    let (whole, place) = (Place::new(recipe), Place::new(recipe));
    run(&whole, &["--strict"]);
    std::fs::write(place.path("fault"), "").expect("a file");
    run(&place, &[]);
    let lines = |place: &Place| place.result("errors.jsonl").iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines(&place), 3);
    let with_fault = results(&place);
    assert!(with_fault != results(&whole));

    let text = run(&place, &["--retry-errors"]);
    assert!(text.contains("failed as before") && !text.contains("training mlp-head"), "{text}");
    assert!(lines(&place) == 3 && results(&place) == with_fault);

    std::fs::remove_file(place.path("fault")).expect("it can be removed");
    run(&place, &[]);
    assert!(lines(&place) == 3 && results(&place) == with_fault, "what is stored stays until it is asked for again");
    let text = run(&place, &["--retry-errors", "--strict"]);
    assert!(text.contains("training mlp-head"), "{text}");
    assert!(lines(&place) == 0 && results(&place) == results(&whole));
    assert!(run(&place, &["--retry-errors"]).contains("nothing to try again"));
}

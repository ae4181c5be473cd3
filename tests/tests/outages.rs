//! Files that cannot be reached for a while: a run ends with the bytes of an undisturbed one, or it fails and the next one has them. Never anything else.
//!
//! `CONVERT_SOAK=200` tries so many schedules; without it there are a few.

use std::time::{Duration, Instant};

use assert_cmd::Command;
use convert_tests::{Place, build_folder, stderr};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 15
dataset: { plugin: image-folder, root: data }
proposals: [ { plugin: grid, config: { cells: 2 } } ]
refine: [ { plugin: fill-holes } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 2, hidden: 16, views: 2 } }
export: [ { plugin: multilabel-tsv, file: labels.tsv }, { plugin: coco, file: annotations.json } ]
";

fn place() -> Place {
    let place = Place::new(RECIPE);
    place.write_images(&["disc", "square"], 60);
    place
}

fn results(place: &Place) -> [Vec<u8>; 2] {
    ["labels.tsv", "annotations.json"].map(|file| place.result(file))
}

/// The run with a schedule of faults for what lies below these folders.
fn troubled(place: &Place, folders: &[&str], schedule: &str) -> Command {
    let mut command = place.command(&["--threads", "2"]);
    let folders: Vec<String> = folders.iter().map(|folder| place.path(folder).display().to_string()).collect();
    command.env("LD_PRELOAD", build_folder().join("libconvert_test_faulty_io.so"));
    command.env("FAULTY_IO_FOLDERS", folders.join(":")).env("FAULTY_IO", schedule).timeout(Duration::from_secs(120));
    command
}

fn assert_untroubled(place: &Place, expected: &[Vec<u8>; 2], what: &str) {
    assert!(results(place) == *expected, "{what}: other bytes");
    assert_eq!(place.result("errors.jsonl").len(), 0, "{what}: somebody is blamed");
}

#[test]
fn a_folder_that_is_away_for_a_moment_changes_nothing_and_one_that_stays_away_stops_the_run() {
    let undisturbed = place();
    let output = undisturbed.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let expected = results(&undisturbed);

    let moment = place();
    let output = troubled(&moment, &["data"], "enoent@250+900").output().unwrap();
    let text = stderr(&output);
    assert!(text.contains("trying again in"), "the schedule missed the run: {text}");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_untroubled(&moment, &expected, "away for a moment");

    let long = place();
    let output = troubled(&long, &["data"], "estale@300+60000").output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains("start again once it can") && last.contains("data/"), "{last}");
    assert_eq!(long.result("errors.jsonl").len(), 0, "no sample is to blame");
    assert_eq!(long.run(&["--strict"]).status.code(), Some(0));
    assert_untroubled(&long, &expected, "away for long");
}

/// A schedule from a seed: up to three faults within the time that a run takes.
fn schedule(seed: u64, length: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let faults = ["enoent", "eio", "eacces", "estale", "emfile", "short", "slow"];
    let count = 1 + draw(3);
    let fault = |_| format!("{}@{}+{}", faults[draw(7) as usize], draw(length.max(1)), [100, 300, 700, 1500, 5000][draw(5) as usize]);
    (0..count).map(fault).collect::<Vec<_>>().join(",")
}

#[test]
fn whatever_fails_whenever_it_fails_the_bytes_are_those_of_an_undisturbed_run() {
    let undisturbed = place();
    let begun = Instant::now();
    let output = undisturbed.run(&["--threads", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (expected, length) = (results(&undisturbed), begun.elapsed().as_millis() as u64);
    let count = std::env::var("CONVERT_SOAK").ok().and_then(|count| count.parse().ok()).unwrap_or(6);
    let mut ended = [0; 3];
    for seed in 1..=count {
        let (place, schedule) = (place(), schedule(seed, length));
        // Stage files and caches are hit by every other schedule.
        let folders: &[&str] = if seed % 2 == 0 { &["data", "work"] } else { &["data"] };
        let what = format!("seed {seed}, {schedule} in {folders:?}");
        let output = troubled(&place, folders, &schedule).output().unwrap();
        let text = stderr(&output);
        match output.status.code() {
            Some(0) => {}
            // 2: it was away when the dataset was opened.
            Some(code @ (1 | 2)) => {
                ended[code as usize] += 1;
                let again = place.run(&[]);
                assert_eq!(again.status.code(), Some(0), "{what}: {text}\nand again: {}", stderr(&again));
                assert_untroubled(&place, &expected, &what);
                continue;
            }
            other => panic!("{what}: ended with {other:?}: {text}"),
        }
        ended[0] += 1;
        assert!(results(&place) == expected, "{what}: other bytes: {text}");
        assert_untroubled(&place, &expected, &what);
    }
    println!("{count} schedules: {} went through, {} failed and were completed, {} could not begin", ended[0], ended[1], ended[2]);
}

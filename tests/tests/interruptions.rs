//! Runs that are killed, terminated or out of disk at any moment: the next one goes on, the bytes are those of an undisturbed run, nothing is left over and no shard that
//! was stored is computed again.
//!
//! `CONVERT_SOAK=N` (`make soak`) makes it as many kills as N / 5, N / 10 terminations and N / 10 full disks; without it there are a few. There the longest termination
//! must take less than 10 s, unless `CONVERT_SOAK_SHARED` says that the machine has other work.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use convert_tests::{Place, build_folder, files_below, left_over, stderr};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 12
dataset: { plugin: scenes, count: 96, size: 160 }
proposals:
  - plugin: maskcut
    config: { backbone: { family: patch-stats }, input_size: 160, tau: 0.5, masks: 2 }
refine: [ { plugin: fill-holes } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 128, epochs: 6, hidden: 16, cache: true } }
export: [ { plugin: multilabel-tsv, file: labels.tsv }, { plugin: coco, file: annotations.json } ]
";

/// How often something is done: `share` of the soak's number, or a few times.
fn times(share: u64, few: u64) -> u64 {
    std::env::var("CONVERT_SOAK").ok().and_then(|count| count.parse::<u64>().ok()).map_or(few, |count| count / share)
}

struct Undisturbed {
    results: [Vec<u8>; 2],
    length: Duration,
    files: Vec<String>,
}

fn results(place: &Place) -> [Vec<u8>; 2] {
    ["labels.tsv", "annotations.json"].map(|file| place.result(file))
}

/// Names below `work`, those of features left out, of which a killed run may have made more than it needed.
fn names(place: &Place) -> Vec<String> {
    let work = place.path("work");
    let name = |file: PathBuf| file.strip_prefix(&work).map(|file| file.display().to_string()).unwrap_or_default();
    let mut names: Vec<String> = files_below(&work).into_iter().map(name).filter(|name| !name.starts_with("cache/features")).collect();
    names.sort();
    names
}

fn undisturbed() -> Undisturbed {
    let place = Place::new(RECIPE);
    let begun = Instant::now();
    let output = place.run(&["--threads", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    Undisturbed { results: results(&place), length: begun.elapsed(), files: names(&place) }
}

impl Undisturbed {
    fn check(&self, place: &Place, what: &str) {
        assert!(results(place) == self.results, "{what}: other bytes");
        assert_eq!(place.result("errors.jsonl").len(), 0, "{what}: somebody is blamed");
        assert_eq!(names(place), self.files, "{what}: something is left over");
        assert!(left_over(&place.path("work")).is_empty(), "{what}: {:?}", left_over(&place.path("work")));
    }
}

/// The stored shards: by path, what changes when one is written again.
fn shards(place: &Place) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let stages = files_below(&place.path("work/stages")).into_iter();
    let shards =
        stages.filter(|file| file.extension().is_some_and(|extension| extension == "parquet") && !file.to_string_lossy().contains("unfinished"));
    shards
        .map(|file| {
            let metadata = std::fs::metadata(&file).expect("the file is there");
            (file, (metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
        })
        .collect()
}

fn draw(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % below.max(1)
}

/// Starts a run and sends it a signal after a while; how it ended, how long that took from the signal on, and what it said.
fn signalled(place: &Place, signal: &str, after: Duration) -> (ExitStatus, Duration, String) {
    let log = place.path("log");
    let mut process = Command::new(build_folder().join("convert"))
        .current_dir(place.path(""))
        .args(["--recipe", "recipe.yaml", "--threads", "2"])
        .stderr(Stdio::from(File::create(&log).expect("a file")))
        .spawn()
        .expect("convert can be started");
    let begun = Instant::now();
    while begun.elapsed() < after && process.try_wait().expect("it can be asked").is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let asked = Instant::now();
    // It may have ended just now.
    let _ = Command::new("sh").args(["-c", &format!("kill -{signal} {} 2>/dev/null", process.id())]).status();
    let status = process.wait().expect("it ends");
    (status, asked.elapsed(), std::fs::read_to_string(&log).unwrap_or_default())
}

/// Signals runs of one work directory after the other until so many were hit, and checks each directory once it is finished.
fn interrupt(signal: &str, count: u64, mut hit: impl FnMut(&ExitStatus, Duration, &str)) {
    let expected = undisturbed();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    let (mut hits, mut finished, mut again) = (0, 0, 0);
    while hits < count {
        let place = Place::new(RECIPE);
        let mut stored: BTreeMap<PathBuf, (u64, i64, i64)> = BTreeMap::new();
        loop {
            let after = Duration::from_millis(draw(&mut state, expected.length.as_millis() as u64));
            let (status, time, text) = signalled(&place, signal, after);
            let now = shards(&place);
            for (file, written) in &stored {
                assert_eq!(now.get(file), Some(written), "{} was computed again: {text}", file.display());
                again += 1;
            }
            stored = now;
            if status.code() == Some(0) {
                break;
            }
            hit(&status, time, &text);
            hits += 1;
            if hits == count {
                let output = place.run(&["--threads", "2", "--strict"]);
                assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
                break;
            }
        }
        finished += 1;
        expected.check(&place, &format!("after {hits} × SIG{signal}"));
    }
    println!("{hits} × SIG{signal} in {finished} work directories; stored shards were found as they were {again} times");
}

#[test]
fn kills_at_any_moment_lose_no_more_than_what_was_in_work() {
    interrupt("KILL", times(5, 4), |status, _, text| assert_eq!(status.signal(), Some(9), "{text}"));
}

#[test]
fn terminations_at_any_moment_end_the_run_soon_and_it_goes_on() {
    let mut longest = Duration::ZERO;
    interrupt("TERM", times(10, 4), |status, time, text| {
        // Before the handler is there the signal ends the process by itself.
        assert!(status.code() == Some(130) || status.signal() == Some(15), "{status}: {text}");
        longest = longest.max(time);
    });
    println!("the longest SIGTERM took {:.2} s", longest.as_secs_f64());
    // On a machine that other tests share time says little.
    assert!(longest < Duration::from_secs(10) || std::env::var_os("CONVERT_SOAK_SHARED").is_some() || std::env::var_os("CONVERT_SOAK").is_none());
}

#[test]
fn a_disk_that_is_full_at_any_moment_is_named_and_the_run_goes_on_when_it_is_not() {
    let expected = undisturbed();
    let troubled = |place: &Place, schedule: &str| {
        let mut command = place.command(&["--threads", "2"]);
        command.env("LD_PRELOAD", build_folder().join("libconvert_test_faulty_io.so")).env("FAULTY_IO_COUNT", place.path("count"));
        command.env("FAULTY_IO_FOLDERS", place.path("work")).env("FAULTY_IO", schedule).timeout(Duration::from_secs(240));
        let output = command.output().expect("convert can be started");
        let counts = std::fs::read_to_string(place.path("count")).unwrap_or_default();
        let counts: Vec<u64> = counts.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        (output.status.code(), stderr(&output), counts[0], counts[1])
    };
    let (code, text, calls, _) = troubled(&Place::new(RECIPE), "");
    assert_eq!(code, Some(0), "{text}");
    let (count, mut full) = (times(10, 3), 0);
    for point in 0..count {
        let place = Place::new(RECIPE);
        let schedule = format!("{}@#{}+600000", ["enospc", "edquot"][point as usize % 2], 1 + calls * point / count);
        let (code, text, _, met) = troubled(&place, &schedule);
        full += u64::from(met > 0);
        assert_eq!(code, Some(i32::from(met > 0)), "{schedule}: {text}");
        if met > 0 {
            let last = text.lines().last().unwrap_or_default();
            let named = last.contains(&place.path("work").display().to_string());
            assert!(last.starts_with("error: ") && named && last.contains(": make room on that disk"), "{schedule}: {text}");
        }
        let output = place.run(&["--threads", "2", "--strict"]);
        assert_eq!(output.status.code(), Some(0), "{schedule}: {}", stderr(&output));
        expected.check(&place, &schedule);
    }
    println!("the disk was full at {full} of {count} points of {calls} calls");
}

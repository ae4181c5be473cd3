//! Files that cannot be reached for a while: a run ends with the bytes of an undisturbed one, or it fails and the next one has them. Never anything else.
//!
//! `CONVERT_SOAK=200` tries so many schedules (`make soak`, docs/survival.md); without it there are a few.

use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use convert_tests::{Place, build_folder, left_over, stderr};

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
fn troubled(place: &Place, folders: &[&Path], schedule: &str) -> Command {
    let mut command = place.command(&["--threads", "2"]);
    let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    command.env("LD_PRELOAD", build_folder().join("libconvert_test_faulty_io.so")).env("FAULTY_IO_COUNT", place.path("count"));
    command.env("FAULTY_IO_FOLDERS", folders.join(":")).env("FAULTY_IO", schedule).timeout(Duration::from_secs(240));
    command
}

/// The calls to the folders of a troubled run, and how many of them a fault met.
fn counted(place: &Place) -> (u64, u64) {
    let text = std::fs::read_to_string(place.path("count")).unwrap_or_default();
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
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
    let output = troubled(&moment, &[&moment.path("data")], "enoent@#700+900").output().unwrap();
    let text = stderr(&output);
    assert!(text.contains("trying again in"), "the schedule missed the run: {text}");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_untroubled(&moment, &expected, "away for a moment");

    let long = place();
    let output = troubled(&long, &[&long.path("data")], "estale@#700+60000").output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains("start again once it can") && last.contains("data/"), "{last}");
    assert_eq!(long.result("errors.jsonl").len(), 0, "no sample is to blame");
    assert_eq!(long.run(&["--strict"]).status.code(), Some(0));
    assert_untroubled(&long, &expected, "away for long");
}

/// What schedules are tried on: a recipe on data that all of them share.
struct Scene {
    recipe: String,
    data: PathBuf,
    expected: [Vec<u8>; 2],
    /// What an undisturbed run takes.
    length: u64,
    calls: u64,
}

impl Scene {
    fn new(data: PathBuf, dataset: &str, labeler: &str) -> Self {
        let dataset = dataset.replace("DATA", data.to_str().expect("a plain path"));
        let recipe = RECIPE.replace("{ plugin: image-folder, root: data }", &dataset).replace("views: 2", labeler);
        let mut scene = Self { recipe, data, expected: Default::default(), length: 0, calls: 0 };
        let place = Place::new(&scene.recipe);
        let begun = Instant::now();
        let output = troubled(&place, &[&scene.data, &place.path("work")], "").output().expect("convert can be started");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (scene.expected, scene.length, scene.calls) = (results(&place), begun.elapsed().as_millis() as u64, counted(&place).0);
        assert!(scene.calls > 1000, "{} calls were seen", scene.calls);
        scene
    }

    /// Images in folders; a tar file, with features that are kept; a table.
    fn all(base: &Place) -> Vec<Self> {
        base.write_images(&["disc", "square"], 60);
        let (folders, tars, table) = (base.path("data"), base.path("tars"), base.path("table"));
        std::fs::create_dir(&tars).expect("a folder");
        std::fs::create_dir(&table).expect("a folder");
        let mut rows = String::from("path,label\n");
        for class in ["disc", "square"] {
            for number in 0..60 {
                let file = folders.join(format!("{class}/{class}-{number:03}.png"));
                std::fs::copy(&file, table.join(format!("{class}-{number:03}.png"))).expect("an image");
                std::fs::copy(&file, tars.join(format!("{class}-{number:03}.png"))).expect("an image");
                std::fs::write(tars.join(format!("{class}-{number:03}.cls")), class).expect("a label");
                rows += &format!("{class}-{number:03}.png,{class}\n");
            }
        }
        std::fs::write(table.join("table.csv"), rows).expect("a table");
        let archive = |pattern: &str, name: &str| {
            let packed = format!("tar -cf {name} {pattern} && rm {pattern}");
            assert!(Program::new("sh").args(["-c", &packed]).current_dir(&tars).status().expect("a shell").success());
        };
        archive("disc-*", "first.tar");
        archive("square-*", "second.tar");
        // A folder that changed just now is not remembered.
        std::thread::sleep(Duration::from_secs(3));
        vec![
            Self::new(folders, "{ plugin: image-folder, root: DATA }", "views: 2"),
            Self::new(tars, "{ plugin: webdataset, root: DATA }", "cache: true"),
            Self::new(table, "{ plugin: manifest, file: DATA/table.csv, root: DATA }", "views: 2"),
        ]
    }

    /// Up to three faults, each at a moment or a call of a run.
    fn schedule(&self, seed: u64) -> String {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below.max(1)
        };
        let faults = ["enoent", "eio", "eacces", "estale", "emfile", "short", "end", "slow", "enospc", "edquot"];
        let count = 1 + draw(3);
        let fault = |_| {
            let fault = faults[draw(faults.len() as u64) as usize];
            let start = if draw(2) == 0 { draw(self.length).to_string() } else { format!("#{}", 1 + draw(self.calls)) };
            format!("{fault}@{start}+{}", [100, 300, 700, 1500, 5000][draw(5) as usize])
        };
        (0..count).map(fault).collect::<Vec<_>>().join(",")
    }

    /// Runs a schedule, and again without it where that failed; the first exit code and the calls that were met, or what is wrong.
    fn attempt(&self, schedule: &str, with_work: bool) -> Result<(i32, u64), String> {
        let place = Place::new(&self.recipe);
        let work = place.path("work");
        let folders: &[&Path] = if with_work { &[&self.data, &work] } else { &[&self.data] };
        let output = troubled(&place, folders, schedule).output().map_err(|error| error.to_string())?;
        let (text, met) = (stderr(&output), counted(&place).1);
        let code = match output.status.code() {
            Some(code @ (0 | 1)) => code,
            // A file that is not there when the recipe is looked at cannot be told from a wrong name.
            Some(2) if schedule.contains("enoent") => 2,
            other => return Err(format!("ended with {other:?}: {text}")),
        };
        if code == 0 && results(&place) != self.expected {
            return Err(format!("other bytes at once: {text}"));
        }
        if code != 0 && !text.lines().last().unwrap_or_default().contains("error: ") && !text.contains("error: ") {
            return Err(format!("no reason: {text}"));
        }
        if text.contains("panicked") || text.contains("internal error") {
            return Err(format!("a mistake of the program: {text}"));
        }
        let again = place.run(&["--threads", "2", "--strict"]);
        if again.status.code() != Some(0) {
            return Err(format!("{text}\nand again {:?}: {}", again.status.code(), stderr(&again)));
        }
        if results(&place) != self.expected {
            return Err(format!("other bytes: {text}\nand again: {}", stderr(&again)));
        }
        match left_over(&work) {
            left if left.is_empty() => Ok((code, met)),
            left => Err(format!("left over: {left:?}: {text}")),
        }
    }
}

#[test]
fn whatever_fails_whenever_it_fails_the_bytes_are_those_of_an_undisturbed_run() {
    let base = Place::new("");
    let scenes = Scene::all(&base);
    let count: u64 = std::env::var("CONVERT_SOAK").ok().and_then(|count| count.parse().ok()).unwrap_or(6);
    let (next, ended, wrong) = (AtomicU64::new(1), Mutex::new([0; 4]), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        // They mostly wait.
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > count {
                        return;
                    }
                    let scene = &scenes[seed as usize % scenes.len()];
                    // Stage files and caches are hit by every other schedule.
                    let (schedule, with_work) = (scene.schedule(seed), seed % 2 == 0);
                    match scene.attempt(&schedule, with_work) {
                        Ok((code, met)) => {
                            let mut ended = ended.lock().expect("no panic");
                            ended[code as usize] += 1;
                            ended[3] += u64::from(met > 0);
                        }
                        Err(text) => wrong
                            .lock()
                            .expect("no panic")
                            .push(format!("seed {seed}, {schedule}{}: {text}", if with_work { " also in work" } else { "" })),
                    }
                }
            });
        }
    });
    let (ended, wrong) = (ended.into_inner().expect("no panic"), wrong.into_inner().expect("no panic"));
    println!(
        "{count} schedules: {} went through, {} failed and were completed, {} could not begin and were completed; {} met at least one call",
        ended[0], ended[1], ended[2], ended[3]
    );
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(ended[3] * 2 > count, "most schedules missed their run: {ended:?}");
}

//! What a run writes and what it leaves alone: only files are replaced, half-written ones of the dead are removed, and what cannot be written is found at the start.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use convert_formats::whole_file::Temporary;
use convert_tests::{Place, build_folder, convert, stderr};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 8
dataset: { plugin: scenes, count: 16, size: 96 }
proposals: [ { plugin: grid, config: { cells: 2 } } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 2 } }
export:
  - { plugin: multilabel-tsv, file: FILE }
";

fn place(file: &str) -> Place {
    Place::new(&RECIPE.replace("FILE", file))
}

fn check_command(place: &Place) -> std::process::Output {
    convert().current_dir(place.path("")).args(["check", "recipe.yaml"]).output().expect("convert can be started")
}

fn succeed(place: &Place, arguments: &[&str]) {
    let output = place.run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// `check` and a run refuse the recipe in one line at the file's place, and the run begins no work.
fn refused(place: &Place, expected: &str) {
    for output in [check_command(place), place.run(&[])] {
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{text}");
        assert!(errors[0].starts_with("error: recipe.yaml:9:37: ") && errors[0].contains(expected), "`{expected}` is not in {}", errors[0]);
    }
    assert!(!place.path("work/stages").exists(), "no work was begun");
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo can be started").success());
}

fn files_of(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_no_file_is_refused_before_any_work_and_stays_as_it_is() {
    let fifo = place("out/pipe");
    fs::create_dir_all(fifo.path("work/out")).unwrap();
    make_fifo(&fifo.path("work/out/pipe"));
    refused(&fifo, "work/out/pipe is a FIFO: name a regular file");
    assert!(fs::symlink_metadata(fifo.path("work/out/pipe")).unwrap().file_type().is_fifo());

    let socket = place("socket");
    fs::create_dir_all(socket.path("work")).unwrap();
    let _listener = UnixListener::bind(socket.path("work/socket")).unwrap();
    refused(&socket, "work/socket is a socket");
    assert!(fs::symlink_metadata(socket.path("work/socket")).unwrap().file_type().is_socket());

    let folder = place("mine");
    fs::create_dir_all(folder.path("work/mine")).unwrap();
    refused(&folder, "work/mine is a folder");

    // A link, so that nothing happens to the device whatever goes wrong; and `check` alone, which writes nothing.
    let device = place("/dev/null");
    let text = stderr(&check_command(&device));
    assert!(text.contains("recipe.yaml:9:37: /dev/null is a device"), "{text}");

    let below = place("notes.txt/labels.tsv");
    fs::create_dir_all(below.path("work")).unwrap();
    fs::write(below.path("work/notes.txt"), "buy milk").unwrap();
    refused(&below, "work/notes.txt is a file, so nothing can lie below it");

    let circle = place("a");
    fs::create_dir_all(circle.path("work")).unwrap();
    symlink("b", circle.path("work/a")).unwrap();
    symlink("a", circle.path("work/b")).unwrap();
    refused(&circle, "leads through more than 40 symbolic links");

    let unmounted = place("labels.tsv");
    fs::create_dir_all(unmounted.path("work")).unwrap();
    symlink(unmounted.path("disk/labels.tsv"), unmounted.path("work/labels.tsv")).unwrap();
    refused(&unmounted, "disk/labels.tsv, whose folder does not exist");
    assert!(!unmounted.path("disk").exists());
}

#[test]
fn names_of_no_file_are_refused() {
    for name in [".", "\"\"", "..", "sub/..", "sub/.", "sub/", "/"] {
        refused(&place(name), "names no file to write");
    }
    refused(&place("\"a\\0b\""), "contains a NUL character");
    for name in ["stages/labels.tsv", "measured.json", "./cache", ".measure/x", "errors.jsonl", "sub/../stages"] {
        refused(&place(name), "is a name that the run itself uses");
    }
    let two = Place::new(&(RECIPE.replace("FILE", "a") + "  - { plugin: jsonl, file: a/b }\n"));
    let text = stderr(&two.run(&[]));
    assert!(text.contains("recipe.yaml:10:28: one exporter writes") && text.contains("work/a/b below it"), "{text}");
    // Two names of one file.
    let same = Place::new(&(RECIPE.replace("FILE", "a") + "  - { plugin: jsonl, file: b }\n"));
    fs::create_dir_all(same.path("work")).unwrap();
    symlink("a", same.path("work/b")).unwrap();
    let text = stderr(&same.run(&[]));
    assert!(text.contains("recipe.yaml:10:28: two exporters write"), "{text}");
    let work = place("labels.tsv");
    fs::write(work.path("work"), "buy milk").unwrap();
    let text = stderr(&work.run(&[]));
    assert!(text.contains("recipe.yaml:2:11: the work directory") && text.contains("is not a folder"), "{text}");
}

#[test]
fn a_link_stays_a_link_and_what_it_leads_to_is_written_in_its_own_folder() {
    let place = place("labels.tsv");
    fs::create_dir_all(place.path("work")).unwrap();
    fs::create_dir_all(place.path("elsewhere")).unwrap();
    let (link, target) = (place.path("work/labels.tsv"), place.path("elsewhere/mine.tsv"));
    symlink("../elsewhere/mine.tsv", &link).unwrap();
    succeed(&place, &[]);
    assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 16);
    fs::write(&target, "old").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    succeed(&place, &[]);
    assert_eq!(fs::read_to_string(&target).unwrap().lines().count(), 16);
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("../elsewhere/mine.tsv"));
    assert_eq!(files_of(&place.path("elsewhere")), ["mine.tsv"]);
}

/// A name that a temporary file of this process has, with one of its parts changed. The parts from the end: extension, random, start, process, namespace, boot, host.
fn changed(name: &str, part: usize, value: &str) -> String {
    let mut parts: Vec<&str> = name.rsplit('.').collect();
    parts[part] = value;
    parts.reverse();
    parts.join(".")
}

#[test]
fn half_written_files_of_the_living_stay_and_those_of_the_dead_go() {
    let shared = tempfile::tempdir().unwrap();
    let place = place(shared.path().join("labels.tsv").to_str().unwrap());
    let (mine, _) = Temporary::create(&shared.path().join("labels.tsv")).unwrap();
    let name = mine.path().file_name().unwrap().to_str().unwrap().to_owned();
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let write = |name: &str, days: u64| {
        let file = fs::File::create(shared.path().join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60 + 60)).unwrap();
        name.to_owned()
    };
    let dead = [
        write(&changed(&name, 3, &ended.id().to_string()), 0),
        write(&changed(&name, 2, "1"), 0),
        write(&changed(&name, 5, "0123456789ab"), 0),
        write(&changed(&name, 6, "other-01234567"), 1),
        write("labels.tsv.4711.convert-tmp", 1),
    ];
    let unknown = [
        write(&changed(&name, 6, "other-01234567"), 0),
        write(&changed(&name, 4, "17"), 0),
        write("labels.tsv.4712.convert-tmp", 0),
        write("notes.partial", 9),
        write("notes.tmp", 9),
    ];
    // One that is dead and old by its name, but no file.
    let folder = shared.path().join(changed(&name, 3, "999999999"));
    fs::create_dir(&folder).unwrap();
    assert_eq!(dead[3], unknown[0], "the same name, so old first");
    fs::File::options()
        .write(true)
        .open(shared.path().join(&dead[3]))
        .unwrap()
        .set_modified(SystemTime::now() - Duration::from_secs(90_000))
        .unwrap();
    succeed(&place, &[]);
    for name in &dead {
        assert!(!shared.path().join(name).exists(), "{name} is left");
    }
    for name in &unknown[1..] {
        assert!(shared.path().join(name).exists(), "{name} is gone");
    }
    assert!(mine.path().exists() && folder.is_dir() && shared.path().join("labels.tsv").is_file());
    // The other host's, written to within the day.
    write(&unknown[0], 0);
    fs::remove_file(place.path("work/.exports.json")).unwrap();
    succeed(&place, &[]);
    assert!(shared.path().join(&unknown[0]).exists());
    // What its owner drops is gone at once.
    let path = mine.path().to_owned();
    drop(mine);
    assert!(!path.exists());
}

fn start(place: &Place) -> Child {
    Command::new(build_folder().join("convert"))
        .current_dir(place.path(""))
        .args(["--recipe", "recipe.yaml"])
        .stderr(Stdio::null())
        .spawn()
        .expect("convert can be started")
}

/// Two runs export into one folder; one of them is killed while it writes there. The other's files come out whole, and in the end nothing else is left.
#[test]
fn two_runs_that_share_an_export_folder_do_not_take_each_others_files() {
    let shared = tempfile::tempdir().unwrap();
    let file = |name: &str| shared.path().join(name);
    let place = |name: &str| {
        let more = format!(
            "  - {{ plugin: coco, file: {} }}\n  - {{ plugin: html-report, file: {} }}\n",
            file(&format!("{name}.json")).display(),
            file(&format!("{name}.html")).display()
        );
        Place::new(&(RECIPE.replace("FILE", file(&format!("{name}.tsv")).to_str().unwrap()) + &more))
    };
    let (killed, whole) = (place("killed"), place("whole"));
    succeed(&killed, &[]);
    succeed(&whole, &[]);
    let contents = |name: &str| ["tsv", "json"].map(|extension| fs::read(file(&format!("{name}.{extension}"))).unwrap());
    let expected = contents("whole");
    let temporary = |prefix: &str| files_of(shared.path()).into_iter().any(|name| name.starts_with(prefix) && name.ends_with("convert-tmp"));
    let mut in_the_middle = 0;
    let rounds = std::env::var("CONVERT_SOAK").map_or(12, |_| 40);
    for _ in 0..rounds {
        for place in [&killed, &whole] {
            fs::remove_file(place.path("work/.exports.json")).unwrap();
        }
        let (mut first, mut second) = (start(&killed), start(&whole));
        while first.try_wait().unwrap().is_none() && !temporary("killed.html") {}
        first.kill().unwrap();
        first.wait().unwrap();
        in_the_middle += u32::from(temporary("killed."));
        // A third one removes what the first one left, and nothing of the second.
        fs::write(killed.path("work/.exports.json"), "{}").unwrap();
        succeed(&killed, &[]);
        assert!(second.wait().unwrap().success());
        assert!(contents("whole") == expected && contents("killed") == expected);
    }
    println!("{in_the_middle} of {rounds} runs were killed while they wrote");
    assert!(in_the_middle > 0, "no run was killed while it wrote");
    assert_eq!(files_of(shared.path()), ["killed.html", "killed.json", "killed.tsv", "whole.html", "whole.json", "whole.tsv"]);
}

#[test]
fn an_id_that_an_exporter_cannot_write_is_found_at_the_start() {
    let recipe = RECIPE.replace("plugin: scenes, count: 16, size: 96", "plugin: image-folder, root: data");
    let place = Place::new(&recipe.replace("FILE", "labels.tsv"));
    place.write_images(&["apple", "pear"], 4);
    fs::rename(place.path("data/pear/pear-002.png"), place.path("data/pear/a\tb.png")).unwrap();
    for output in [check_command(&place), place.run(&[])] {
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("error: recipe.yaml:9:15: exporter multilabel-tsv: the id \"pear/a\\tb.png\" contains a tab"), "{text}");
    }
    assert!(!place.path("work/stages").exists(), "no work was begun");
    let other = place.run(&["--set", "export.0.plugin=jsonl"]);
    assert_eq!(other.status.code(), Some(0), "{}", stderr(&other));
}

#[test]
fn half_written_features_are_collected_when_their_folder_is_written_again() {
    let place = Place::new(&RECIPE.replace("epochs: 2", "epochs: 2, cache: true").replace("FILE", "labels.tsv"));
    succeed(&place, &[]);
    let inner = |path: PathBuf| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let is_features = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("features-"));
    let files: Vec<PathBuf> = inner(place.path("work/cache")).filter(is_features).flat_map(inner).flat_map(inner).collect();
    assert!(files.len() >= 16 && files.iter().all(|file| file.extension().is_some_and(|extension| extension == "f32")), "{files:?}");
    let planted = |number: u32, hours: u64| {
        let path = files[0].with_extension(format!("{number}-ThreadId(3).partial"));
        fs::File::create(&path).unwrap().set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
        path
    };
    let (old, new) = (planted(1, 25), planted(2, 23));
    let before = fs::read(&files[0]).unwrap();
    fs::remove_file(&files[0]).unwrap();
    succeed(&place, &["--fresh"]);
    assert!(!old.exists() && new.exists());
    assert!(fs::read(&files[0]).unwrap() == before);
}

#[test]
fn commands_that_write_a_file_refuse_what_is_none_before_they_begin() {
    let place = Place::new("");
    make_fifo(&place.path("pipe"));
    fs::create_dir(place.path("folder")).unwrap();
    let commands: [&[&str]; 4] = [
        &["features", "--backbone", "{ family: patch-stats, input_size: 64 }", "--image", "none.png", "--output"],
        &["evaluate", "labels", "--predictions", "none.tsv", "--truth", "none.json", "--json"],
        &["evaluate", "proposals", "--predictions", "none.json", "--truth", "none.json", "--json"],
        &["pairs", "--truth", "none.json", "--output"],
    ];
    for command in commands {
        for (file, what) in [("pipe", "a FIFO"), ("folder", "a folder"), ("/dev/null", "a device")] {
            let output = convert().current_dir(place.path("")).args(command).arg(file).timeout(Duration::from_secs(20)).output().unwrap();
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{command:?}: {text}");
            assert!(text.starts_with(&format!("error: cannot write {file}: ")) && text.contains(&format!(" is {what}: ")), "{text}");
        }
    }
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

#[test]
fn a_work_directory_that_plugins_could_not_be_told_is_refused() {
    let place = place("labels.tsv");
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    let output = place.command(&["--work-dir"]).arg(place.path("").join(name)).output().expect("convert can be started");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("caf\\xE9\" is not UTF-8, which plugins need"), "{text}");
    assert!(!place.path("").join(name).exists());
}

#[test]
fn two_samples_whose_maps_would_be_one_file_are_found_before_the_maps_are_made() {
    let recipe = RECIPE.replace("plugin: scenes, count: 16, size: 96", "plugin: image-folder, root: data");
    let place = Place::new(&recipe.replace("FILE", "labels.tsv"));
    place.write_images(&["apple", "pear"], 3);
    succeed(&place, &[]);
    fs::copy(place.path("data/pear/pear-000.png"), place.path("data/pear/pear-000.jpg")).unwrap();
    let stage = ["stage", "label-maps", "--recipe", "recipe.yaml", "--output", "maps"];
    let output = convert().current_dir(place.path("")).args(stage).output().expect("convert can be started");
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("pear/pear-000.png and pear/pear-000.jpg would both be written to ") && text.contains("pear-000.pt"), "{text}");
    let stages = files_of(&place.path("work/stages"));
    assert!(!stages.iter().any(|stage| stage.starts_with("label-maps")) && !place.path("maps").exists(), "{stages:?}");
}

#[test]
fn a_folder_that_cannot_be_written_is_found_before_any_work() {
    let place = place("/proc/nowhere/labels.tsv");
    let output = place.run(&[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.lines().last().unwrap().starts_with("error: cannot make /proc/nowhere: "), "{text}");
    assert!(!place.path("work/stages").exists(), "no work was begun");
}

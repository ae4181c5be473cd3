//! Whole runs through real plugins: the same bytes whatever the threads and interruptions, bad samples, what the cache keeps, and the files that come out.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use convert_tests::{Place, build_folder, convert, repository, stderr, stdout};

const SCENES: &str = "version: 1
work_dir: work
shard_size: 8
dataset: { plugin: scenes, count: 24, size: 128 }
proposals:
  - plugin: maskcut
    config: { backbone: { family: patch-stats }, input_size: 128, tau: 0.5, masks: 3 }
refine: [ { plugin: fill-holes } ]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 128, epochs: 12, hidden: 64 } }
export:
  - { plugin: multilabel-tsv, file: labels.tsv }
  - { plugin: coco, file: annotations.json }
  - { plugin: html-report, file: report.html, config: { images: 6 } }
";

fn succeed(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

/// The stages of a run's table: name, images, images from the cache.
fn stages(text: &str) -> Vec<(String, u64, u64)> {
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix('│'));
    let cells = rows.map(|row| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    cells.filter_map(|row| Some((row.first()?.clone(), row.get(1)?.parse().ok()?, row.get(2)?.parse().ok()?))).collect()
}

#[test]
fn threads_and_a_second_run_change_no_byte() {
    let (one, two) = (Place::new(SCENES), Place::new(SCENES));
    succeed(&one, &["--threads", "1"]);
    let text = succeed(&two, &["--threads", "2"]);
    for file in ["labels.tsv", "annotations.json"] {
        assert!(one.result(file) == two.result(file), "{file} depends on the threads");
    }
    assert!(text.contains("per-image AP") && text.contains("single label"), "scenes know the truth:\n{text}");

    let before = one.result("labels.tsv");
    let again = succeed(&one, &[]);
    assert!(stages(&again).iter().all(|(_, images, cached)| images == cached), "all of it is cached:\n{again}");
    assert_eq!(stages(&again).len(), 7, "{again}");
    let fresh = succeed(&one, &["--fresh"]);
    assert!(stages(&fresh).iter().all(|(_, _, cached)| *cached == 0), "{fresh}");
    assert!(before == one.result("labels.tsv"), "--fresh changed the labels");
}

#[test]
fn a_changed_value_redoes_what_depends_on_it_and_no_more() {
    let place = Place::new(SCENES);
    succeed(&place, &[]);
    let redone = |arguments: &[&str]| -> Vec<String> {
        let text = succeed(&place, arguments);
        stages(&text).into_iter().filter(|(_, _, cached)| *cached == 0).map(|(name, ..)| name).collect()
    };
    assert_eq!(redone(&["--set", "aggregate.mode=hard"]), ["labels"]);
    assert_eq!(redone(&["--set", "select.config.max_area=0.8"]), ["select-keep-largest", "train-mlp-head", "predict-mlp-head", "labels"]);
    assert_eq!(redone(&["--set", "proposals.maskcut.config.tau=0.6"]).len(), 7);
    assert_eq!(redone(&[]), [""; 0], "the first results are still there");
}

#[test]
fn a_run_killed_again_and_again_ends_with_the_same_bytes() {
    let (killed, whole) = (Place::new(SCENES), Place::new(SCENES));
    succeed(&whole, &[]);
    let mut kills = 0;
    for wait in [150, 300, 450, 600, 800, 1000] {
        let mut child = Command::new(build_folder().join("convert"))
            .current_dir(killed.path(""))
            .args(["--recipe", "recipe.yaml"])
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("convert can be started");
        std::thread::sleep(Duration::from_millis(wait));
        if child.try_wait().expect("the child's state").is_none() {
            child.kill().expect("SIGKILL");
            kills += 1;
        }
        child.wait().expect("the child's end");
    }
    assert!(kills > 0, "the run was never killed in the middle");
    succeed(&killed, &[]);
    for file in ["labels.tsv", "annotations.json"] {
        assert!(killed.result(file) == whole.result(file), "{file} differs after {kills} kills");
    }
    let files = |folder: PathBuf| std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let folders: Vec<PathBuf> = files(killed.path("work/stages")).filter(|path| path.is_dir()).chain([killed.path("work")]).collect();
    assert!(folders.len() > 5, "every stage has its folder: {folders:?}");
    let left: Vec<PathBuf> = folders.into_iter().flat_map(files).filter(|path| path.extension().is_some_and(|e| e == "convert-tmp")).collect();
    assert!(left.is_empty(), "temporary files stay: {left:?}");
}

#[test]
fn ctrl_c_keeps_what_is_finished_and_says_how_to_go_on() {
    let place = Place::new(&SCENES.replace("count: 24", "count: 400"));
    let child = Command::new(build_folder().join("convert"))
        .current_dir(place.path(""))
        .args(["--recipe", "recipe.yaml"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("convert can be started");
    let begun = Instant::now();
    let finished = || {
        let stages = std::fs::read_dir(place.path("work/stages")).into_iter().flatten().flatten();
        stages.flat_map(|stage| std::fs::read_dir(stage.path()).into_iter().flatten().flatten()).count()
    };
    while finished() < 2 && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // The shell's own `kill`: the executable is not everywhere.
    let interrupted = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().expect("a shell");
    assert!(interrupted.success(), "convert had ended before");
    let output = child.wait_with_output().expect("the child's end");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("the same command continues"), "{text}");
    assert!(finished() >= 2);
}

#[test]
fn bad_files_are_skipped_named_and_counted() {
    let place = Place::new(&SCENES.replace("plugin: scenes, count: 24, size: 128", "plugin: image-folder, root: data"));
    place.write_images(&["apple", "pear"], 5);
    let good = std::fs::read(place.path("data/apple/apple-000.png")).unwrap();
    std::fs::write(place.path("data/apple/cut.png"), &good[..good.len() / 2]).unwrap();
    std::fs::write(place.path("data/apple/notes.jpg"), "buy milk").unwrap();
    std::fs::write(place.path("data/pear/empty.png"), "").unwrap();
    let output = place.run(&["--strict"]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("10 images, 3 skipped"), "{text}");
    let ledger = String::from_utf8(place.result("errors.jsonl")).unwrap();
    let reasons: Vec<(String, String)> = ledger
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|entry| (entry["id"].as_str().unwrap().to_owned(), entry["reason"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(reasons.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["apple/cut.png", "apple/notes.jpg", "pear/empty.png"]);
    assert!(reasons[0].1.contains("broken image") && reasons[1].1.contains("not an image") && reasons[2].1.contains("empty"), "{reasons:?}");

    // Three are few; five of fifteen are not, unless somebody said so.
    assert_eq!(place.run(&[]).status.code(), Some(0));
    std::fs::write(place.path("data/pear/more.png"), "").unwrap();
    std::fs::write(place.path("data/pear/more.jpg"), "no image").unwrap();
    let half = place.run(&[]);
    let expected = "5 of 15 samples were skipped; the reasons are in";
    assert!(half.status.code() == Some(3) && stderr(&half).contains(expected) && stderr(&half).contains("--allow-skipped"), "{}", stderr(&half));
    assert!(stderr(&half).contains("10 images, 5 skipped (33.3 %)"), "{}", stderr(&half));
    for allowed in [&["--allow-skipped"][..], &["--set", "max_errors=5"]] {
        assert_eq!(place.run(allowed).status.code(), Some(0), "{allowed:?}");
    }

    let stop = place.run(&["--set", "on_error=stop", "--fresh"]);
    assert_eq!(stop.status.code(), Some(1), "{}", stderr(&stop));
    let many = place.run(&["--set", "max_errors=2", "--fresh"]);
    assert!(many.status.code() == Some(1) && stderr(&many).contains("more than max_errors: 2"), "{}", stderr(&many));
}

#[test]
fn images_that_cannot_be_cut_keep_their_label_and_the_run_goes_on() {
    let refined = SCENES.replace("plugin: fill-holes", "plugin: dense-crf").replace("masks: 3", "masks: 1000");
    let place = Place::new(&refined.replace("plugin: scenes, count: 24, size: 128", "plugin: image-folder, root: data"));
    place.write_images(&["apple", "pear"], 3);
    let save = |name: &str, image: image::RgbImage| image.save(place.path(name)).expect("an image");
    save("data/apple/flat.png", image::RgbImage::from_pixel(200, 150, image::Rgb([9, 9, 9])));
    save("data/apple/dot.png", image::RgbImage::from_pixel(1, 1, image::Rgb([200, 0, 0])));
    save("data/pear/wide.png", image::RgbImage::from_fn(20000, 20, |x, y| image::Rgb([(x / 80) as u8, (y * 12) as u8, 0])));
    let text = succeed(&place, &["--strict"]);
    assert!(text.contains("9 images, none skipped"), "{text}");
    let labels = String::from_utf8(place.result("labels.tsv")).unwrap();
    for (id, class) in [("apple/flat.png", "0"), ("apple/dot.png", "0"), ("pear/wide.png", "1")] {
        let line = labels.lines().find(|line| line.starts_with(id)).unwrap_or_else(|| panic!("{id} has no line:\n{labels}"));
        let fields: Vec<&str> = line.split('\t').collect();
        assert!(fields[1] == class && fields[2].split(',').any(|own| own == class), "{line}");
    }
}

#[test]
fn two_runs_in_one_work_directory_do_not_meet() {
    let place = Place::new(SCENES);
    std::fs::create_dir_all(place.path("work")).unwrap();
    let lock = std::fs::File::create(place.path("work/.lock")).unwrap();
    lock.lock().unwrap();
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another convert works in"), "{}", stderr(&output));
}

#[test]
fn parts_of_stages_add_up_to_the_run() {
    let (parts, whole) = (Place::new(SCENES), Place::new(SCENES));
    succeed(&whole, &[]);
    let stage = |name: &str, shard: &str| {
        let output = convert().current_dir(parts.path("")).args(["stage", name, "--recipe", "recipe.yaml", "--shard", shard]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{name} {shard}: {}", stderr(&output));
    };
    for name in ["proposals-maskcut", "refine-maskcut-1-fill-holes", "regions", "select-keep-largest"] {
        stage(name, "1/2");
        stage(name, "0/2");
    }
    let text = succeed(&parts, &[]);
    assert!(stages(&text).iter().take(4).all(|(_, images, cached)| images == cached), "{text}");
    assert!(parts.result("labels.tsv") == whole.result("labels.tsv"));
}

#[test]
fn a_limited_run_sees_all_classes_and_a_dry_run_does_nothing() {
    let place = Place::new(SCENES);
    let output = place.run(&["--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let plan = stdout(&output);
    assert!(plan.contains("24 samples, 16 classes") && plan.contains("proposals-maskcut") && plan.contains("to do"), "{plan}");
    assert!(!place.path("work").exists());
    succeed(&place, &["--limit", "16"]);
    assert_eq!(String::from_utf8(place.result("labels.tsv")).unwrap().lines().count(), 16);
}

#[test]
fn a_dry_run_with_a_limit_measures_what_all_would_take() {
    let place = Place::new(SCENES);
    let plan = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let column = |plan: &str, stage: &str, at: usize| {
        let row = plan.lines().find(|line| line.contains(stage)).unwrap_or_else(|| panic!("no {stage} in {plan}")).to_owned();
        row.split_whitespace().nth(at).unwrap_or_default().to_owned()
    };
    assert!(plan(&["--dry-run"]).contains("rates      not measured"));
    let measured = plan(&["--dry-run", "--limit", "4"]);
    assert!(measured.contains("rates      measured with 4 images on cpu"), "{measured}");
    // Stage, plugin, version, images, shards, "to do", then the disk of all 24 images.
    assert_eq!(column(&measured, "proposals-maskcut", 4), "24", "{measured}");
    for stage in ["proposals-maskcut", "regions", "train-mlp-head", "predict-mlp-head", "labels", "all"] {
        let row = measured.lines().find(|line| line.contains(stage)).unwrap();
        assert!(row.contains("KiB") || row.contains(" B ") || row.contains("MiB"), "{row}");
        assert!(row.trim_end_matches([' ', '│']).ends_with('s'), "{row}");
    }
    let left: Vec<_> = std::fs::read_dir(place.path("work")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["measured.json"]);
    assert!(plan(&["--dry-run", "--set", "proposals.0.config.tau=0.4"]).contains("rates      measured with 4 images"));
}

#[test]
fn the_labels_file_has_the_authors_form_and_stats_reads_it() {
    let place = Place::new(SCENES);
    succeed(&place, &[]);
    let text = String::from_utf8(place.result("labels.tsv")).unwrap();
    for line in text.lines() {
        let [id, label, classes, probabilities] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert!(id.starts_with("scene-"));
        let classes: Vec<u32> = classes.split(',').map(|class| class.parse().unwrap()).collect();
        assert!(probabilities.split(',').all(|p| p.len() == 6 && p.parse::<f32>().unwrap() > 0.0), "{line}");
        let at = classes.iter().position(|class| *class == label.parse::<u32>().unwrap()).expect("the original label counts 1");
        assert_eq!(probabilities.split(',').nth(at), Some("1.0000"));
    }
    let output = convert().arg("stats").arg(place.path("work/labels.tsv")).output().unwrap();
    assert!(stdout(&output).contains("labels per image"), "{}", stdout(&output));
    std::fs::write(place.path("bad.tsv"), "a\t1\t2,3\t0.5\n").unwrap();
    let output = convert().arg("stats").arg(place.path("bad.tsv")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("bad.tsv:1: 2 classes, but 1 probabilities"), "{}", stderr(&output));
}

#[test]
fn pycocotools_reads_the_annotations_and_decodes_every_mask() {
    let place = Place::new(SCENES);
    succeed(&place, &[]);
    let python = repository().join("vendor/venv/bin/python");
    assert!(python.exists(), "the tests' Python is missing: run `make setup-tests`");
    let output = Command::new(python)
        .arg("-c")
        .arg(
            "
import sys
from pycocotools.coco import COCO
coco = COCO(sys.argv[1])
masks = coco.loadAnns(coco.getAnnIds())
for ann in masks:
    mask = coco.annToMask(ann)
    image = coco.loadImgs(ann['image_id'])[0]
    assert mask.shape == (image['height'], image['width'])
    assert mask.sum() == ann['area'] > 0
    ys, xs = mask.nonzero()
    assert [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1] == ann['bbox']
    assert ann['category_id'] in coco.cats
print('read', len(coco.getImgIds()), 'images', 'some masks' if len(masks) > 24 else 'few masks')
",
        )
        .arg(place.path("work/annotations.json"))
        .output()
        .expect("Python can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("read 24 images some masks"), "{text}");
}

#[test]
fn a_postprocessor_runs_the_last_stage_alone_and_raises_what_goes_together() {
    let place = Place::new(SCENES);
    succeed(&place, &[]);
    let before = String::from_utf8(place.result("labels.tsv")).unwrap();
    // Calibration images on which class 1 always comes with class 0: P(1|0) = 1, P(0|1) = 1.
    std::fs::write(place.path("truth.tsv"), (0..4).map(|image| format!("{image}.jpg\t0\t0,1\t1.0000,1.0000\n")).collect::<String>()).unwrap();
    let postprocess = "postprocess: [ { plugin: cooccurrence-prior, config: { calibration: { truth: truth.tsv } } } ]\n";
    std::fs::write(place.path("recipe.yaml"), format!("{SCENES}{postprocess}")).unwrap();
    let text = succeed(&place, &[]);
    for (stage, images, cached) in stages(&text) {
        assert_eq!(cached, if stage == "labels" { 0 } else { images }, "{stage}: {text}");
    }
    let after = String::from_utf8(place.result("labels.tsv")).unwrap();
    let probability = |line: &str, class: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let at = fields[2].split(',').position(|listed| listed == class);
        at.map_or(0.0, |at| fields[3].split(',').nth(at).unwrap().parse::<f64>().unwrap())
    };
    let mut raised = 0;
    for (before, after) in before.lines().zip(after.lines()) {
        let sum = (probability(before, "0") + probability(before, "1")).min(1.0);
        for class in ["0", "1"] {
            assert!((probability(after, class) - sum).abs() <= 1.5e-4, "{before} {after}");
        }
        assert_eq!(probability(before, "2"), probability(after, "2"));
        raised += usize::from(sum > probability(before, "0"));
    }
    assert!(raised > 0);
}

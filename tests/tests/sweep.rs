//! `convert sweep`: its figures against those of whole runs, its cache, its page, and what it refuses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use convert_tests::{Place, build_folder, convert, files_below, python, repository, shared, stderr, stdout};
use serde_json::{Value, json};

const RECIPE: &str = "version: 1
work_dir: work
shard_size: 4
dataset: { plugin: image-folder, root: data }
proposals: [{ name: tiles, plugin: grid, config: { cells: 2 } }]
refine: [{ plugin: drop-small, config: { min_area: 0.001 } }]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 64, epochs: 2, hidden: 16 } }
export: [{ plugin: coco, file: annotations.json }]
";

/// Twelve photos of discs and squares, and the boxes of these as truth.
fn place() -> Place {
    let place = Place::new(RECIPE);
    place.write_images(&["apple", "pear & <b>"], 6);
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for class in ["apple", "pear & <b>"] {
        for number in 0..6 {
            let id = images.len();
            images.push(json!({ "id": id, "file_name": format!("{class}/{class}-{number:03}.png"), "width": 96, "height": 96 }));
            // As the photos are drawn.
            let (x, y, radius) = (40 + (number * 7) % 20, 44 + (number * 5) % 16, 18 + number % 6);
            annotations.push(json!({ "image_id": id, "bbox": [x - radius, y - radius, 2 * radius + 1, 2 * radius + 1] }));
        }
    }
    std::fs::write(place.path("truth.json"), json!({ "images": images, "annotations": annotations }).to_string()).expect("a file");
    place
}

fn sweep(place: &Place, arguments: &[&str]) -> Output {
    let mut command = convert();
    command.current_dir(place.path("")).args(["sweep", "recipe.yaml"]).args(arguments);
    command.output().expect("convert can be started")
}

fn swept(place: &Place, arguments: &[&str]) -> (String, Value) {
    let output = sweep(place, &[arguments, &["--json", "sweep.json"]].concat());
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    (stdout(&output), read(&place.path("sweep.json")))
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))).expect("JSON")
}

/// When each shard was written.
fn shards(place: &Place) -> BTreeMap<PathBuf, SystemTime> {
    let files = files_below(&place.path("work/stages")).into_iter().filter(|file| file.extension().is_some_and(|end| end == "parquet"));
    files.map(|file| (file.clone(), std::fs::metadata(&file).and_then(|file| file.modified()).expect("a time"))).collect()
}

#[test]
fn the_figures_are_those_of_whole_runs_and_nothing_is_computed_twice() {
    let place = place();
    let grid = ["--vary", "proposals.tiles.config.cells=2,5", "--vary", "refine.0.config.min_area=0.001,0.04"];
    let (answer, report) = swept(&place, &[&grid[..], &["--truth", "truth.json"]].concat());
    let settings = report["settings"].as_array().expect("settings");
    assert_eq!(settings.len(), 4);
    // The proposals of two settings each are the same.
    let stages = std::fs::read_dir(place.path("work/stages")).unwrap().flatten();
    let proposals = stages.filter(|stage| stage.file_name().to_string_lossy().starts_with("proposals-")).count();
    assert_eq!(proposals, 2);
    assert!(settings.iter().all(|setting| setting["time"]["seconds"].as_f64() > Some(0.0) && setting["time"]["earlier"] == false), "{report}");

    // A second time everything is there, and the times are known.
    let before = shards(&place);
    let (again, second) = swept(&place, &[&grid[..], &["--truth", "truth.json"]].concat());
    assert_eq!(shards(&place), before);
    assert!(again.contains(" *") && again.contains("measured by an earlier sweep"), "{again}");
    for (one, other) in settings.iter().zip(second["settings"].as_array().expect("settings")) {
        assert_eq!((&one["scores"], &one["time"]["seconds"]), (&other["scores"], &other["time"]["seconds"]));
        assert_eq!(other["time"]["earlier"], true);
    }

    // Whole runs take their masks from there, and their files give the same figures.
    for setting in settings {
        let set: Vec<&str> = setting["set"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        let run = place.run(&set.iter().flat_map(|set| ["--set", set]).collect::<Vec<_>>());
        assert!(run.status.success(), "{}", stderr(&run));
        let evaluated = convert()
            .current_dir(place.path(""))
            .args(["evaluate", "proposals", "--predictions", "work/annotations.json", "--truth", "truth.json", "--json", "scores.json"])
            .output()
            .expect("convert can be started");
        assert!(evaluated.status.success(), "{}", stderr(&evaluated));
        assert_eq!(setting["scores"], read(&place.path("scores.json")), "{set:?}");
    }
    let kept = before.iter().all(|(file, time)| shards(&place).get(file) == Some(time));
    assert!(kept, "a whole run made a shard of the sweep's again");

    // The best one by CorLoc has the highest, and its line can be typed.
    let corloc = |setting: &Value| setting["scores"]["boxes"]["corloc_first"].as_f64().expect("a number");
    let best = report["best"].as_u64().expect("a best one") as usize;
    assert!(settings.iter().all(|setting| corloc(setting) <= corloc(&settings[best])), "{report}");
    let line = answer.trim_end().lines().last().expect("lines");
    assert!(line.starts_with("--set proposals.tiles.config.cells="), "{answer}");
    let checked = Command::new("bash")
        .args(["-c", &format!("{} check recipe.yaml {line}", build_folder().join("convert").display())])
        .current_dir(place.path(""))
        .output()
        .expect("bash can be started");
    assert!(checked.status.success(), "{}", stderr(&checked));
    let plan = stdout(&checked);
    let row = plan.lines().find(|line| line.contains("regions")).expect("a row");
    assert!(row.contains("cached"), "{plan}");
}

#[test]
fn the_page_stands_alone_and_shows_each_setting_on_the_same_images() {
    let place = place();
    let (answer, _) = swept(&place, &["--vary", "proposals.0.config.cells=2,4", "--truth", "truth.json", "--images", "5", "--limit", "8"]);
    assert!(answer.contains("work/sweep.html"), "{answer}");
    let page = String::from_utf8(place.result("sweep.html")).expect("text");
    assert_eq!((page.matches("<tr><th scope=\"row\">").count(), page.matches("<td><svg").count()), (5, 10));
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 5, "a thumbnail is there once");
    assert_eq!(page.matches("<rect ").count(), 5, "and so is a true box");
    // 2 × 2 and 4 × 4 tiles of five images, of which one is kept.
    assert_eq!((page.matches("<path ").count(), page.matches(" k\"").count()), (5 * (4 + 16), 5 * 2));
    assert!(page.contains("pear &amp; &lt;b&gt;") && !page.contains("pear & <b>"));
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"), "it fetches nothing");
}

#[test]
fn without_truth_no_setting_is_the_best_and_whole_lists_can_be_tried() {
    let place = place();
    let refine = "refine=[],[{plugin: drop-small, config: {min_area: 0.2}}]";
    let (answer, report) = swept(&place, &["--vary", "proposals.tiles.config.cells=2,3", "--vary", refine]);
    assert!(!answer.contains("CorLoc") && answer.contains("best       not known") && answer.contains("masks/image"), "{answer}");
    let masks: Vec<Option<u64>> = report["settings"].as_array().expect("settings").iter().map(|setting| setting["masks"].as_u64()).collect();
    assert_eq!(masks, [12 * 4, 12 * 4, 12 * 9, 0].map(Some), "a ninth of an image is less than a fifth");
    assert!(report["best"].is_null());
    assert!(!String::from_utf8_lossy(&place.result("sweep.html")).contains("CorLoc"));
}

/// Scenes know their objects' masks, and the selector here wants own label maps and three rounds.
#[test]
fn what_the_selector_needs_is_trained_once_and_later_rounds_are_left_out() {
    let recipe = std::fs::read_to_string(repository().join("recipes/demo.yaml")).expect("the recipe");
    let place = Place::new(&recipe.replace("../runs/demo", "work"));
    // What docs/sweep.md begins with.
    let page = std::fs::read_to_string(repository().join("docs/sweep.md")).expect("the page");
    let typed = page.lines().find_map(|line| line.trim().strip_prefix("convert sweep recipes/demo.yaml ")).expect("the command");
    let output = sweep(&place, &[typed.split(' ').collect::<Vec<_>>(), vec!["--by", "recall"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("the first of 3 rounds of choosing is compared"), "{}", stderr(&output));
    let answer = stdout(&output);
    assert!(answer.contains("selected") && answer.contains("CorLoc") && answer.contains("best       setting"), "{answer}");
    let stages: Vec<String> =
        std::fs::read_dir(place.path("work/stages")).unwrap().flatten().map(|stage| stage.file_name().to_string_lossy().into_owned()).collect();
    let count = |prefix: &str| stages.iter().filter(|stage| stage.starts_with(prefix)).count();
    assert_eq!((count("maps-train-"), count("round-1-select-"), count("round-1-train-"), count("predict-")), (1, 2, 0, 0), "{stages:?}");
}

#[test]
fn what_cannot_be_tried_is_said_before_any_work() {
    let place = place();
    // As a wrong --set is.
    for wrong in
        ["proposals.tiles.config.cell=3", "proposals.tiles.config.cells=x", "proposals.vit.config.cells=3", "refine.0.config.min_area=7", "nonsense"]
    {
        let (of_sweep, of_check) = (sweep(&place, &["--vary", wrong]), {
            let mut command = convert();
            command.current_dir(place.path("")).args(["check", "recipe.yaml", "--set", wrong]).output().expect("convert can be started")
        });
        assert_eq!((of_sweep.status.code(), stderr(&of_sweep)), (of_check.status.code(), stderr(&of_check)), "{wrong}");
        assert_eq!(of_sweep.status.code(), Some(2));
    }
    for (arguments, expected) in [
        (
            &["--vary", "proposals.0.config.cells=1,2,3,4,5,6,7,8", "--vary", "seed=1,2,3,4,5,6,7,8,9"][..],
            "8 × 9 values are 72 settings, and a sweep tries 64",
        ),
        (&["--vary", "label.config.epochs=1,2"], "label.config.epochs=1 and label.config.epochs=2 give the same masks and the same selection"),
        (&["--vary", "shard_size=4,5"], "shard_size=5: a sweep compares settings on the same samples"),
        (&["--vary", "name=a,b", "--set", "work_dir="], "--vary leads to two work directories"),
        (&["--vary", "proposals.0.config.cells=2,3", "--by", "recall"], "--by compares settings with true objects, and the dataset knows none"),
        (&["--vary", "proposals.0.config.cells=2,3", "--truth", "missing.json"], "missing.json"),
    ] {
        let output = sweep(&place, arguments);
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()), "{}", stderr(&output));
        let errors: Vec<String> = stderr(&output).lines().filter(|line| line.starts_with("error: ")).map(str::to_owned).collect();
        assert!(errors.len() == 1 && errors[0].contains(expected), "{}", stderr(&output));
    }
    assert!(shards(&place).is_empty() && !place.path("work/sweep.html").exists());
}

/// The proposals that rows of docs/proposals.md were measured with, by whole runs, and what is varied.
const MEASURED: [(&str, &str, &[&str]); 3] = [
    ("{ plugin: grid }", "cells=2,4", &["`grid`, 2 × 2 cells | 4 ", "`grid`, 4 × 4 cells | 16 "]),
    (
        "{ plugin: selective-search }",
        "max_masks=10,50,100",
        &["`selective-search`, `max_masks: 10` | 10 ", "`selective-search` as it is, 50 masks | 50 ", "`selective-search`, `max_masks: 100` | 99 "],
    ),
    (
        "{ plugin: maskcut, config: { backbone: { family: dinov1, weights: \"${WEIGHTS}\", mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
            feature: q, layer: 8, input_size: 480, masks: 3 } }",
        "tau=0.5",
        &["`maskcut`, τ 0.5 (ViT-Ti, as above) | 1.7 "],
    ),
];

#[test]
fn the_sweep_on_coco128_gives_the_rows_of_the_page_on_proposals() {
    let Some(shared) = shared("the_sweep_on_coco128_gives_the_rows_of_the_page_on_proposals") else { return };
    let (place, photos) = (Place::new(""), shared.join("photos/coco128"));
    let mut files = files_below(&photos.join("images/train2017"));
    files.sort();
    for (at, photo) in files.iter().enumerate() {
        // A dataset has two classes at least.
        let folder = place.path("data").join(["even", "odd"][at % 2]);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::copy(photo, folder.join(photo.file_name().expect("a name"))).expect("a copy");
    }
    let truth = Command::new(python())
        .arg(repository().join("tests/benches/yolo_to_coco.py"))
        .args([&photos.join("images/train2017"), &photos.join("object_detection/labels/train2017"), &place.path("truth.json")])
        .output()
        .expect("Python can be started");
    assert!(truth.status.success(), "{}", stderr(&truth));
    let page = std::fs::read_to_string(repository().join("docs/proposals.md")).expect("the page");
    for (proposals, vary, rows) in MEASURED {
        let recipe = RECIPE.replace("{ name: tiles, plugin: grid, config: { cells: 2 } }", proposals).replace("shard_size: 4", "shard_size: 128");
        let recipe: String = recipe.lines().filter(|line| !line.starts_with("refine:")).map(|line| format!("{line}\n")).collect();
        std::fs::write(place.path("recipe.yaml"), recipe).expect("the recipe");
        let output = convert()
            .current_dir(place.path(""))
            .args(["sweep", "recipe.yaml", "--truth", "truth.json", "--json", "sweep.json", "--vary", &format!("proposals.0.config.{vary}")])
            .env("WEIGHTS", shared.join("weights/vit_tiny_patch16_224.safetensors"))
            .output()
            .expect("convert can be started");
        assert!(output.status.success(), "{}", stderr(&output));
        let report = read(&place.path("sweep.json"));
        let settings = report["settings"].as_array().expect("settings");
        assert_eq!(settings.len(), rows.len());
        for (setting, row) in settings.iter().zip(rows) {
            let boxes = ["corloc_first", "recall", "average_recall", "mean_best_iou"].map(|name| &setting["scores"]["boxes"][name]);
            let figures: Vec<String> = boxes.iter().map(|figure| format!("{:.3}", figure.as_f64().expect("a number"))).collect();
            let masks = setting["masks"].as_f64().expect("a number") / setting["images"].as_f64().expect("a number");
            let expected = format!("| {row}| {} |", figures.join(" | "));
            assert!(page.contains(&expected), "{expected}\n{}", stdout(&output));
            assert!(row.ends_with(&format!("| {masks:.1} ").replace(".0 ", " ")), "{masks} masks a photo: {row}");
        }
    }
}

//! `convert view` on a made-up run of 1.28 million images: the first index, later starts, queries, and the server's memory.
//!
//!     cargo bench --profile release -p convert-tests --bench viewer
//!
//! The images are three files under many names, and the stages are written by this program; dataset, keys, record and exports are those of a real run. `IMAGES=N` makes a smaller one. It takes some 2 GB of disk.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use convert::engine::encode_rows;
use convert_sdk::{BoundingBox, ClassScore, Mask, Measure, Probability, Region};
use convert_tests::viewer::Viewer;
use convert_tests::{build_folder, drawn};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

const CLASSES: u32 = 1000;
const SHARD: usize = 1024;
const REGIONS: u32 = 3;

#[derive(Serialize)]
struct Row<T> {
    sample: String,
    value: T,
}

#[derive(Serialize)]
struct ImageRegions {
    width: u32,
    height: u32,
    regions: Vec<Region>,
}

#[derive(Serialize)]
struct ImagePrediction {
    global: Vec<ClassScore>,
    masks: Vec<Vec<ClassScore>>,
}

#[derive(Serialize)]
struct ImageLabels {
    labels: Vec<ClassScore>,
}

fn main() {
    let images: usize = std::env::var("IMAGES").ok().and_then(|count| count.parse().ok()).unwrap_or(1_280_000);
    let place = tempfile::tempdir().expect("a temporary folder");
    let folder = place.path();
    let begun = Instant::now();
    make(folder, images);
    println!("a run of {images} images, {} shards, made in {:.0} s", images.div_ceil(SHARD), begun.elapsed().as_secs_f64());

    let run = folder.join("work");
    let begun = Instant::now();
    let viewer = Viewer::begin(&run, &[]);
    println!("first start: an address after {:.2} s", begun.elapsed().as_secs_f64());
    while viewer.json("/api/run")["index"]["ready"] != true {
        std::thread::sleep(Duration::from_millis(200));
    }
    println!(
        "first index after {:.1} s; memory {} MiB, at most {} MiB",
        begun.elapsed().as_secs_f64(),
        viewer.memory("VmRSS"),
        viewer.memory("VmHWM")
    );
    drop(viewer);

    let begun = Instant::now();
    let viewer = Viewer::start(&run, &[]);
    println!("later start: all samples can be queried after {:.2} s", begun.elapsed().as_secs_f64());
    for query in [
        "",
        "given=7",
        "label=7&band=0.3,0.7",
        "count=2,9&order=near",
        "order=unsupported",
        "order=changed",
        "pair=7,8",
        "id=000777",
        "order=random&seed=3",
    ] {
        let begun = Instant::now();
        let found = viewer.query(query);
        let page: Vec<String> = found.iter().take(100).map(u32::to_string).collect();
        let rows = viewer.json(&format!("/api/rows?samples={}", page.join(",")));
        println!(
            "{:30} {:8} images, with a page of {:3} rows: {:4.0} ms",
            query,
            found.len(),
            rows.as_array().map_or(0, Vec::len),
            begun.elapsed().as_secs_f64() * 1e3
        );
    }
    for path in
        ["/api/classes", "/api/class/7", "/api/pairs", "/api/thresholds", "/api/queue?kind=mixed&who=anna", "/api/sample/1000", "/api/thumbnail/1000"]
    {
        let begun = Instant::now();
        let (status, _, _) = viewer.get(path);
        assert_eq!(status, 200, "{path}");
        println!("{path:30} {:4.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    }
    println!("memory {} MiB, at most {} MiB", viewer.memory("VmRSS"), viewer.memory("VmHWM"));
}

/// A finished run of so many images.
fn make(folder: &Path, images: usize) {
    std::fs::create_dir_all(folder.join("img")).expect("a folder");
    for number in 0..3 {
        drawn(number, number).save(folder.join(format!("img/{number}.png"))).expect("an image");
    }
    let classes: String = (0..CLASSES).map(|class| format!("class {class}\n")).collect();
    std::fs::write(folder.join("classes.txt"), classes).expect("the classes");
    let table = |name: &str, images: usize| {
        let rows: String = (0..images).map(|number| format!("{},{}.png,{}\n", id(number), number % 3, number as u32 % CLASSES)).collect();
        std::fs::write(folder.join(name), format!("id,path,label\n{rows}")).expect("the table");
    };
    table("few.csv", 3);
    table("all.csv", images);
    let recipe = |work: &str, table: &str, checkpoint: &str| {
        format!(
            "version: 1
work_dir: {work}
shard_size: {SHARD}
dataset: {{ plugin: manifest, file: {table}, root: img, id_column: id, classes: classes.txt }}
proposals: [ {{ name: cells, plugin: grid, config: {{ cells: 2 }} }} ]
select: {{ plugin: keep-largest }}
label: {{ plugin: mlp-head, {checkpoint}config: {{ backbone: {{ family: patch-stats }}, input_size: 64, epochs: 2 }} }}
export: [ {{ plugin: multilabel-tsv, file: labels.tsv }} ]
"
        )
    };
    std::fs::write(folder.join("few.yaml"), recipe("few", "few.csv", "")).expect("a recipe");
    convert(folder, &["--recipe", "few.yaml"]);
    let head = std::fs::read_dir(folder.join("few/stages")).expect("stages").flatten().map(|stage| stage.path().join("head.safetensors"));
    std::fs::copy(head.into_iter().find(|file| file.is_file()).expect("a head"), folder.join("head.safetensors")).expect("a copy");
    std::fs::write(folder.join("recipe.yaml"), recipe("work", "all.csv", "checkpoint: head.safetensors, ")).expect("a recipe");
    let plan: Value = serde_json::from_str(&convert(folder, &["plan", "recipe.yaml", "--json"])).expect("a plan");
    for step in plan["steps"].as_array().expect("steps") {
        let (name, place) = (step["name"].as_str().expect("a name"), Path::new(step["place"].as_str().expect("a place")));
        if step["on_demand"] == true || step["kind"] != "per-sample" {
            continue;
        }
        std::fs::create_dir_all(place).expect("a folder");
        (0..images.div_ceil(SHARD)).into_par_iter().for_each(|shard| {
            let numbers = shard * SHARD..((shard + 1) * SHARD).min(images);
            let bytes = match name {
                "regions" => shard_of(numbers, regions),
                "labels" => shard_of(numbers, labels),
                name if name.starts_with("predict") => shard_of(numbers, prediction),
                // Of the proposals only what was left out is read once the regions are there: nothing.
                _ => shard_of(0..0, regions),
            };
            std::fs::write(place.join(format!("shard-{shard:05}.parquet")), bytes).expect("a shard");
        });
    }
    convert(folder, &["--recipe", "recipe.yaml"]);
}

fn shard_of<T: Serialize>(numbers: std::ops::Range<usize>, value: impl Fn(usize) -> T) -> Vec<u8> {
    let row = |number: usize| Row { sample: id(number), value: value(number) };
    let rows: Vec<Row<T>> = numbers.map(row).collect();
    encode_rows(&row(0), &rows, &[]).expect("rows")
}

fn id(number: usize) -> String {
    format!("n{:08}/ILSVRC2012_train_{number:08}.JPEG", number / 1300)
}

/// A number from 0 to 9999 that an image and a place give.
fn chance(number: usize, place: u64) -> u64 {
    let mut state = (number as u64).wrapping_mul(31).wrapping_add(place).wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state ^ (state >> 31)) % 10_000
}

fn regions(number: usize) -> ImageRegions {
    let region = |at: u32| Region {
        mask: Mask::from_box(96, 96, BoundingBox { x: at * 20, y: 10, width: 30, height: 40 + at }).expect("a mask"),
        source: "cells".into(),
        score: chance(number, u64::from(at)) as f32 / 1e4,
        measures: vec![Measure { name: "eigenvalue".into(), value: 0.5 }],
    };
    ImageRegions { width: 96, height: 96, regions: (0..REGIONS).map(region).collect() }
}

/// The given class, and others that are mostly improbable.
fn scores(number: usize, place: u64, count: u64) -> Vec<ClassScore> {
    let score = |at: u64| {
        let chance = chance(number, place * 100 + at) as f32 / 1e4;
        ClassScore {
            class: (number as u32 + 37 * at as u32) % CLASSES,
            probability: Probability::new(chance.powi(1 + at as i32)).expect("a probability"),
        }
    };
    let mut scores: Vec<ClassScore> = (0..count).map(score).collect();
    scores.sort_by(|one, two| two.probability.get().total_cmp(&one.probability.get()));
    scores
}

fn prediction(number: usize) -> ImagePrediction {
    ImagePrediction { global: scores(number, 9, 10), masks: (0..u64::from(REGIONS)).map(|at| scores(number, at, 10)).collect() }
}

fn labels(number: usize) -> ImageLabels {
    let mut labels = scores(number, 0, 10);
    labels.sort_by_key(|label| label.class);
    labels.dedup_by_key(|label| label.class);
    ImageLabels { labels }
}

/// What a command printed.
fn convert(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(build_folder().join("convert")).args(arguments).current_dir(folder).output().expect("convert can be started");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

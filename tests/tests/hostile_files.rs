//! Files that mean harm, over all readers, through the built executable: 4 GiB of address space, 10 seconds, and each gives a result or an error with its reason.
//!
//! Prints a table of what each kind took (`cargo test --workspace --test hostile_files -- --nocapture`). With `CONVERT_HOSTILE=2` only the third kind runs, and each
//! answer is shown.

use std::collections::BTreeSet;
use std::path::Path;

use convert_tests::hostile::{
    Bounded, Costs, HostileFile, class_lists, coco_files, damaged, images, label_sets, manifests, pickles, recipes, segmentations, special_file,
    special_names, tensor_files,
};
use convert_tests::{Place, repository};
use rayon::prelude::*;
use serde_json::{Value, json};

/// Without a backbone: labels come from a file that says something of two masks.
const LIGHT: [&str; 6] =
    ["convert_datasets", "convert_coco_masks", "convert_grid", "convert_selectors", "convert_exporters", "convert_postprocessors"];

fn recipe(dataset: &str, proposals: &str, label: &str) -> String {
    format!(
        "version: 1\nwork_dir: work\nshard_size: 1024\ndataset: {{ {dataset} }}\nproposals: [ {{ {proposals} }} ]\nselect: {{ plugin: keep-largest }}\n\
         label: {{ {label} }}\nexport: [ {{ plugin: multilabel-tsv, file: labels.tsv }} ]\n"
    )
}

const GRID: &str = "plugin: grid, config: { cells: 2 }";
const STORED: &str = "plugin: region-results, checkpoint: regions.json";

/// A place with two good photos and results of their masks.
fn place(recipe: &str) -> Place {
    let place = Place::new(recipe);
    place.write_images(&["a", "b"], 1);
    write(&place, "regions.json", br#"{"1": {"prob": [0.9], "label": [0]}, "2": {"prob": [0.9], "label": [1]}}"#);
    place
}

fn write(place: &Place, name: &str, bytes: &[u8]) {
    let path = place.path(name);
    std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder");
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// `convert check` of a recipe for each file: `dataset` names it as FILE.
fn check_each(program: &Bounded, costs: &Costs, kind: &'static str, files: Vec<HostileFile>, folder: &str, recipe: &str) {
    let check = |name: &str, place: &Place| {
        let text = recipe.replace("FILE", &format!("{folder}{name}"));
        std::fs::write(place.path("recipe.yaml"), text).expect("the recipe can be written");
        program.run(costs, (kind, 1), &place.path(""), &["check", "recipe.yaml"]);
    };
    files.par_iter().for_each(|(name, bytes)| {
        let place = place("");
        write(&place, &format!("{folder}{name}"), bytes);
        check(name, &place);
    });
    let extension = files.first().and_then(|(name, _)| name.rsplit_once('.')).map_or("txt", |(_, extension)| extension);
    for name in special_names(extension) {
        let place = place("");
        std::fs::create_dir_all(place.path(folder)).expect("a folder");
        special_file(&place.path(folder), &name);
        check(&name, &place);
    }
}

/// What the run's ledger says of samples.
fn ledger(place: &Place) -> Vec<(String, String)> {
    let text = String::from_utf8(place.result("errors.jsonl")).expect("UTF-8");
    let entry = |line: &str| {
        let entry: Value = serde_json::from_str(line).expect("a line is an object");
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        (text("id"), text("reason"))
    };
    text.lines().map(entry).collect()
}

/// Every sample of a run has labels or a reason why not.
fn all_answered(place: &Place, ids: impl IntoIterator<Item = String>) {
    let labels = String::from_utf8(place.result("labels.tsv")).expect("UTF-8");
    let mut answered: BTreeSet<String> = labels.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect();
    for (id, reason) in ledger(place) {
        assert!(!reason.is_empty() && !reason.contains("panicked"), "{id}: {reason}");
        answered.insert(id);
    }
    for id in ids {
        assert!(answered.contains(&id), "{id} has neither labels nor a reason");
    }
}

/// Images of all formats, many in a run, the good photos among them.
fn hostile_images(costs: &Costs) {
    let program = Bounded::with(&LIGHT);
    images().chunks(25).enumerate().for_each(|(at, batch)| {
        let place = place(&recipe("plugin: image-folder, root: data", "plugin: coco-masks, config: { file: masks.json, missing: empty }", STORED));
        write(&place, "masks.json", br#"{"images": [{"id": 1, "file_name": "none.png"}], "annotations": []}"#);
        place.write_images(&["a", "b"], 30);
        batch.iter().for_each(|(name, bytes)| write(&place, &format!("data/a/x-{name}"), bytes));
        let mut ids: Vec<String> = batch.iter().map(|(name, _)| format!("a/x-{name}")).collect();
        if at == 0 {
            for name in special_names("png").into_iter().filter(|name| !name.starts_with("folder")) {
                special_file(&place.path("data/b"), &name);
                ids.push(format!("b/{name}"));
            }
            std::os::unix::fs::symlink("..", place.path("data/b/loop")).expect("a link");
            ids.push("b/loop".to_owned());
            let large = std::fs::File::create(place.path("data/b/large.png")).expect("a file");
            large.set_len((1 << 30) + 1).expect("a file with a hole");
            ids.push("b/large.png".to_owned());
            // Without a line break: an exporter refuses such an id at the start (tests/tests/written_files.rs).
            let name = std::ffi::OsStr::new("control\u{1b}[2J\u{202e}.png");
            std::fs::write(place.path("data/b").join(name), "no image").expect("a file");
            let bytes: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\xfe.png");
            std::fs::write(place.path("data/b").join(bytes), "no image").expect("a file");
        }
        let (code, text) =
            program.run(costs, ("images", ids.len()), &place.path(""), &["--recipe", "recipe.yaml", "--threads", "2", "--allow-skipped"]);
        assert_eq!(code, 0, "{text}");
        assert!(at > 0 || text.contains("left out 1 images whose names are not UTF-8"), "{text}");
        all_answered(&place, ids);
    });
}

/// Masks: each of its own image, as proposals of a run, as predictions and as truth.
fn hostile_masks(costs: &Costs) {
    let program = Bounded::with(&LIGHT);
    let all = segmentations();
    let image = |at: usize, size: u32| json!({"id": at, "file_name": format!("a/{at}.png"), "width": size, "height": size});
    // What a parser refuses makes a file of its own, or it would hide the others.
    all.par_iter().enumerate().for_each(|(at, segmentation)| {
        let annotation = json!({"id": 1, "image_id": at, "segmentation": segmentation, "bbox": [0, 0, 1, 1], "category_id": 1});
        let good = json!({"id": 2, "image_id": at, "segmentation": [[1, 1, 5, 1, 5, 5]], "bbox": [0, 0, 1, 1], "category_id": 1});
        let file =
            |annotation: &Value| json!({"images": [image(at, 10)], "annotations": [annotation], "categories": [{"id": 1, "name": "a"}]}).to_string();
        let place = place("");
        write(&place, "hostile.json", file(&annotation).as_bytes());
        write(&place, "good.json", file(&good).as_bytes());
        for arguments in [["--predictions", "hostile.json", "--truth", "good.json"], ["--predictions", "good.json", "--truth", "hostile.json"]] {
            let kind = ("masks, evaluated", if arguments[1] == "hostile.json" { 1 } else { 0 });
            program.run(costs, kind, &place.path(""), &[&["evaluate", "proposals"][..], &arguments].concat());
        }
    });
    let place = place(&recipe("plugin: image-folder, root: data", "plugin: coco-masks, config: { file: masks.json, missing: empty }", STORED));
    let photo = image::RgbImage::from_pixel(10, 10, image::Rgb([90, 120, 30]));
    let mut annotations = Vec::new();
    for (at, segmentation) in all.iter().enumerate() {
        photo.save(place.path("data/a").join(format!("{at}.png"))).expect("an image");
        if parses(segmentation) {
            annotations.push(json!({"id": 1, "image_id": at, "segmentation": segmentation}));
        }
    }
    let file = json!({"images": (0..all.len()).map(|at| image(at, 10)).collect::<Vec<_>>(), "annotations": annotations});
    write(&place, "masks.json", file.to_string().as_bytes());
    let (code, text) =
        program.run(costs, ("masks, as proposals", annotations.len()), &place.path(""), &["--recipe", "recipe.yaml", "--allow-skipped"]);
    assert_eq!(code, 0, "{text}");
    all_answered(&place, (0..all.len()).map(|at| format!("a/{at}.png")));
}

/// Whether it has the form of a segmentation.
fn parses(segmentation: &Value) -> bool {
    serde_json::from_value::<convert_formats::coco::Segmentation>(segmentation.clone()).is_ok()
}

fn hostile_coco_files(costs: &Costs) {
    let program = Bounded::with(&LIGHT);
    let files = coco_files();
    check_each(&program, costs, "COCO datasets", files.clone(), "", &recipe("plugin: coco, file: FILE, root: data, truth: true", GRID, STORED));
    let good = r#"{"images": [{"id": 1, "file_name": "1.png", "width": 10, "height": 10}], "annotations": [{"image_id": 1, "bbox": [0, 0, 5, 5]}]}"#;
    files.par_iter().for_each(|(name, bytes)| {
        let place = place("");
        write(&place, name, bytes);
        write(&place, "good.json", good.as_bytes());
        program.run(costs, ("COCO files, evaluated", 1), &place.path(""), &["evaluate", "proposals", "--predictions", "good.json", "--truth", name]);
        program.run(costs, ("COCO files, evaluated", 0), &place.path(""), &["pairs", "--truth", name]);
    });
}

fn hostile_label_sets(costs: &Costs) {
    let program = Bounded::with(&LIGHT);
    let run = |place: &Place, name: &str| {
        let folder = place.path("");
        program.run(costs, ("label sets", 1), &folder, &["evaluate", "labels", "--predictions", "good.tsv", "--truth", name]);
        program.run(costs, ("label sets", 0), &folder, &["evaluate", "labels", "--predictions", name, "--truth", "good.tsv"]);
        program.run(costs, ("label sets", 0), &folder, &["pairs", "--truth", name, "--min-count", "1"]);
    };
    let good = |place: &Place| write(place, "good.tsv", b"a/1.jpg\t0\t0,1\t0.9,0.8\n");
    label_sets().par_iter().for_each(|(name, bytes)| {
        let place = Place::new("");
        good(&place);
        write(&place, name, bytes);
        run(&place, name);
        if name.ends_with(".tsv") {
            program.run(costs, ("label sets", 0), &place.path(""), &["stats", name]);
        }
    });
    let place = Place::new("");
    good(&place);
    for name in special_names("json") {
        special_file(&place.path(""), &name);
        run(&place, &name);
    }
}

fn hostile_tables(costs: &Costs) {
    let program = Bounded::with(&LIGHT);
    check_each(&program, costs, "manifests", manifests(), "data/", &recipe("plugin: manifest, file: \"FILE\"", GRID, STORED));
    check_each(&program, costs, "class lists", class_lists(), "", &recipe("plugin: image-folder, root: data, classes: FILE", GRID, STORED));
    recipes().par_iter().for_each(|(name, bytes)| {
        let place = place("");
        write(&place, name, bytes);
        program.run(costs, ("recipes", 1), &place.path(""), &["check", name]);
    });
    let place = Place::new("");
    for name in special_names("yaml") {
        special_file(&place.path(""), &name);
        program.run(costs, ("recipes", 1), &place.path(""), &["check", &name]);
    }
}

fn hostile_shards(costs: &Costs) {
    let program = Bounded::with(&LIGHT);
    let data = repository().join("plugins/datasets/tests/data");
    let read = |name: &str| std::fs::read(data.join(name)).expect("a fixture");
    let tar = damaged("train", "tar", &read("webdataset/train-000.tar"), 12);
    let classes = data.join("webdataset/classes.txt");
    let dataset = format!("plugin: webdataset, root: shards, classes: {}", classes.display());
    check_each(&program, costs, "tar shards", tar, "shards/", &recipe(&dataset, GRID, STORED));
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zipped, &read("webdataset/train-000.tar")).expect("memory");
    let zipped = damaged("train", "tgz", &zipped.finish().expect("memory"), 6);
    check_each(&program, costs, "tar shards in gzip", zipped, "shards/", &recipe(&dataset, GRID, STORED));
    let arrow = read("saved/data-00000-of-00002.arrow");
    let mut files = damaged("data", "arrow", &arrow, 6);
    // The schema and each batch's header are where lengths and offsets stand.
    let headers = (0..1200.min(arrow.len())).step_by(23);
    files.extend(headers.map(|at| {
        let mut changed = arrow.clone();
        changed[at] ^= 0x7f;
        (format!("header-{at}.arrow"), changed)
    }));
    check_each(&program, costs, "Arrow files", files, "shards/", &recipe("plugin: parquet, root: shards, incomplete: skip", GRID, STORED));
    let whole = read("parquet/train-00000-of-00002.parquet");
    let text = recipe("plugin: parquet, root: shards", "plugin: coco-masks, config: { file: masks.json, missing: empty }", STORED);
    let mut files = damaged("train", "parquet", &whole, 4);
    let found = std::fs::read_dir(repository().join("fuzz/found/parquet")).expect("what fuzzing found").flatten();
    files.extend(found.map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("a file"))));
    let dataset = "plugin: parquet, root: shards, incomplete: skip";
    check_each(&program, costs, "Parquet shards", files, "shards/", &recipe(dataset, GRID, STORED));
    // The footer says what the rest is, and headers of pages stand at the beginning and in between.
    let footer = whole.len() - 1500.min(whole.len() / 2);
    let places: Vec<usize> = (4..64).step_by(2).chain((64..footer).step_by(footer / 40)).chain((footer..whole.len()).step_by(41)).collect();
    places.par_iter().for_each(|at| {
        let mut changed = whole.clone();
        changed[*at] ^= 0x7f;
        let place = place(&text);
        write(&place, "shards/train.parquet", &changed);
        write(&place, "masks.json", br#"{"images": [{"id": 1, "file_name": "none.png"}], "annotations": []}"#);
        if let (0, _) = program.run(costs, ("Parquet shards", 1), &place.path(""), &["--recipe", "recipe.yaml"]) {
            all_answered(&place, []);
        }
    });
}

/// ReLabel's maps: each of its own image. Weights and region results: a process each.
fn hostile_tensors(costs: &Costs) {
    let program = Bounded::with(&LIGHT);
    let fixtures = repository().join("sdk/formats/tests/data");
    let read = |name: &str| std::fs::read(fixtures.join(name)).expect("a fixture");
    let mut files = tensor_files(&read("state.pth"), &read("older.pth"));
    files.extend(pickles().into_iter().map(|(name, bytes)| (format!("{name}.pt"), bytes)));
    let map = std::fs::read(repository().join("plugins/selectors/tests/data/0.pt")).expect("a fixture");
    let maps: Vec<HostileFile> = files.iter().cloned().chain(damaged("map", "pt", &map, 8)).collect();
    let mut text = recipe("plugin: image-folder, root: data", "plugin: coco-masks, config: { file: masks.json, missing: empty }", STORED);
    text = text.replace("plugin: keep-largest", "plugin: relabel-filter, config: { maps: maps }");
    let place = place(&text);
    place.write_images(&["a", "b"], 60);
    let photo = image::RgbImage::from_pixel(10, 10, image::Rgb([90, 120, 30]));
    let (mut entries, mut annotations, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (at, (name, bytes)) in maps.iter().enumerate() {
        let stem = name.replace('.', "-");
        photo.save(place.path("data/a").join(format!("x-{stem}.png"))).expect("an image");
        write(&place, &format!("maps/a/x-{stem}.pt"), bytes);
        entries.push(json!({"id": at, "file_name": format!("a/x-{stem}.png"), "width": 10, "height": 10}));
        annotations.push(json!({"id": 1, "image_id": at, "segmentation": [[1, 1, 9, 1, 9, 9]]}));
        ids.push(format!("a/x-{stem}.png"));
    }
    write(&place, "masks.json", json!({"images": entries, "annotations": annotations}).to_string().as_bytes());
    let (code, text) = program.run(costs, ("ReLabel maps", maps.len()), &place.path(""), &["--recipe", "recipe.yaml", "--allow-skipped"]);
    assert_eq!(code, 0, "{text}");
    all_answered(&place, ids);
    files.par_iter().for_each(|(name, bytes)| stored_results(&program, costs, name, bytes));
    let whole = Bounded::whole();
    files.par_iter().for_each(|(name, bytes)| weights(&whole, costs, name, |place| write(place, name, bytes)));
    special_names("pth").iter().for_each(|name| weights(&whole, costs, name, |place| special_file(&place.path(""), name)));
}

fn stored_results(program: &Bounded, costs: &Costs, name: &str, bytes: &[u8]) {
    let place = place(&recipe("plugin: image-folder, root: data", GRID, &STORED.replace("regions.json", name)));
    write(&place, name, bytes);
    program.run(costs, ("region results", 1), &place.path(""), &["--recipe", "recipe.yaml"]);
}

fn weights(program: &Bounded, costs: &Costs, name: &str, make: impl Fn(&Place)) {
    let place = place("");
    make(&place);
    let backbone = json!({"family": "dinov1", "weights": name, "input_size": 32}).to_string();
    let image = "data/a/a-000.png";
    let arguments = ["features", "--backbone", &backbone, "--image", image, "--output", "features.safetensors", "--threads", "1"];
    let (code, text) = program.run(costs, ("weights", 1), &place.path(""), &arguments);
    assert_ne!(code, 0, "{name}: {text}");
}

#[test]
fn no_file_kills_or_hangs_and_each_has_its_answer() {
    let costs = Costs::default();
    let kinds: [fn(&Costs); 7] =
        [hostile_images, hostile_masks, hostile_coco_files, hostile_label_sets, hostile_tables, hostile_shards, hostile_tensors];
    let only = std::env::var("CONVERT_HOSTILE").ok().and_then(|number| number.parse::<usize>().ok());
    kinds.iter().enumerate().filter(|(at, _)| only.is_none_or(|only| only == *at)).for_each(|(_, kind)| kind(&costs));
    println!("{}", costs.table());
    assert!(only.is_some() || costs.files() >= 300, "{} files", costs.files());
    assert!(Path::new("/proc/self/status").exists(), "the memory is read from there");
}

//! What other programs read of ours: exports in the tools that they are for, and COCO files that keep their ids.

use std::fs;
use std::process::Command;

use convert_tests::{Place, repository, skipped, stderr};

const RECIPE: &str = "version: 1
work_dir: work
dataset: { plugin: image-folder, root: data }
proposals: [{ plugin: maskcut, config: { backbone: { family: patch-stats }, input_size: 96, tau: 0.95, masks: 2, split_components: true, early_stop: false } }]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 40, hidden: 32, batch_size: 8, learning_rate: 0.05, cache: true } }
export:
  - { plugin: jsonl, file: labels.jsonl }
  - { plugin: webdataset, file: labels.tar }
  - { plugin: hf-imagefolder, file: labels.zip }
  - { plugin: yolo-seg, file: yolo.zip }
  - { plugin: label-studio, file: tasks.json }
  - { plugin: cvat, file: cvat.xml }
";

/// A virtual environment of the repository's scripts, or why there is none.
fn environment(script: &str) -> Result<String, String> {
    let output = Command::new(repository().join(script)).output().expect("bash can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn python(executable: &std::path::Path, arguments: &[&std::path::Path]) -> String {
    let output = Command::new(executable).args(arguments).env("HF_HUB_OFFLINE", "1").output().expect("Python can be started");
    assert!(output.status.success(), "{}", stderr(&output));
    convert_tests::stdout(&output)
}

#[test]
fn every_export_is_read_back_by_the_tool_that_it_is_for() {
    let place = Place::new(RECIPE);
    // Names that formats have to escape.
    place.write_images(&["black & white", "green", "red"], 5);
    fs::rename(place.path("data/green/green-001.png"), place.path("data/green/it's <1>.png")).unwrap();
    let output = place.run(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let first = ["labels.tar", "labels.zip", "yolo.zip", "tasks.json", "cvat.xml"].map(|file| place.result(file));
    assert!(place.run(&["--fresh", "--threads", "1"]).status.success());
    let again = ["labels.tar", "labels.zip", "yolo.zip", "tasks.json", "cvat.xml"].map(|file| place.result(file));
    assert!(first == again, "the same run gives the same bytes");
    match environment("tests/reader-environment.sh") {
        Ok(folder) => {
            let script = repository().join("tests/data/read_exports.py");
            let text = python(&std::path::Path::new(&folder).join("bin/python"), &[&script, &place.path("work")]);
            assert_eq!(text.trim(), "15 images");
        }
        Err(why) => skipped("every_export_is_read_back_by_the_tool_that_it_is_for", &why),
    }
}

#[test]
fn coco_in_and_out_keeps_the_ids_of_images_and_categories() {
    let place = Place::new(
        "version: 1
work_dir: work
dataset: { plugin: coco, file: in.json, root: data, label: largest-object }
proposals: [{ plugin: grid, config: { cells: 2 } }]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 64, epochs: 4, hidden: 16, batch_size: 4, cache: true } }
export: [{ plugin: coco, file: out.json }, { plugin: cutler-coco, file: masks.json }]
",
    );
    place.write_images(&["blue", "green", "red"], 3);
    // Ids with gaps, in another order than the names'.
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for (at, class) in ["red", "blue", "green"].iter().enumerate() {
        for number in 0..3 {
            let id = 1000 - 7 * images.len();
            images.push(serde_json::json!({ "id": id, "file_name": format!("{class}/{class}-{number:03}.png"), "width": 64, "height": 64 }));
            let category = [90, 3, 17][at];
            annotations
                .push(serde_json::json!({ "id": id, "image_id": id, "category_id": category, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0 }));
        }
    }
    let categories = [(90, "red"), (3, "blue"), (17, "green")].map(|(id, name)| serde_json::json!({ "id": id, "name": name }));
    let coco = serde_json::json!({ "images": images, "annotations": annotations, "categories": categories });
    fs::write(place.path("in.json"), coco.to_string()).unwrap();
    let output = place.run(&[]);
    assert!(output.status.success(), "{}", stderr(&output));

    let compare = "
import sys
from pycocotools.coco import COCO
one, other, masks = (COCO(file) for file in sys.argv[1:])
assert one.getImgIds() and sorted(one.getImgIds()) == sorted(other.getImgIds()) == sorted(masks.getImgIds())
for id in one.getImgIds():
    assert one.loadImgs(id)[0]['file_name'] == other.loadImgs(id)[0]['file_name'] == masks.loadImgs(id)[0]['file_name']
    given, = {annotation['category_id'] for annotation in one.imgToAnns[id]}
    assert other.loadImgs(id)[0]['category_id'] == given
assert {id: c['name'] for id, c in one.cats.items()} == {id: c['name'] for id, c in other.cats.items()}
assert {a['category_id'] for a in other.anns.values()} <= {3, 17, 90}
print(len(other.imgs))
";
    let script = place.path("compare.py");
    fs::write(&script, compare).unwrap();
    let files = ["in.json", "work/out.json", "work/masks.json"].map(|file| place.path(file));
    let text = python(&repository().join("vendor/venv/bin/python"), &[&script, &files[0], &files[1], &files[2]]);
    assert_eq!(text.lines().last(), Some("9"), "{text}");
}

#[test]
fn images_are_embedded_as_the_page_of_datasets_shows() {
    let name = "images_are_embedded_as_the_page_of_datasets_shows";
    let folder = match environment("tests/reader-environment.sh") {
        Ok(folder) => folder,
        Err(why) => return skipped(name, &why),
    };
    let page = fs::read_to_string(repository().join("docs/datasets.md")).unwrap();
    let snippet = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a snippet");
    let place = Place::new(
        "version: 1
work_dir: work
dataset: { plugin: parquet, root: photos }
proposals: [{ plugin: grid, config: { cells: 2 } }]
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 64, epochs: 2, hidden: 16, batch_size: 4 } }
export: [{ plugin: multilabel-tsv, file: labels.tsv }]
",
    );
    place.write_images(&["blue", "red"], 3);
    fs::rename(place.path("data"), place.path("folder")).unwrap();
    let embed = |script: &str| {
        fs::write(place.path("embed.py"), script).unwrap();
        fs::create_dir_all(place.path("photos")).unwrap();
        let mut command = Command::new(std::path::Path::new(&folder).join("bin/python"));
        let output =
            command.arg("embed.py").current_dir(place.path("")).env("HF_HUB_OFFLINE", "1").env("HF_HOME", place.path("hf")).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    };
    let without: String = snippet.lines().filter(|line| !line.contains("embed_table_storage")).flat_map(|line| [line, "\n"]).collect();
    embed(&without);
    let refused = stderr(&place.run(&[]));
    assert!(refused.contains("has no image bytes, only a path: write the images into the file, as docs/datasets.md shows"), "{refused}");
    embed(snippet);
    let output = place.run(&["--strict"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(String::from_utf8(place.result("labels.tsv")).unwrap().lines().count(), 6);
}

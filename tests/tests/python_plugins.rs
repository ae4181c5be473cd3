//! Plugins in Python: one of every role through a whole run, and what becomes of those that misbehave. The Python is that of scripts/setup.sh, which has numpy.

use convert_tests::{Place, convert, python, python_of_examples, repository, stderr, stdout};
use serde_json::Value;

const ROLES: [&str; 8] = ["dataset", "proposer", "refiner", "selector", "labeler", "postprocessor", "exporter", "extractor"];

/// Writes the template of each role as `plugins new` does, into a folder of its own; what it says comes next, by role.
fn write_templates(place: &Place) -> Vec<String> {
    let write = |role: &str| {
        let output =
            convert().args(["plugins", "new", role, &format!("my-{role}"), "--language", "python", "--dir"]).arg(place.path(role)).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        text.lines().find_map(|line| line.strip_prefix("    ")).unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    ROLES.into_iter().map(write).collect()
}

fn run(place: &Place, arguments: &[&str]) -> (i32, String) {
    let output = place.command(arguments).output().expect("convert can be started");
    (output.status.code().unwrap_or(-1), stderr(&output))
}

/// Images in one folder, named CLASS-NUMBER.png.
fn flat(place: &Place, count: u32) {
    place.write_images(&["apple", "pear"], count);
    for class in ["apple", "pear"] {
        for file in std::fs::read_dir(place.path("data").join(class)).unwrap().flatten() {
            std::fs::rename(file.path(), place.path("data").join(file.file_name())).unwrap();
        }
    }
}

#[test]
fn a_run_whose_every_step_is_written_in_python() {
    let place = Place::new("");
    let steps = write_templates(&place);
    let sections: String = steps[..7].iter().flat_map(|section| [section.as_str(), "\n"]).collect();
    let sections = sections.replace("PHOTOS", place.path("data").to_str().unwrap());
    std::fs::write(place.path("recipe.yaml"), format!("version: 1\nwork_dir: work\n{sections}")).unwrap();
    let labels_too = ["--set", "proposals.0.config.workers=2", "--set", "label.config.workers=2"];
    flat(&place, 8);
    let (code, text) = run(&place, &[&labels_too[..], &["--strict", "--threads", "2"]].concat());
    assert_eq!(code, 0, "{text}");
    let labels = String::from_utf8(place.result("rows.jsonl")).unwrap();
    let rows: Vec<Value> = String::from_utf8(place.result("rows.jsonl")).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), labels.lines().count()), (16, 16));
    for row in &rows {
        let class = row["id"].as_str().unwrap().split('-').next().unwrap();
        assert!(row["labels"].as_array().unwrap().iter().any(|label| label == class) && row["mean"].as_f64().unwrap() > 1.0, "{row}");
    }
    // One thread and one process give the same; a second run computes nothing; another file's content redoes what it made.
    let (code, text) = run(&place, &["--fresh", "--threads", "1"]);
    assert_eq!((code, String::from_utf8(place.result("rows.jsonl")).unwrap()), (0, labels), "{text}");
    let (_, cached) = run(&place, &[]);
    assert!(!cached.contains("INFO proposals-python") && !cached.contains("training"), "{cached}");
    let file = place.path("proposer/my_proposer.py");
    let code = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, code + "\n# changed\n").unwrap();
    let plan = convert().args(["plan", "--json"]).arg(place.path("recipe.yaml")).output().unwrap();
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&plan)));
    let proposals = plan["steps"].as_array().unwrap().iter().find(|step| step["name"] == "proposals-python").unwrap();
    assert_eq!(proposals["shards"]["done"].as_array().unwrap().len(), 0, "{proposals}");
}

/// A run whose proposals come from a class of unruly.py, on so many images of each of two classes.
fn unruly(class: &str, timeout: u32, images: u32) -> Place {
    let place = Place::new(&format!(
        "version: 1
work_dir: work
dataset: {{ plugin: image-folder, root: data }}
proposals: [{{ plugin: python, config: {{ entry: 'unruly.py:{class}', timeout_s: {timeout} }} }}]
select: {{ plugin: keep-largest }}
label: {{ plugin: mlp-head, config: {{ backbone: {{ family: patch-stats }}, input_size: 96, epochs: 2, hidden: 16 }} }}
export: [{{ plugin: multilabel-tsv, file: labels.tsv }}]
"
    ));
    std::fs::copy(repository().join("tests/tests/python/unruly.py"), place.path("unruly.py")).unwrap();
    place.write_images(&["apple", "pear"], images);
    place
}

#[test]
fn what_misbehaves_costs_its_samples_and_the_run_goes_on() {
    let place = unruly("Unruly", 3, 10);
    for number in 0..8 {
        std::fs::remove_file(place.path(&format!("data/pear/pear-00{number}.png"))).unwrap();
    }
    let (code, text) = run(&place, &["--allow-skipped"]);
    assert_eq!(code, 0, "{text}");
    let errors = String::from_utf8(place.result("errors.jsonl")).unwrap();
    let expected = [
        "ValueError: cannot make sense of it (unruly.py:21)",
        "a proposal's score is nan",
        "a mask has the shape (4, 4, 3) instead of [height, width]",
        "the call took longer than 3 s (timeout_s): its process was ended",
        "its Python process ended (exit status: 3)",
        "its Python process ended (signal: 9 (SIGKILL))",
        "'int' object is not iterable",
        "a mask is of type uint8: give booleans",
    ];
    assert_eq!(errors.lines().count(), expected.len(), "{errors}");
    for (number, reason) in expected.iter().enumerate() {
        let line = errors.lines().find(|line| line.contains(&format!("apple-00{number}"))).unwrap_or_else(|| panic!("{number}: {errors}"));
        assert!(line.contains(reason), "{reason}: {line}");
    }
    assert_eq!(String::from_utf8(place.result("labels.tsv")).unwrap().lines().count(), 4);
    for said in
        ["looking at apple/apple-009.png", "and its shadow", "even past Python's own streams", "WARN python: a warning about apple/apple-008.png"]
    {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn five_crashes_in_a_row_stop_the_run() {
    let place = unruly("Dying", 600, 8);
    let (code, text) = run(&place, &["--threads", "4"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("5 Python processes of ") && text.contains("unruly.py:Dying ended one after the other"), "{text}");
}

#[test]
fn a_class_that_cannot_be_built_refuses_the_recipe_in_one_line() {
    let place = unruly("Nothing", 600, 2);
    let refused = |setting: &str, what: &str| {
        let (code, text) = run(&place, &["--set", setting]);
        assert!(code == 2 && text.contains(what), "{setting}: {code}: {text}");
        assert!(text.lines().any(|line| line.starts_with("error: ")), "{text}");
    };
    let entry = |entry: &str| format!("proposals.0.config.entry={entry}");
    refused(&entry("absent.py:Nothing"), "absent.py` does not exist");
    refused(&entry("Nothing"), "must name a class as FILE.py:CLASS or package.module:CLASS, not \"Nothing\"");
    refused(&entry("no_such_module:Nothing"), "No module named 'no_such_module'");
    let here = place.path("unruly.py").display().to_string();
    refused(&entry(&format!("{here}:Absent")), "has no class Absent; its classes of this role are Unruly, Dying, Leaking, Batches, Strict, Nothing");
    refused(&entry(&format!("{here}:np")), "has no class np");
    refused("proposals.0.config.python=/no/python", "the Python `/no/python` cannot be started");
    refused("proposals.0.config.python=/bin/false", "cannot be built by /bin/false (does it have numpy? its last words are above)");
}

/// A recipe whose proposals come from `Strict` of unruly.py and go through `DropDark` of a template, with these configs.
fn strict(points: &str, darkest: &str) -> Place {
    let place = Place::new(&format!(
        "version: 1
work_dir: work
dataset: {{ plugin: image-folder, root: data }}
proposals:
  - plugin: python
    config:
      entry: unruly.py:Strict
      config: {points}
refine:
  - plugin: python
    config:
      entry: refiner.py:DropDark
      config: {darkest}
select: {{ plugin: keep-largest }}
label: {{ plugin: mlp-head, config: {{ backbone: {{ family: patch-stats }}, input_size: 96, epochs: 2, hidden: 16 }} }}
export: [{{ plugin: multilabel-tsv, file: labels.tsv }}]
"
    ));
    std::fs::copy(repository().join("tests/tests/python/unruly.py"), place.path("unruly.py")).unwrap();
    std::fs::copy(repository().join("docs/plugin-templates/refiner.py"), place.path("refiner.py")).unwrap();
    place.write_images(&["apple", "pear"], 2);
    place
}

#[test]
fn what_is_wrong_in_the_config_of_a_class_is_shown_in_its_place() {
    let check = |points: &str, darkest: &str, what: &[&str]| {
        let place = strict(points, darkest);
        let checked = convert().current_dir(place.path("")).args(["check", "recipe.yaml"]).output().unwrap();
        for (code, text) in [(checked.status.code().unwrap_or(-1), stderr(&checked)), run(&place, &[])] {
            assert_eq!(code, 2, "{text}");
            assert_eq!(text.matches("error: ").count(), what.len(), "{text}");
            for what in what {
                assert!(text.contains(what), "{what}: {text}");
            }
            assert!(!place.path("work/stages").exists(), "no work was begun");
        }
    };
    let fine = "{ points: 3 }";
    check("{ points: many }", "{}", &["error: recipe.yaml:8:25: `points` of the config of unruly.py:Strict must be an integer, not a text (`many`)"]);
    check("{}", "{}", &["error: recipe.yaml:8:15: the config of unruly.py:Strict needs the key `points`"]);
    check(
        "{ points: 3, nome: x }",
        "{ darkest: true }",
        &[
            "error: recipe.yaml:8:28: unknown key `nome` in the config of unruly.py:Strict; did you mean `name`?",
            "error: recipe.yaml:13:26: `darkest` of the config of refiner.py:DropDark must be a number, not a truth value (`true`)",
        ],
    );
    // What only the class itself can tell, when it is built.
    let refused = "refiner.py:DropDark: `config.darkest` is -3.0: give 0 or more";
    check(fine, "{ darkest: -3 }", &["error: recipe.yaml:13:26: refiner python: the class ", refused][..1]);
    let (code, text) = run(&strict(fine, "{ darkest: -3 }"), &[]);
    assert!(code == 2 && text.contains(refused), "{text}");
}

/// The schema says that a text from the shell is a number.
#[test]
fn numbers_of_the_shell_reach_the_config_of_a_class() {
    let place = strict("{}", "{}");
    let check = |set: &str| {
        let output = convert().current_dir(place.path("")).args(["check", "recipe.yaml", "--set", set]).output().unwrap();
        (output.status.code(), stderr(&output))
    };
    let (code, text) = check("proposals.0.config.config.points=4");
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = check("proposals.0.config.config.points=x");
    assert!(code == Some(2) && text.contains("`points` of the config of unruly.py:Strict must be an integer, not a text (`x`)"), "{text}");
}

#[test]
fn a_class_is_described_as_other_plugins_are() {
    let place = Place::new("");
    std::fs::copy(repository().join("tests/tests/python/described.py"), place.path("described.py")).unwrap();
    let describe = |name: &str| {
        let output = convert().current_dir(place.path("")).args(["plugins", "describe", name]).output().unwrap();
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let (code, text, errors) = describe("described.py:Described");
    assert_eq!(code, Some(0), "{errors}");
    insta::assert_snapshot!(text);
    let (code, _, errors) = describe("described.py:Absent");
    assert!(code == Some(2) && errors.contains("has no class Absent; its classes of any role are Described"), "{errors}");
    let (code, _, errors) = describe("described.py:Grid");
    assert!(code == Some(2) && errors.contains("is no plugin: derive it from a class of convert_sdk, such as Proposer"), "{errors}");
    let (code, _, errors) = describe("absent.py:Described");
    assert!(code == Some(2) && errors.contains("absent.py` does not exist (`absent.py` in the current folder)"), "{errors}");
}

#[test]
fn a_process_that_leaks_is_ended_between_two_calls_and_nothing_is_lost() {
    let place = unruly("Leaking", 600, 8);
    let (code, text) = run(&place, &["--strict", "--threads", "1", "--set", "proposals.0.config.max_memory_mb=200"]);
    assert_eq!(code, 0, "{text}");
    let ended = text.lines().filter(|line| line.contains("unruly.py:Leaking: its process holds ") && line.contains("more than max_memory_mb (200)"));
    assert!((2..=8).contains(&ended.count()), "16 calls of 30 MB each, in some 40 MB of Python: {text}");
    assert_eq!(String::from_utf8(place.result("labels.tsv")).unwrap().lines().count(), 16);
    let (code, text) = run(&place, &["--fresh", "--set", "proposals.0.config.max_memory_mb=5"]);
    let what = "unruly.py:Leaking holds ";
    assert!(code == 2 && text.contains("`max_memory_mb` is 5, but ") && text.contains(what) && text.contains("as soon as it is built"), "{text}");
}

#[test]
fn a_batch_that_fails_is_asked_for_again_image_by_image() {
    let place = unruly("Batches", 600, 4);
    std::fs::remove_file(place.path("data/pear/pear-003.png")).unwrap();
    let (code, text) = run(&place, &["--allow-skipped", "--threads", "1"]);
    assert_eq!(code, 0, "{text}");
    let asked: Vec<&str> = text.lines().filter_map(|line| line.split("asked for ").nth(1)).collect();
    assert_eq!(asked, ["4", "1", "1", "1", "1", "3"], "{text}");
    let errors = String::from_utf8(place.result("errors.jsonl")).unwrap();
    assert!(errors.lines().count() == 1 && errors.contains("apple-003") && errors.contains("ValueError: cannot make sense of it"), "{errors}");
    assert_eq!(String::from_utf8(place.result("labels.tsv")).unwrap().lines().count(), 6);
}

#[test]
fn an_extractor_in_python_gives_its_features() {
    let place = Place::new("");
    place.write_images(&["apple"], 1);
    let step = write_templates(&place).pop().unwrap();
    let line = step.replacen("FILE.safetensors", "f.safetensors", 1).replacen("FILE", "data/apple/apple-000.png", 1);
    let output = std::process::Command::new("bash").args(["-c", &line]).current_dir(place.path("")).env("CONVERT_PYTHON", python()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let bytes = std::fs::read(place.path("f.safetensors")).unwrap();
    let header = String::from_utf8_lossy(&bytes[8..8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize]).into_owned();
    assert!(header.contains("\"shape\":[1,36,3]"), "{header}");
}

#[test]
fn the_examples_read_an_archive_and_label_with_scikit_learn() {
    let Some(python) = python_of_examples("the_examples_read_an_archive_and_label_with_scikit_learn") else { return };
    let examples = repository().join("docs/examples/python");
    let place = Place::new("");
    place.write_images(&["apple", "pear"], 6);
    let recipe = format!(
        "version: 1
work_dir: work
dataset: {{ plugin: python, entry: '{0}/dataset_zip.py:ZipFolders', config: {{ file: '{1}/photos.zip' }} }}
proposals: [{{ plugin: grid, config: {{ cells: 2 }} }}]
select: {{ plugin: keep-largest }}
label: {{ plugin: python, config: {{ entry: '{0}/sklearn_labeler.py:Logistic' }} }}
export:
  - {{ plugin: jsonl, file: labels.jsonl }}
  - {{ plugin: python, file: voc.zip, config: {{ entry: '{0}/pascal_voc.py:PascalVoc' }} }}
",
        examples.display(),
        place.path("").display()
    );
    std::fs::write(place.path("recipe.yaml"), recipe).unwrap();
    let zipped =
        std::process::Command::new(&python).args(["-m", "zipfile", "-c", "../photos.zip", "apple", "pear"]).current_dir(place.path("data")).status();
    assert!(zipped.unwrap().success());
    let output = place.command(&["--strict"]).env("CONVERT_PYTHON", &python).output().expect("convert can be started");
    assert!(output.status.success(), "{}", stderr(&output));
    let rows: Vec<Value> = String::from_utf8(place.result("labels.jsonl")).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let right = rows.iter().filter(|row| row["regions"].as_array().unwrap().iter().any(|region| region["classes"][0] == row["label"])).count();
    assert!(rows.len() == 12 && right >= 11, "{right} of {}", rows.len());
    // The boxes of the archive are those of the rows.
    let script = "import sys, zipfile\nfrom xml.etree import ElementTree as xml\narchive = zipfile.ZipFile(sys.argv[1])\nfor name in sorted(archive.namelist()):\n    for box in xml.fromstring(archive.read(name)).iter('bndbox'):\n        print(name, *[side.text for side in box])";
    let voc = std::process::Command::new(&python).args(["-c", script]).arg(place.path("work/voc.zip")).output().expect("Python can be started");
    let mut expected = Vec::new();
    for row in &rows {
        let name = row["id"].as_str().unwrap().replace(".png", ".xml");
        for region in row["regions"].as_array().unwrap() {
            let class = row["classes"].as_array().unwrap().iter().position(|class| *class == region["classes"][0]);
            if class.is_some_and(|at| row["probabilities"][at].as_f64().unwrap() > 0.5) {
                let side = |at: usize| region["bbox"][at].as_f64().unwrap() as u32;
                expected.push(format!("Annotations/{name} {} {} {} {}", side(0) + 1, side(1) + 1, side(0) + side(2), side(1) + side(3)));
            }
        }
    }
    assert!(expected.len() >= 12);
    assert_eq!(stdout(&voc).lines().collect::<Vec<_>>(), expected);
}

/// The example on Segment Anything with random weights, in a whole recipe and at a click; its masks are those that transformers makes by itself.
#[test]
fn sam_in_a_recipe_gives_the_masks_of_transformers() {
    let name = "sam_in_a_recipe_gives_the_masks_of_transformers";
    let Some(python) = python_of_examples(name) else { return };
    let place = Place::new(
        "version: 1
work_dir: work
dataset: { plugin: image-folder, root: data }
proposals:
  - plugin: python
    config:
      entry: sam.py:Sam
      config: { model: MODEL, points_per_side: 12, pred_iou_thresh: -100, stability_score_thresh: 0, crops_nms_thresh: 0.9 }
select: { plugin: keep-largest }
label: { plugin: mlp-head, config: { backbone: { family: patch-stats }, input_size: 96, epochs: 2, hidden: 16 } }
export: [{ plugin: coco, file: annotations.json }]
",
    );
    std::fs::copy(repository().join("docs/examples/python/sam.py"), place.path("sam.py")).unwrap();
    let recipe = std::fs::read_to_string(place.path("recipe.yaml")).unwrap();
    std::fs::write(place.path("recipe.yaml"), recipe.replace("MODEL", place.path("model").to_str().unwrap())).unwrap();
    place.write_images(&["apple", "pear"], 2);
    let script = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&python);
        command.arg(repository().join("tests/tests/python/tiny_sam.py")).args(arguments).current_dir(place.path(""));
        let output = command.env("PYTHONPATH", repository().join("sdk/python/src")).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    script(&["make", "model"]);
    let output = place.command(&["--strict"]).env("CONVERT_PYTHON", &python).output().expect("convert can be started");
    assert!(output.status.success(), "{}", stderr(&output));
    let said = script(&["compare", "model", "data", "work/annotations.json"]);
    let worst: f64 = said.trim().rsplit(' ').next().unwrap().parse().unwrap_or_else(|error| panic!("{error}: {said}"));
    assert!(worst >= 0.99, "{said}");
    let said = script(&["click", "model", place.path("sam.py").to_str().unwrap(), "data"]);
    assert!(said.trim().ends_with("masks at a point"), "{said}");
}

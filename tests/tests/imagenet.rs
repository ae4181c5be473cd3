//! The ImageNet recipes whole, on a few synthetic images laid out like ImageNet, with tiny checkpoints of the paper's four families and labeler.

use std::path::{Path, PathBuf};
use std::process::Output;

use convert_tests::random_vit::Shape;
use convert_tests::{Place, convert, repository, stderr, stdout};
use serde_json::Value;

/// A dataset of eight images in four WordNet-id folders, weights, and made-up label maps.
struct ImageNet {
    place: Place,
}

impl ImageNet {
    fn new() -> Self {
        let place = Place::new("");
        place.write_images(&["n01440764", "n01443537", "n02123045", "n07753592"], 2);
        let map = repository().join("plugins/selectors/tests/data/0.pt");
        for folder in std::fs::read_dir(place.path("data")).unwrap().flatten() {
            let maps = place.path("maps").join(folder.file_name());
            std::fs::create_dir_all(&maps).unwrap();
            for image in std::fs::read_dir(folder.path()).unwrap().flatten() {
                std::fs::copy(&map, maps.join(image.file_name()).with_extension("pt")).unwrap();
            }
        }
        for ((name, shape), seed) in Shape::PUBLISHED.into_iter().zip(1..) {
            shape.tiny().write(&place.path(&format!("{name}.safetensors")), seed).unwrap();
        }
        Self { place }
    }

    /// Runs a recipe of the repository in a work directory of this place, with every size brought down.
    fn run(&self, recipe: &str, work: &str, more: &[(&str, PathBuf)], arguments: &[&str]) -> Output {
        let mut command = convert();
        command.arg("--recipe").arg(repository().join("recipes").join(recipe));
        command.env("DATA", self.place.path("data")).env("MAPS", self.place.path("maps")).env("WORK", self.place.path(work));
        for (name, _) in Shape::PUBLISHED {
            command.env(name, self.place.path(&format!("{name}.safetensors")));
        }
        command.env("EPOCHS", "2").env("INPUT_SIZE", "96").envs(more.iter().cloned()).args(arguments);
        let output = command.output().expect("convert can be started");
        assert_eq!(output.status.code(), Some(0), "{recipe}: {}", stderr(&output));
        output
    }

    /// The head that a run trained.
    fn checkpoint(&self, work: &str) -> PathBuf {
        let stages = std::fs::read_dir(self.place.path(work).join("stages")).unwrap().flatten().map(|entry| entry.path());
        let train = stages.into_iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("train-")));
        train.expect("a training").join("head.safetensors")
    }
}

const SMALL: [&str; 12] = [
    "--set",
    "proposals.dinov3-b.config.input_size=96",
    "--set",
    "proposals.dinov2-g.config.input_size=112",
    "--set",
    "proposals.dinov2-l.config.input_size=112",
    "--set",
    "proposals.dinov2-l.config.tau=0.5",
    "--set",
    "proposals.dino-b.config.input_size=96",
    "--set",
    "label.config.input_size=96",
];

fn json(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))).unwrap()
}

#[test]
fn the_headline_its_validation_split_and_the_filter_run_whole() {
    let imagenet = ImageNet::new();
    // The label maps are made up: their confidences say nothing.
    let arguments = [&SMALL[..], &["--set", "select.config.threshold=0"]].concat();
    imagenet.run("imagenet.yaml", "train", &[], &arguments);
    let train = imagenet.place.path("train");
    let labels = std::fs::read_to_string(train.join("labels.tsv")).unwrap();
    assert_eq!(labels.lines().count(), 8);
    assert!(labels.starts_with("n01440764/n01440764-000.png\t0\t0"), "{labels}");
    let sources: std::collections::BTreeSet<String> =
        json(&train.join("annotations.json"))["annotations"].as_array().unwrap().iter().map(|a| a["source"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sources.into_iter().collect::<Vec<_>>(), ["dino-b", "dinov2-g", "dinov2-l", "dinov3-b"]);

    let checkpoint = [("CHECKPOINT", imagenet.checkpoint("train"))];
    imagenet.run("imagenet-val.yaml", "val", &checkpoint, &SMALL);
    let evaluate = |predictions: &Path, truth: &Path| {
        let output = convert().args(["evaluate", "labels", "--predictions"]).arg(predictions).arg("--truth").arg(truth).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let table = evaluate(&imagenet.place.path("val/labels.tsv"), &train.join("labels.tsv"));
    assert!(table.contains("8 images compared, 8 of them with true labels"), "{table}");

    exported_masks_come_back_identical(&imagenet, &train.join("masks.json"), &checkpoint[0].1);
}

/// CutLER's form out of one run and into the next, which keeps all or nothing.
fn exported_masks_come_back_identical(imagenet: &ImageNet, masks: &Path, checkpoint: &Path) {
    let more = |tau: &str| [("CHECKPOINT", checkpoint.to_owned()), ("MASKS", masks.to_owned()), ("TAU", tau.into())];
    let output = imagenet.run("filter-masks.yaml", "filter", &more("0.0"), &[]);
    let (before, after) = (json(masks), json(&imagenet.place.path("filter/masks.json")));
    let count = before["annotations"].as_array().unwrap().len();
    assert!(count >= 8, "{count} masks");
    assert_eq!((&before["images"], &before["annotations"]), (&after["images"], &after["annotations"]));
    assert!(stderr(&output).contains(&format!("kept {count} of {count} masks (100.0 %)")), "{}", stderr(&output));
    let regions = json(&imagenet.place.path("filter/regions.json"));
    assert_eq!(regions.as_object().unwrap().len(), count);
    assert!(regions["1"]["prob"].as_array().unwrap().len() == 5 && regions["1"]["label"].as_array().unwrap().len() == 5);

    let output = imagenet.run("filter-masks.yaml", "filter", &more("1.0"), &[]);
    assert!(stderr(&output).contains(&format!("kept 0 of {count} masks (0.0 %)")), "{}", stderr(&output));
    assert!(json(&imagenet.place.path("filter/masks.json"))["annotations"].as_array().unwrap().is_empty());
}

#[test]
fn an_image_is_decoded_once_for_all_proposals_and_once_for_its_labels() {
    let imagenet = ImageNet::new();
    let arguments = [&SMALL[..], &["--set", "select.config.threshold=0", "-vv"]].concat();
    let text = stderr(&imagenet.run("imagenet.yaml", "decodes", &[], &arguments));
    let decodes = |part: &str| {
        let mut ids: Vec<&str> = part.lines().filter_map(|line| line.split_once("decoding ")).map(|(_, id)| id).collect();
        ids.sort_unstable();
        ids.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let classes = ["n01440764", "n01443537", "n02123045", "n07753592"];
    let each_once: Vec<String> = classes.iter().flat_map(|class| (0..2).map(move |number| format!("{class}/{class}-{number:03}.png"))).collect();
    let (masks, after) = text.split_once("train-mlp-head: training").expect("a training");
    assert_eq!(decodes(masks), each_once, "four proposers, their refiners and the selection share an image");
    let (_, predicting) = after.split_once("train-mlp-head: done").expect("the end of the training");
    let (predicting, _) = predicting.split_once("labels: done").expect("the end of the labels");
    assert_eq!(decodes(predicting), each_once);
}

/// The operations of a plan's stage, all images together.
fn operations(plan: &str, stage: &str) -> f64 {
    let line = plan.lines().find(|line| line.contains(stage)).unwrap_or_else(|| panic!("no stage {stage} in:\n{plan}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| word.ends_with("FLOP")).unwrap_or_else(|| panic!("no operations in {line}"));
    let prefix = words[at].trim_end_matches("FLOP");
    let scale = ["", "k", "M", "G", "T", "P", "E"].iter().position(|known| *known == prefix).unwrap();
    words[at - 1].parse::<f64>().unwrap() * 1e3f64.powi(scale as i32)
}

#[test]
fn each_epoch_of_the_papers_training_is_a_pass_of_the_backbone() {
    let imagenet = ImageNet::new();
    let plan = |more: &[&str]| stdout(&imagenet.run("imagenet.yaml", "plan", &[], &[&SMALL[..], &["--dry-run"], more].concat()));
    let augmented = |epochs: &str| plan(&["--set", epochs, "--set", "label.config.mode=augmented"]);
    let (five, ten) = (augmented("label.config.epochs=5"), augmented("label.config.epochs=10"));
    let pass = operations(&five, "predict-mlp-head");
    let epoch = (operations(&ten, "train-mlp-head") - operations(&five, "train-mlp-head")) / 5.0;
    assert!((1.0..1.2).contains(&(epoch / pass)), "an epoch takes {epoch}, a pass {pass}");
    let cheap = |epochs: &str| operations(&plan(&["--set", epochs]), "train-mlp-head");
    let epoch = (cheap("label.config.epochs=10") - cheap("label.config.epochs=5")) / 5.0;
    let views = (cheap("label.config.epochs=5") - 5.0 * epoch) / pass;
    assert!((9.0..10.5).contains(&views) && epoch < 0.3 * views * pass, "pooled views take {views} passes of {pass}, an epoch on them {epoch}");
}

/// Whether a piece of text is a whole command, and not the name of one.
fn is_run(span: &str) -> bool {
    span.starts_with("convert ") && (span.contains(" --") || span.contains('/'))
}

/// The commands of a page: the lines of its blocks, and what stands in the text as `convert …` with its arguments; equations are left out, and
/// the run at full size, which is too large for a test.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in page.lines() {
        match line.strip_prefix("    ") {
            Some(command) if command.contains(" = ") || command.contains("full_size") => {}
            Some(command) => found.push(command.trim().to_owned()),
            None => found.extend(line.split('`').skip(1).step_by(2).filter(|span| is_run(span)).map(str::to_owned)),
        }
    }
    found
}

/// With every size brought down, on the CPU, and with this place's files for those that a reader would have.
fn made_small(command: &str, place: &Path) -> String {
    let data = place.join("val300").display().to_string();
    let replaced = [
        ("/data/imagenet/train", data.as_str()),
        ("/data/imagenet/val", &data),
        ("/data/relabel", &place.join("maps").display().to_string()),
        ("/data/imagenet_train_fixsize480_tau0.15_N3.json", &place.join("runs/imagenet/masks.json").display().to_string()),
        ("/data/head.safetensors", &format!("$(ls {}/runs/imagenet/stages/train-*/head.safetensors)", place.display())),
        ("/data/vit_tiny_patch16_224.safetensors", &place.join("DINO_B.safetensors").display().to_string()),
        ("--device cuda", "--device cpu"),
    ];
    let mut small = replaced.iter().fold(command.to_owned(), |command, (theirs, ours)| command.replace(theirs, ours));
    let settings: Vec<&str> = match () {
        () if command.contains("recipes/imagenet.yaml") => [&SMALL[..], &["--set", "select.config.threshold=0"]].concat(),
        () if command.contains("recipes/imagenet-val.yaml") => SMALL.to_vec(),
        () if command.contains("recipes/vit-tiny-folder.yaml") => vec!["--set", "proposals.vit.config.layer=2"],
        () => Vec::new(),
    };
    settings.iter().for_each(|setting| small += &format!(" {setting}"));
    small
}

/// One shell runs them all in a copy of the repository's recipes, as a reader would.
#[test]
fn every_command_of_the_page_runs() {
    let imagenet = ImageNet::new();
    let place = imagenet.place.path("");
    for folder in ["recipes", "recipes/data", "tests/recipes"] {
        std::fs::create_dir_all(place.join(folder)).unwrap();
        for file in std::fs::read_dir(repository().join(folder)).unwrap().flatten().filter(|file| file.path().is_file()) {
            std::fs::copy(file.path(), place.join(folder).join(file.file_name())).unwrap();
        }
    }
    // The synthetic images under the names of validation photos, so that ReaL's form of truth knows them.
    let mut number = 0;
    for class in ["n01440764", "n01443537", "n02123045", "n07753592"] {
        let (photos, maps) = (place.join("val300").join(class), place.join("maps").join(class));
        std::fs::create_dir_all(&photos).unwrap();
        for image in std::fs::read_dir(place.join("data").join(class)).unwrap().flatten() {
            number += 1;
            let stem = format!("ILSVRC2012_val_{number:08}");
            image::open(image.path()).unwrap().save_with_format(photos.join(format!("{stem}.JPEG")), image::ImageFormat::Jpeg).unwrap();
            std::fs::copy(repository().join("plugins/selectors/tests/data/0.pt"), maps.join(format!("{stem}.pt"))).unwrap();
        }
    }
    let truth: Vec<Vec<u32>> = (0..50_000).map(|image| vec![image / 2 % 2, 7]).collect();
    std::fs::write(place.join("real.json"), serde_json::to_vec(&truth).unwrap()).unwrap();

    let page = std::fs::read_to_string(repository().join("docs/imagenet.md")).unwrap();
    let commands = commands(&page);
    assert!(commands.len() > 20, "{commands:#?}");
    let small: Vec<String> = commands.iter().map(|command| made_small(command, &place)).collect();
    let script = format!("set -euxo pipefail\n{}\n", small.join("\n"));
    let path = format!("{}:{}", convert_tests::build_folder().display(), std::env::var("PATH").unwrap());
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", &script]).current_dir(&place).env("PATH", path).env("EPOCHS", "2").env("INPUT_SIZE", "96").env("NO_COLOR", "1");
    shell.env("DATA", place.join("val300")).env("MAPS", place.join("maps")).env("FAMILY", "dinov3").env_remove("CONVERT_PLUGIN_PATH");
    for (name, _) in Shape::PUBLISHED {
        shell.env(name, place.join(format!("{name}.safetensors")));
    }
    let output = shell.output().expect("bash can be started");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(place.join("held-out.tsv")).unwrap().lines().count(), 8);
    for work in ["b-by-a", "a-by-b"] {
        let stages = std::fs::read_dir(place.join("runs").join(work).join("stages")).unwrap().flatten();
        let names: Vec<String> = stages.map(|stage| stage.file_name().to_string_lossy().into_owned()).collect();
        assert!(!names.iter().any(|name| name.starts_with("train-")), "{work} is held out, nothing is trained on it: {names:?}");
    }
}

#[test]
fn the_small_recipe_runs_and_says_before_what_it_takes() {
    let imagenet = ImageNet::new();
    let small = ["--set", "proposals.dinov3-b.config.input_size=96", "--set", "label.config.input_size=96", "--set", "select.config.threshold=0"];
    let plan = stdout(&imagenet.run("imagenet-small.yaml", "small", &[], &[&small[..], &["--dry-run"]].concat()));
    // 41 tokens of width d = 384 through a block (24·d² and attention) and the values of the second, 36 patches of 768 numbers before: 0.18 billion operations an image, and the cuts'.
    assert!(plan.lines().find(|line| line.contains("proposals-dinov3-b")).is_some_and(|line| line.contains(" 1.48 GFLOP ")), "{plan}");
    assert!(plan.lines().find(|line| line.contains("train-mlp-head")).is_some_and(|line| line.contains("FLOP")), "{plan}");
    imagenet.run("imagenet-small.yaml", "small", &[], &small);
    assert_eq!(std::fs::read_to_string(imagenet.place.path("small/labels.tsv")).unwrap().lines().count(), 8);
}

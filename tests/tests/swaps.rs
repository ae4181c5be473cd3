//! The recipes of recipes/swaps, each on a few pictures whose objects are known: they run, and find the objects.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use convert_sdk::Mask;
use convert_tests::{Place, convert, drawn, python_of_examples, repository, stderr};
use serde_json::Value;

const IMAGES: u32 = 6;

fn recipe(name: &str) -> PathBuf {
    repository().join("recipes/swaps").join(format!("{name}.yaml"))
}

/// The object of a picture: what has a colour.
fn object(class: u32, number: u32) -> Mask {
    let picture = drawn(class, number);
    let coloured: Vec<u8> = picture.pixels().map(|pixel| u8::from(pixel.0.iter().max() != pixel.0.iter().min())).collect();
    Mask::from_pixels(picture.width(), picture.height(), &coloured).unwrap()
}

/// Runs a recipe on pictures of two classes; the worst of their objects' best IoU with a mask.
fn worst_of_best(name: &str, variables: &[(&str, &Path)]) -> f64 {
    let place = Place::new("");
    place.write_images(&["apple", "pear"], IMAGES);
    let mut command = convert();
    command
        .arg("--recipe")
        .arg(recipe(name))
        .args(["--strict", "--set", "label.config.input_size=96", "--set", "label.config.epochs=2"])
        .env("DATA", place.path("data"))
        .env("WORK", place.path("work"));
    let output = command.envs(variables.iter().copied()).output().expect("convert can be started");
    assert!(output.status.success(), "{name}: {}", stderr(&output));
    let coco: Value = serde_json::from_slice(&place.result("annotations.json")).unwrap();
    let masks_of = |image: &Value| {
        let annotations = coco["annotations"].as_array().unwrap().iter().filter(|annotation| annotation["image_id"] == image["id"]);
        let counts = annotations.filter_map(|annotation| annotation["segmentation"]["counts"].as_str());
        counts.map(|counts| Mask::from_counts(96, 96, counts).unwrap()).collect::<Vec<_>>()
    };
    let best = |image: &Value| {
        let stem = Path::new(image["file_name"].as_str().unwrap()).file_stem().unwrap().to_str().unwrap();
        let (class, number) = stem.split_once('-').unwrap();
        let object = object(u32::from(class == "pear"), number.parse().unwrap());
        masks_of(image).iter().map(|mask| mask.iou(&object).unwrap()).fold(0.0, f64::max)
    };
    let found: Vec<f64> = coco["images"].as_array().unwrap().iter().map(best).collect();
    assert_eq!(found.len() as u32, 2 * IMAGES, "{name}");
    found.into_iter().fold(1.0, f64::min)
}

#[test]
fn selective_search_finds_the_objects() {
    let worst = worst_of_best("selective-search", &[]);
    assert!(worst > 0.8, "{worst}");
}

#[test]
fn grabcut_keeps_the_objects() {
    let worst = worst_of_best("grabcut", &[]);
    assert!(worst > 0.9, "{worst}");
}

#[test]
fn superpixels_in_python_find_the_objects() {
    let Some(python) = python_of_examples("superpixels_in_python_find_the_objects") else { return };
    let worst = worst_of_best("slic", &[("CONVERT_PYTHON", Path::new(&python))]);
    assert!(worst > 0.8, "{worst}");
}

#[test]
fn a_module_of_ones_own_finds_the_objects() {
    let module = repository().join("plugins/torchscript-masks/tests/data/tuples.pt");
    let worst = worst_of_best("torchscript-masks", &[("MODULE", &module)]);
    assert!(worst > 0.8, "{worst}");
}

#[test]
fn every_recipe_of_the_folder_is_tried() {
    let files = std::fs::read_dir(repository().join("recipes/swaps")).unwrap().flatten();
    let found: BTreeSet<PathBuf> = files.map(|file| file.path()).collect();
    assert_eq!(found, ["selective-search", "grabcut", "slic", "torchscript-masks"].map(recipe).into_iter().collect());
}

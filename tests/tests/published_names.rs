//! The recipes for own photos with every published name of docs/backbones.md, on random weights in the layout of its model.

use std::collections::BTreeMap;
use std::path::Path;

use convert_tests::random_vit::Shape;
use convert_tests::{Place, convert, repository, stderr, stdout};
use serde_json::Value;

const RECIPES: [&str; 2] = ["image-folder.yaml", "own-maps.yaml"];

/// The file of each name, as the plugin says.
fn files() -> BTreeMap<String, String> {
    let output = convert().args(["plugins", "describe", "maskcut", "--json"]).output().expect("convert can be started");
    let schema: Value = serde_json::from_slice(&output.stdout).expect("a schema");
    let names = schema["$defs"]["BackboneConfig"]["properties"]["weights"]["x-named-files"].as_object().expect("names");
    names.iter().map(|(name, entry)| (name.clone(), entry["file"].as_str().expect("a file").to_owned())).collect()
}

/// A folder with photos, and one of weights; the model of a name has one block, and everything else of its own size.
fn place() -> Place {
    let place = Place::new("");
    place.write_images(&["apple", "pear"], 3);
    std::fs::create_dir(place.path("weights")).unwrap();
    place
}

fn write(place: &Place, name: &str, file: &str) {
    let shape = Shape::of_name(name).unwrap_or_else(|| panic!("the model of {name}"));
    Shape { depth: 1, ..shape }.write(&place.path("weights").join(file), 1).unwrap();
}

fn command(place: &Place, arguments: &[&str], recipe: &Path, name: &str) -> assert_cmd::Command {
    let mut command = convert();
    command.args(arguments).arg(recipe).current_dir(place.path(""));
    command.env("DATA", "data").env("WORK", format!("runs/{name}")).env("WEIGHTS", name).env("CONVERT_WEIGHTS", place.path("weights"));
    command.env("CONVERT_OFFLINE", "1");
    command
}

#[test]
fn a_name_brings_the_values_that_its_model_is_used_with() {
    let place = place();
    for (name, file) in files().into_iter().filter(|(name, _)| name != "dinov3-vit7b16") {
        write(&place, &name, &file);
        for recipe in RECIPES {
            let output = command(&place, &["check"], &repository().join("recipes").join(recipe), &name).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{recipe}, {name}: {}", stderr(&output));
            let text = stdout(&output);
            let (family, patch) = match name.split_once('-').unwrap().0 {
                "dino" | "deit" => ("dinov1", if name.ends_with("16") { 16 } else { 8 }),
                "dinov2" => ("dinov2", 14),
                _ => ("dinov3", 16),
            };
            let heads = Shape::of_name(&name).unwrap().width / 64;
            let backbone = format!(
                "preset     proposals.vit: {name} brings backbone.family {family}, backbone.heads {heads}, backbone.patch_size {patch}, \
                 backbone.mean [0.485, 0.456, 0.406], backbone.std [0.229, 0.224, 0.225]"
            );
            assert!(text.contains(&backbone), "{backbone}: {text}");
            let cuts = match name.as_str() {
                "deit-tiny16" => None,
                _ if family == "dinov1" => Some("feature k, layer default, input_size 480, tau 0.15, masks 3"),
                "dinov2-vitg14" | "dinov2-vitg14-reg4" => Some("feature v, layer default, input_size 672, tau 0.12, masks 3"),
                _ if family == "dinov2" => Some("feature v, layer default, input_size 448, tau 0.12, masks 3"),
                _ => Some("feature v, layer default, input_size 768, tau 0.35, masks 4"),
            };
            assert!(cuts.is_none_or(|cuts| text.contains(&format!("preset     proposals.vit: {name} brings {cuts}"))), "{cuts:?}: {text}");
            let size = if patch == 14 { 518 } else { 512 };
            let labels = format!("preset     label: {name} brings feature patch, layer default, input_size {size}");
            assert!(text.contains(&labels), "{labels}: {text}");
            assert!(!text.contains("           but "), "{text}");
        }
        std::fs::remove_file(place.path("weights").join(file)).unwrap();
    }
}

#[test]
fn the_recipes_run_unchanged_with_the_names_that_they_tell_of() {
    let (place, files) = (place(), files());
    for recipe in RECIPES {
        let recipe = repository().join("recipes").join(recipe);
        let text = std::fs::read_to_string(&recipe).unwrap();
        let told: Vec<&String> = files.keys().filter(|name| text.contains(&format!(" {name}")) && !text.contains(&format!(" {name}-"))).collect();
        assert!(told.len() >= 5, "{told:?}");
        for name in told {
            write(&place, name, &files[name]);
            let output = command(&place, &["--recipe"], &recipe, name).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}, {name}: {}", recipe.display(), stderr(&output));
            assert!(!stderr(&output).contains("preset"), "nothing of the recipe differs: {}", stderr(&output));
            assert_eq!(std::fs::read_to_string(place.path(&format!("runs/{name}/labels.tsv"))).unwrap().lines().count(), 6, "{name}");
        }
    }
}

#[test]
fn a_recipe_that_sets_other_values_is_told_so() {
    let (place, name) = (place(), "dino-vits16");
    write(&place, name, &files()[name]);
    let recipe = repository().join("recipes/image-folder.yaml");
    let settings =
        ["--set", "proposals.vit.config.tau=0.4", "--set", "label.config.backbone.mean=[0.5, 0.5, 0.5]", "--set", "proposals.vit.config.layer=1"];
    let mut check = command(&place, &["check"], &recipe, name);
    let output = check.args(settings).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = [
        "tau is 0.4, which is 0.15 in the preset of dino-vits16",
        "layer is 1, which the preset of dino-vits16 leaves out",
        "backbone.mean is [0.5, 0.5, 0.5], which is [0.485, 0.456, 0.406] in the preset of dino-vits16",
    ];
    for told in told {
        assert!(stdout(&output).contains(&format!("           but {told}\n")), "{told}: {}", stdout(&output));
    }
    let mut run = command(&place, &["--recipe"], &recipe, name);
    let output = run.args(settings).args(["--set", "label.config.epochs=2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains(&format!("WARN proposals.vit: {}\n", told[0])), "{}", stderr(&output));
    assert!(stderr(&output).contains(&format!("WARN label: {}\n", told[2])), "{}", stderr(&output));
}

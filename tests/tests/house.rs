//! Rules of the house that a machine can check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use convert_tests::{Place, convert, repository, stderr, stdout};
use serde_json::Value;

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(repository())
        .output()
        .expect("cargo can be started");
    serde_json::from_slice(&output.stdout).expect("cargo's metadata")
}

/// The workspace's packages with the workspace's packages that each depends on, development left out.
fn dependencies() -> Vec<(String, Vec<String>)> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let of = |package: &Value| {
        let list = package["dependencies"].as_array().into_iter().flatten();
        let normal = list.filter(|dependency| dependency["kind"].is_null()).filter_map(|dependency| dependency["name"].as_str());
        normal.filter(|name| names.contains(name)).map(str::to_owned).collect()
    };
    packages.iter().map(|package| (package["name"].as_str().unwrap_or_default().to_owned(), of(package))).collect()
}

#[test]
fn host_and_plugins_share_the_sdk_and_the_formats_alone() {
    for (package, needs) in dependencies() {
        let allowed: &[&str] = match package.as_str() {
            "convert-sdk-macros" => &[],
            "convert-sdk" => &["convert-abi", "convert-sdk-macros"],
            "convert-abi" => &[],
            "convert-formats" | "convert-testing" | "convert-grid" => &["convert-sdk"],
            "convert" | "convert-backbones" => &["convert-sdk", "convert-formats"],
            "convert-tests" => continue,
            _ => &["convert-sdk", "convert-formats", "convert-backbones"],
        };
        for need in needs {
            assert!(allowed.contains(&need.as_str()), "{package} must not depend on {need}");
        }
    }
}

/// All files of the repository itself: no build, no run, nothing hidden.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        // What is frozen stays as it was.
        if path.is_dir() && !hidden && !["target", "vendor", "runs", "dist", "corpus", "frozen"].iter().any(|name| path.ends_with(name)) {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// The texts among them.
fn all_texts() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&repository(), &mut found);
    found.into_iter().filter_map(|path| Some((path.clone(), std::fs::read_to_string(path).ok()?))).collect()
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let found: Vec<_> = all_texts().into_iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "rs")).collect();
    assert!(found.len() > 50, "the sources are found");
    found
}

#[test]
fn no_module_has_more_than_400_lines() {
    for (path, text) in all_sources() {
        assert!(text.lines().count() <= 400, "{} has {} lines: split it", path.display(), text.lines().count());
    }
}

#[test]
fn unsafe_code_stands_where_the_c_library_is_and_nowhere_else() {
    let word = concat!("uns", "afe ");
    for (path, text) in all_sources() {
        let places = ["sdk/src/abi/mod.rs", "host/src/plugins/loader.rs", "plugins/backbones/src/device.rs", "host/src/crashes.rs"];
        // A library to preload and a plugin that crashes are made of it.
        let tests = path.starts_with(repository().join("tests/plugins"));
        let allowed = tests || places.iter().any(|name| path.ends_with(name));
        let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let used = code
            .filter(|line| [format!("{word}{{"), format!("{word}impl"), format!("{word}fn")].iter().any(|form| line.contains(form.as_str())))
            .count();
        assert!(allowed || used == 0, "{} has unsafe code", path.display());
    }
}

#[test]
fn no_profile_aborts_on_panic() {
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    assert!(!manifest.replace(' ', "").contains("panic=\"abort\""), "a plugin's panic must be caught");
}

#[test]
fn the_example_plugin_is_short_and_safe_and_stands_in_the_docs_as_it_is() {
    let folder = repository().join("docs/example-plugin");
    let (manifest, code) = (std::fs::read_to_string(folder.join("Cargo.toml")).unwrap(), std::fs::read_to_string(folder.join("src/lib.rs")).unwrap());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "two files");
    assert!(manifest.lines().count() + code.lines().count() <= 45, "at most 45 lines");
    assert!(!code.contains(concat!("uns", "afe")) && !code.contains("abi"));
    let page = std::fs::read_to_string(repository().join("docs/writing-a-plugin.md")).unwrap();
    assert!(page.contains(manifest.trim()) && page.contains(code.trim()), "docs/writing-a-plugin.md shows the two files as they are");
}

#[test]
fn the_page_on_datasets_shows_the_template_as_it_is() {
    let template = std::fs::read_to_string(repository().join("docs/plugin-templates/dataset.rs")).unwrap();
    let page = std::fs::read_to_string(repository().join("docs/writing-a-dataset.md")).unwrap();
    let shown: String = page.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let lines = |text: &str| text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&shown), lines(template.split("#[cfg(test)]").next().unwrap()));
}

/// The sections and the numbered steps of docs/method.md: `1`, `1.3`.
fn method_places() -> BTreeSet<String> {
    let page = std::fs::read_to_string(repository().join("docs/method.md")).unwrap();
    let number = |text: &str| text.split_once(". ").map(|(number, _)| number.to_owned()).filter(|number| number.parse::<u32>().is_ok());
    let mut places = BTreeSet::new();
    let mut section = String::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = number(heading).unwrap_or_else(|| panic!("docs/method.md: the section {heading:?} has no number"));
            places.insert(section.clone());
        } else if let Some(step) = number(line) {
            places.insert(format!("{section}.{step}"));
        }
    }
    places
}

/// What a text cites of docs/method.md: `1.3` and `1.8` of "method 1.3 to 1.8".
fn citations(text: &str) -> Vec<String> {
    let place = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        Some(text[..end].trim_end_matches('.').to_owned()).filter(|place| !place.is_empty())
    };
    let mut found = Vec::new();
    for name in ["method ", "Method ", "method.md "] {
        for mut rest in text.split(name).skip(1) {
            while let Some(cited) = place(rest) {
                rest = &rest[cited.len()..];
                found.push(cited);
                rest = [" to ", " and "].iter().find_map(|word| rest.strip_prefix(word)).unwrap_or_default();
            }
        }
    }
    found
}

#[test]
fn what_is_cited_of_the_method_stands_on_its_page() {
    assert_eq!(citations("(method 1.3 to 1.8). Method 2 has it, docs/method.md 7; a method 5 x"), ["1.3", "1.8", "5", "2", "7"]);
    let places = method_places();
    assert!(places.contains("8") && places.contains("1.10"), "{places:?}");
    let mut cited = 0;
    for (path, text) in all_texts().into_iter().filter(|(path, _)| !path.ends_with("tests/tests/house.rs")) {
        for place in citations(&text) {
            assert!(places.contains(&place), "{} cites method {place}, which docs/method.md does not have", path.display());
            cited += 1;
        }
    }
    assert!(cited > 100, "{cited} citations are found");
}

#[test]
fn nothing_cites_a_page_that_is_not_in_the_repository() {
    let word = concat!("SP", "EC");
    for (path, text) in all_texts().into_iter().filter(|(path, _)| !path.ends_with("CHANGELOG.md")) {
        let part_of_a_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let cites = |at: usize| !part_of_a_name(text[..at].chars().next_back()) && !part_of_a_name(text[at + word.len()..].chars().next());
        let cited = text.match_indices(word).any(|(at, _)| cites(at));
        assert!(!cited, "{} cites {word}: cite docs/method.md, as (method 1.3)", path.display());
    }
}

#[test]
fn the_recipe_page_is_what_the_plugins_say() {
    let output = convert().args(["plugins", "describe"]).output().expect("convert can be started");
    let head = std::fs::read_to_string(repository().join("docs/recipe.head.md")).unwrap();
    let page = std::fs::read_to_string(repository().join("docs/recipe.md")).unwrap();
    assert!(page == head + &stdout(&output), "docs/recipe.md is out of date: run `make docs`");
}

#[test]
fn every_recipe_is_sound() {
    let place = Place::new("");
    place.write_images(&["n01440764", "n01443537"], 2);
    std::fs::write(place.path("weights.safetensors"), "no tensors").unwrap();
    std::fs::write(place.path("masks.json"), r#"{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}"#).unwrap();
    let weights = place.path("weights.safetensors");
    let variables = ["WEIGHTS", "CHECKPOINT", "DINOV3_B", "DINOV2_G", "DINOV2_L", "DINO_B", "DINOV3_L"].map(|name| (name, weights.clone()));
    let files = std::fs::read_dir(repository().join("recipes")).unwrap().flatten().map(|entry| entry.path());
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let check = || {
            let mut command = convert();
            command.arg("check").arg(&file);
            command
        };
        if !std::fs::read_to_string(&file).unwrap().contains("${DATA}") {
            let output = check().output().expect("convert can be started");
            assert_eq!(output.status.code(), Some(0), "{}: {}", file.display(), stderr(&output));
            continue;
        }
        let output = check().env_remove("DATA").output().expect("convert can be started");
        assert!(stderr(&output).contains("the environment variable DATA is not set"), "{}", stderr(&output));
        let mut command = check();
        command
            .env("DATA", place.path("data"))
            .env("MAPS", place.path("data"))
            .env("MASKS", place.path("masks.json"))
            .env("WORK", place.path("work"));
        let output = command.envs(variables.clone()).output().expect("convert can be started");
        let text = stderr(&output);
        // The weights are none; whatever else could be wrong is not.
        let mut errors = text.lines().filter(|line| line.starts_with("error:"));
        let only_weights = text.contains("error:") && errors.all(|line| line.contains("safetensors"));
        match output.status.code() {
            Some(0) => {}
            Some(2) if only_weights => {}
            code => panic!("{}: {code:?}: {text}", file.display()),
        }
    }
}

/// Words that were once used and read badly; the second half of each is split off, so that this file does not use them either.
const OLD_WORDS: [(&str, &str); 8] = [
    ("labels an ", "image"),
    ("drawn ", "scenes"),
    ("cut ", "short"),
    ("come ", "along"),
    ("comes ", "along"),
    ("is no ", "COCO file"),
    ("is no ", "class of the dataset"),
    ("says where the report ", "lies"),
];

#[test]
fn words_that_read_badly_do_not_come_back() {
    let mut all = Vec::new();
    files(&repository(), &mut all);
    let readable =
        |path: &&PathBuf| path.extension().is_some_and(|extension| ["rs", "md", "yaml", "py", "sh"].iter().any(|wanted| extension == *wanted));
    let mut found = Vec::new();
    for path in all.iter().filter(readable).filter(|path| !path.ends_with("CHANGELOG.md")) {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            let old = OLD_WORDS.iter().map(|(first, second)| format!("{first}{second}")).find(|words| line.contains(words.as_str()));
            found.extend(old.map(|words| format!("{}:{}: {words}", path.display(), number + 1)));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_test_that_may_be_skipped_is_there() {
    let script = std::fs::read_to_string(repository().join(".ci/skipped")).expect(".ci/skipped");
    let names: Vec<&str> =
        script.split("echo ").skip(1).filter_map(|rest| rest.split_whitespace().next()).filter(|name| name.contains('_')).collect();
    assert!(names.len() > 10, "{names:?}");
    let mut found = Vec::new();
    files(&repository(), &mut found);
    let sources: Vec<String> = found
        .iter()
        .filter(|file| file.extension().is_some_and(|ending| ending == "rs"))
        .map(|file| std::fs::read_to_string(file).expect("text"))
        .collect();
    for name in names {
        assert!(sources.iter().any(|source| source.contains(&format!("fn {name}()"))), ".ci/skipped allows {name}, which is no test");
    }
}

//! docs/datasets.md: each recipe of the page runs on the files that are shown beside it, and gives the samples of the table below it.

use std::path::{Path, PathBuf};

use convert_tests::{Place, convert, drawn, repository, stderr, stdout};
use serde_json::Value;

/// A fenced block: what it is in, the file that the line before it names, and its text.
struct Block {
    language: String,
    file: Option<String>,
    text: String,
}

/// A section of the page.
struct Section {
    heading: String,
    blocks: Vec<Block>,
    /// Rows of the table of samples: id, label, class.
    samples: Vec<[String; 3]>,
}

impl Section {
    fn of(text: &str) -> Self {
        let (heading, body) = text.split_once('\n').expect("a heading");
        let (mut blocks, mut samples, mut before) = (Vec::new(), Vec::new(), "");
        let mut lines = body.lines();
        while let Some(line) = lines.next() {
            if let Some(language) = line.strip_prefix("```") {
                let text: String = lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect();
                let file = before.strip_prefix('`').and_then(|rest| rest.strip_suffix("`:")).map(str::to_owned);
                blocks.push(Block { language: language.to_owned(), file, text });
            } else if let Some(row) = line.strip_prefix("| `") {
                let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
                let [id, label, class] = cells[..] else { panic!("{heading}: {line}") };
                samples.push([id.trim_end_matches('`'), label, class].map(str::to_owned));
            }
            before = if line.is_empty() { before } else { line };
        }
        Self { heading: heading.to_owned(), blocks, samples }
    }

    fn recipes(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter(|block| block.language == "yaml").map(|block| block.text.as_str())
    }

    /// The paths of the sketch.
    fn sketched(&self) -> impl Iterator<Item = &str> {
        let sketches = self.blocks.iter().filter(|block| block.language == "text" && block.file.is_none());
        sketches.flat_map(|block| block.text.lines()).map(|line| line.split("  ").next().unwrap_or_default())
    }

    /// Makes what is sketched: named files with the text that is shown, images drawn, shards, Parquet and Arrow files from the fixtures.
    fn make_files(&self, folder: &Path) {
        let fixtures = repository().join("plugins/datasets/tests/data");
        for (path, number) in self.sketched().zip(0..) {
            let (file, shown) = (folder.join(path), self.blocks.iter().find(|block| block.file.as_deref() == Some(path)));
            std::fs::create_dir_all(file.parent().expect("a folder")).unwrap();
            let fixture = |form: &str| fixtures.join(form).join(file.file_name().expect("a name"));
            let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            match (shown, ending) {
                (Some(block), _) => std::fs::write(&file, &block.text).unwrap(),
                (None, "jpg" | "png") => drawn(number % 2, number).save(&file).unwrap(),
                (None, "tar") => copy(&fixture("webdataset"), &file),
                (None, "parquet") => copy(&fixture("parquet"), &file),
                (None, "arrow" | "json") => copy(&fixture("saved"), &file),
                _ => panic!("{}: nothing says what {path} holds", self.heading),
            }
        }
        for named in self.blocks.iter().filter_map(|block| block.file.as_deref()) {
            assert!(folder.join(named).is_file(), "{}: {named} is shown but not among the files", self.heading);
        }
    }

    /// Checks and runs a recipe as it stands.
    fn run(&self, recipe: &str) {
        let heading = &self.heading;
        let place = Place::new(recipe);
        self.make_files(&place.path(""));
        let check = convert().arg("check").arg(place.path("recipe.yaml")).output().expect("convert can be started");
        assert!(check.status.success() && stdout(&check).contains(" samples, "), "{heading}: {}{}", stdout(&check), stderr(&check));
        let output = place.run(&["--strict"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{heading}: {said}");
        assert!(!said.contains("WARN left out"), "{heading}: {said}");
        let work = recipe.lines().find_map(|line| line.strip_prefix("work_dir: ")).expect("a work directory");
        let result = |name: &str| std::fs::read_to_string(place.path(work).join(name)).unwrap_or_else(|error| panic!("{heading}: {name}: {error}"));
        let finished: Value = serde_json::from_str(&result("run.json")).unwrap();
        assert_eq!(recipe.contains("truth: true") || recipe.contains("plugin: scenes"), finished.get("evaluation").is_some(), "{heading}");
        let labels = result("labels.tsv");
        let mut labelled = labels.lines();
        for [id, label, class] in &self.samples {
            let line = labelled.next().unwrap_or_else(|| panic!("{heading}: no sample {id}"));
            assert!(line.starts_with(&format!("{id}\t{label}\t")), "{heading}: {line} instead of {id} with label {label}");
            assert_eq!(finished["classes"][label.parse::<usize>().unwrap()], class.as_str(), "{heading}: class {label}");
        }
    }
}

fn copy(from: &PathBuf, to: &Path) {
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

#[test]
fn every_recipe_of_the_page_runs_on_the_files_beside_it() {
    let page = std::fs::read_to_string(repository().join("docs/datasets.md")).unwrap();
    let sections: Vec<Section> = page.split("\n## ").skip(1).map(Section::of).collect();
    for section in &sections {
        assert_eq!(section.recipes().count(), 1, "{}: a recipe", section.heading);
        assert!(section.samples.len() >= 3 || section.heading == "Synthetic scenes", "{}: a table of samples", section.heading);
        section.recipes().for_each(|recipe| section.run(recipe));
    }
    assert_eq!(page.matches("```yaml").count(), sections.len(), "no recipe stands outside of the sections");
}

#[test]
fn every_dataset_plugin_has_a_recipe_on_the_page() {
    let page = std::fs::read_to_string(repository().join("docs/datasets.md")).unwrap();
    let output = convert().args(["plugins", "list"]).output().expect("convert can be started");
    let listed = stdout(&output);
    let plugins: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().skip_while(|word| *word != "dataset").nth(1)).collect();
    assert!(plugins.len() >= 6, "{listed}");
    for plugin in plugins {
        assert!(page.contains(&format!("\n  plugin: {plugin}\n")), "docs/datasets.md has no recipe for the dataset {plugin}");
    }
}

//! Recipes: text → tree with places → sections checked against their schema → [`Recipe`], whose every plugin is known and configured.

mod checked;
mod diagnostics;
mod editor_schema;
mod environment;
mod outputs;
mod paths;
mod pins;
mod places;
mod presets;
mod reader;
mod resolve;
mod schema;
mod sections;
mod tree;

use std::path::Path;

use convert_formats::files;
use serde_json::Value as Json;

use crate::errors::FileError;
use crate::plugins::{Catalog, Plugin};
use diagnostics::{Diagnostic, Source};
use paths::Bases;
use reader::Reader;
use resolve::resolve;
use schema::known_keys;
use tree::{Node, Value};

pub use checked::{Configured, Recipe};
pub use diagnostics::{RecipeError, suggestion};
pub use editor_schema::editor_schema;
pub use sections::{AggregateMode, AggregateSection, CalibrateSection, GlobalSignal, OnCrash, OnError, Residency, Sections};

/// The config of a plugin from the text of an option, such as `--backbone`, with paths relative to the current folder. Keys that stand beside those of the
/// plugin's `section` belong into it and are put there.
///
/// # Errors
/// Everything that is wrong with it.
pub fn config_of_option(option: &str, text: &str, plugin: &Plugin, section: &str) -> Result<Json, RecipeError> {
    let refuse = |problems| RecipeError::Problems { source_text: Source { file: option.into(), text: text.to_owned() }, problems };
    let mut tree = tree::parse(text).map_err(|error| refuse(vec![Diagnostic::new(error.place(), error)]))?;
    if tree.get(section).is_none()
        && known_keys(&plugin.schema).any(|key| key == section)
        && let Value::Map(entries) = tree.value
    {
        let known: Vec<&str> = known_keys(&plugin.schema).collect();
        let (mut outer, inner): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| known.contains(&key.name.as_str()));
        outer.push((tree::Key { place: tree.place, name: section.to_owned() }, Node::new(tree.place, Value::Map(inner))));
        tree.value = Value::Map(outer);
    }
    let resolved = resolve(&tree.of_the_shell(), &plugin.schema, &Bases::of(Path::new(option)), option);
    if resolved.problems.is_empty() { Ok(resolved.json) } else { Err(refuse(resolved.problems)) }
}

/// What the command line changes in a recipe.
#[derive(Default)]
pub struct Overrides<'a> {
    /// `--set path.to.key=value`, in order.
    pub set: &'a [String],
    /// `--work-dir`.
    pub work_dir: Option<&'a Path>,
}

impl Recipe {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with file, line and column.
    pub fn load(file: &Path, overrides: &Overrides<'_>, catalog: &Catalog) -> Result<Self, RecipeError> {
        let text = files::read_to_string(file, files::MAX_TEXT).map_err(FileError::of("read the recipe", file)).map_err(RecipeError::Unreadable)?;
        let source = Source { file: file.to_owned(), text };
        let tree = match read_tree(&source, overrides.set) {
            Ok(tree) => tree,
            Err(problems) => return Err(RecipeError::Problems { source_text: source, problems }),
        };
        let mut reader = Reader { catalog, bases: Bases::of(file), problems: Vec::new() };
        let recipe = reader.recipe(&tree, &source, overrides.work_dir);
        match recipe {
            Some(recipe) if reader.problems.is_empty() => Ok(recipe),
            _ => {
                let mut problems = reader.problems;
                problems.sort_by_key(|problem| problem.place);
                Err(RecipeError::Problems { source_text: source, problems })
            }
        }
    }
}

fn read_tree(source: &Source, set: &[String]) -> Result<Node, Vec<Diagnostic>> {
    let mut tree = tree::parse(&source.text).map_err(|error| vec![Diagnostic::new(error.place(), error)])?;
    for assignment in set {
        tree.assign(assignment).map_err(|error| vec![Diagnostic::new(None, error)])?;
    }
    let problems = environment::substitute(&mut tree, |name| std::env::var(name).ok());
    if !problems.is_empty() {
        return Err(problems.into_iter().map(|(place, error)| Diagnostic::new(place, error)).collect());
    }
    Ok(tree)
}

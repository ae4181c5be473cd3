//! Recipes: text → tree with places → sections checked against their schema → [`Recipe`], whose every plugin is known and configured.

mod diagnostics;
mod editor_schema;
mod environment;
mod outputs;
mod pins;
mod places;
mod presets;
mod resolve;
mod sections;
mod tree;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use convert_formats::files;
use convert_sdk::Role;
use serde_json::Value as Json;

use crate::crashes::named;
use crate::errors::{AnyError, FileError};
use crate::plugins::{Catalog, Plugin};
use crate::storage::{Place, Store, is_address};
use diagnostics::{Diagnostic, Source, with_article};
use outputs::{Output, check_files, check_work_dir};
use pins::check_pins;
use places::Places;
use resolve::{Bases, Resolved, absolute, known_keys, resolve, with_defaults};
use tree::{Location, Node, Origin, Value};

pub use diagnostics::{RecipeError, suggestion};
pub use editor_schema::editor_schema;
pub use presets::Preset;
pub use resolve::NamedPath;
pub use sections::{AggregateMode, AggregateSection, CalibrateSection, GlobalSignal, OnCrash, OnError, Residency, Sections};

/// A plugin with the config that a recipe gives it, checked against the plugin's schema.
#[derive(Clone)]
pub struct Configured {
    /// The plugin.
    pub plugin: Plugin,
    /// Its config, with absolute paths.
    pub config: Json,
    /// The files and folders that the config names.
    pub paths: Vec<NamedPath>,
    /// The values that names in the config brought.
    pub presets: Vec<Preset>,
    /// Where it stands in the recipe.
    place: Option<Location>,
    /// Where the keys of its config stand.
    places: Places,
}

impl Configured {
    /// Builds the plugin; `build` is given its config. A crash in it is said with the plugin's name and its library.
    pub fn built<T>(&self, build: impl FnOnce(&str) -> T) -> T {
        let plugin = &self.plugin;
        named(&format!("the {} {} of {} was built", plugin.role.name(), plugin.name, plugin.file.display()), || build(&self.config.to_string()))
    }
}

/// The section of a recipe that plugins of a role stand in; extractors stand in none.
fn section(role: Role) -> &'static str {
    match role {
        Role::Dataset => "dataset",
        Role::Proposer => "proposals",
        Role::Refiner => "refine",
        Role::Selector => "select",
        Role::Labeler => "label",
        Role::Postprocessor => "postprocess",
        Role::Exporter => "export",
        Role::Extractor => "",
    }
}

/// A checked recipe.
pub struct Recipe {
    /// Its name.
    pub name: String,
    /// The folder on this machine in which stages and results are kept.
    pub work_dir: PathBuf,
    /// The same place, as results are read and written there.
    pub store: Arc<dyn Store>,
    /// The settings that are no plugin's.
    pub sections: Sections,
    /// The dataset.
    pub dataset: Configured,
    /// The proposal configurations with their names.
    pub proposals: Vec<(String, Configured)>,
    /// The refiners, each with the proposal configurations it is limited to.
    pub refine: Vec<(Configured, Option<Vec<String>>)>,
    /// The selector.
    pub select: Configured,
    /// The labeler.
    pub label: Configured,
    /// A trained checkpoint to use instead of training.
    pub checkpoint: Option<PathBuf>,
    /// The postprocessors.
    pub postprocess: Vec<Configured>,
    /// The exporters and their files.
    pub export: Vec<(Configured, PathBuf)>,
    source: Source,
    resolved: Json,
}

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

    /// What is wrong with a configured plugin, at its place in the recipe; where the plugin blames a key of its config, at that of the key.
    pub fn refuse(&self, at: &Configured, problem: impl Into<AnyError>) -> RecipeError {
        let problem = problem.into();
        let place = at.places.blamed(problem.as_ref()).or(at.place);
        RecipeError::Problems { source_text: self.source.clone(), problems: vec![Diagnostic::new(place, problem)] }
    }

    /// The recipe as YAML with every plugin's default filled in, for reports. What a plugin decides by itself, such as a family by the weights, stays out.
    pub fn filled_yaml(&self) -> String {
        serde_yaml::to_string(&self.with_configs(|plugin| with_defaults(&plugin.config, &plugin.plugin.schema, &plugin.plugin.schema)))
            .unwrap_or_default()
    }

    /// The recipe with every plugin's config as it was used, for the run's folder: paths are absolute, but for reviews and truths that lie in there, so that it may be moved.
    pub fn complete(&self) -> Json {
        let mut complete = self.with_configs(|plugin| plugin.config.clone());
        for pointer in ["/reviews", "/calibrate/truth"] {
            if let Some(place) = complete.pointer_mut(pointer)
                && let Some(key) = place.as_str().and_then(|file| self.key_of(Path::new(file))).map(Json::from)
            {
                *place = key;
            }
        }
        complete
    }

    fn with_configs(&self, config: impl Fn(&Configured) -> Json) -> Json {
        let mut complete = self.resolved.clone();
        let mut set = |pointer: String, value: Json| {
            if let Some(place) = complete.pointer_mut(&pointer).and_then(Json::as_object_mut) {
                place.insert("config".into(), value);
            }
        };
        let lists = [
            ("proposals", self.proposals.iter().map(|(_, plugin)| plugin).collect::<Vec<_>>()),
            ("refine", self.refine.iter().map(|(plugin, _)| plugin).collect()),
            ("postprocess", self.postprocess.iter().collect()),
            ("export", self.export.iter().map(|(plugin, _)| plugin).collect()),
        ];
        for (section, plugins) in lists {
            plugins.iter().enumerate().for_each(|(at, plugin)| set(format!("/{section}/{at}"), config(plugin)));
        }
        set("/select".into(), config(&self.select));
        set("/label".into(), config(&self.label));
        if let Some(sections) = complete.as_object_mut() {
            let mut dataset = serde_json::json!({ "plugin": self.dataset.plugin.name });
            if let (Some(all), Some(config)) = (dataset.as_object_mut(), config(&self.dataset).as_object()) {
                all.extend(config.clone());
            }
            sections.insert("dataset".into(), dataset);
            sections.insert("name".into(), self.name.as_str().into());
            sections.insert("work_dir".into(), self.place().to_string_lossy().into());
        }
        complete
    }

    /// What the run's place is called: a folder's path, or an address.
    pub fn place(&self) -> PathBuf {
        self.store.place("")
    }

    /// What a file of the run is called where it lies for good.
    pub fn place_of(&self, file: &Path) -> PathBuf {
        self.key_of(file).map_or_else(|| file.to_owned(), |key| self.store.place(key))
    }

    /// The key of a file that lies in the run's folder.
    fn key_of<'f>(&self, file: &'f Path) -> Option<&'f str> {
        file.strip_prefix(&self.work_dir).ok()?.to_str()
    }

    /// Puts a file that was written in the run's folder where the run's results lie; one that lies elsewhere stays there.
    ///
    /// # Errors
    /// A file that cannot be read, a place that cannot be written.
    pub fn publish(&self, file: &Path) -> Result<(), FileError> {
        let Some(key) = self.key_of(file) else { return Ok(()) };
        self.store.publish(file, key).map_err(FileError::of("write", &self.store.place(key)))
    }

    /// Writes one of the run's records.
    ///
    /// # Errors
    /// A place that cannot be written.
    pub fn write_record(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.store.replace(name, bytes).map_err(FileError::of("write", &self.store.place(name)))
    }

    /// The plugins whose config names something that brings values, with the plugin's place in the recipe, such as `proposals.vit`.
    pub fn presets(&self) -> impl Iterator<Item = (String, &Preset)> {
        let proposals = self.proposals.iter().map(|(name, plugin)| (format!("proposals.{name}"), plugin));
        let others =
            self.plugins().filter(|plugin| plugin.plugin.role != Role::Proposer).map(|plugin| (section(plugin.plugin.role).to_owned(), plugin));
        proposals.chain(others).flat_map(|(place, plugin)| plugin.presets.iter().map(move |preset| (place.clone(), preset)))
    }

    /// All plugins in the order of the pipeline.
    pub fn plugins(&self) -> impl Iterator<Item = &Configured> {
        std::iter::once(&self.dataset)
            .chain(self.proposals.iter().map(|(_, plugin)| plugin))
            .chain(self.refine.iter().map(|(plugin, _)| plugin))
            .chain([&self.select, &self.label])
            .chain(&self.postprocess)
            .chain(self.export.iter().map(|(plugin, _)| plugin))
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

struct Reader<'a> {
    catalog: &'a Catalog,
    bases: Bases,
    problems: Vec<Diagnostic>,
}

/// The keys of a section that belong to the host; in the dataset's section all others are the plugin's.
const DATASET_KEYS: [&str; 1] = ["plugin"];

impl Reader<'_> {
    fn recipe(&mut self, tree: &Node, source: &Source, work_dir: Option<&Path>) -> Option<Recipe> {
        let schema = schemars::schema_for!(Sections).to_value();
        let resolved = resolve(tree, &schema, &self.bases, "the recipe");
        self.problems.extend(resolved.problems);
        self.misplaced_keys(tree);
        let sections: Option<Sections> = match serde_json::from_value(resolved.json.clone()) {
            Ok(sections) => Some(sections),
            Err(error) => {
                if self.problems.is_empty() {
                    self.problems.push(Diagnostic::new(tree.place, error));
                }
                None
            }
        };

        let dataset = tree.get("dataset").and_then(|node| {
            let config = match &node.value {
                Value::Map(entries) => entries.iter().filter(|(key, _)| !DATASET_KEYS.contains(&key.name.as_str())).cloned().collect(),
                _ => Vec::new(),
            };
            self.plugin(Role::Dataset, node, Node::new(node.place, Value::Map(config)))
        });
        let proposals = self.list(tree, "proposals", Role::Proposer);
        let refine = self.list(tree, "refine", Role::Refiner);
        let select = tree.get("select").and_then(|node| self.section(Role::Selector, node));
        let label = tree.get("label").and_then(|node| self.section(Role::Labeler, node));
        let postprocess = self.list(tree, "postprocess", Role::Postprocessor);
        let export = self.list(tree, "export", Role::Exporter);
        let (sections, dataset, select, label) = (sections?, dataset?, select?, label?);
        if !self.problems.is_empty() {
            return None;
        }

        let stem = source.file.file_stem().map_or_else(|| "recipe".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let name = sections.name.clone().unwrap_or(stem);
        let named = tree.get("work_dir");
        let place = work_dir.map_or_else(|| sections.work_dir.clone().map(PathBuf::from), |place| Some(place.to_owned()));
        let opened = match (place.as_ref().and_then(|place| place.to_str()).filter(|place| is_address(place)), place.as_deref(), work_dir) {
            (Some(address), ..) => Place::address(address),
            (None, Some(folder), None) => {
                let origin = named.map_or(Origin::Recipe, |node| node.origin);
                Ok(Place::folder(self.bases.absolute(origin, &folder.to_string_lossy())))
            }
            (None, Some(folder), Some(_)) => Ok(Place::folder(std::path::absolute(folder).ok()?)),
            (None, None, _) => Ok(Place::folder(std::path::absolute(Path::new("runs").join(&name)).ok()?)),
        };
        let Place { store, folder: work_dir } = match opened {
            Ok(place) => place,
            Err(problem) => {
                self.problems.push(Diagnostic::new(named.and_then(|node| node.place), format!("work_dir: {problem}")));
                return None;
            }
        };
        let proposals: Vec<(String, Configured)> = (sections.proposals.iter().zip(proposals))
            .map(|(section, plugin)| (section.name.clone().unwrap_or_else(|| section.plugin.clone()), plugin))
            .collect();
        self.check_names(&proposals, &sections, &refine);
        let export: Vec<(Configured, PathBuf)> =
            sections.export.iter().zip(export).map(|(section, plugin)| (plugin, absolute(&work_dir, &section.file))).collect();
        let files: Vec<Output<'_>> = (sections.export.iter().zip(&export).enumerate())
            .map(|(index, (section, (_, file)))| Output { place: place_of_file(tree, index), text: &section.file, file })
            .collect();
        self.problems.extend(check_files(&files, &work_dir));
        self.problems.extend(check_work_dir(tree.get("work_dir").and_then(|node| node.place), &work_dir));
        // An empty variable must not turn a prediction into a training on the images that it was to judge.
        let named = tree.get("label").and_then(|label| label.get("checkpoint"));
        if let Some(node) = named.filter(|node| matches!(node.value, Value::Null)) {
            self.problems.push(Diagnostic::new(node.place, "`checkpoint` of the labeler is empty: name a file, or leave the key out to train"));
        }
        let checkpoint = sections.label.checkpoint.as_ref().map(|file| file.to_path_buf());
        let recipe = Recipe {
            name,
            store,
            work_dir,
            dataset,
            proposals,
            refine: refine.into_iter().zip(sections.refine.iter().map(|section| section.only.clone())).collect(),
            select,
            label,
            checkpoint,
            postprocess,
            export,
            source: source.clone(),
            resolved: resolved.json,
            sections,
        };
        if let Some(pins) = tree.get("plugins") {
            let used: Vec<&Plugin> = recipe.plugins().map(|configured| &configured.plugin).collect();
            self.problems.extend(check_pins(pins, &used));
        }
        Some(recipe)
    }

    fn list(&mut self, tree: &Node, key: &str, role: Role) -> Vec<Configured> {
        match tree.get(key).map(|node| &node.value) {
            Some(Value::List(items)) => items.iter().filter_map(|item| self.section(role, item)).collect(),
            _ => Vec::new(),
        }
    }

    fn section(&mut self, role: Role, node: &Node) -> Option<Configured> {
        let config = node.get("config").cloned().unwrap_or_else(|| Node::empty_map(node.place));
        self.plugin(role, node, config)
    }

    /// The plugin that a section names, with its config checked.
    fn plugin(&mut self, role: Role, node: &Node, config: Node) -> Option<Configured> {
        let named = node.get("plugin")?;
        let (Value::String(name) | Value::Text(name)) = &named.value else { return None };
        let Some(plugin) = self.catalog.find(role, name) else {
            let message = match self.catalog.roles_of(name).as_slice() {
                [] => format!("unknown {} `{name}`{}", role.name(), suggestion(name, self.catalog.names(role))),
                roles => {
                    let roles: Vec<String> = roles.iter().map(|role| with_article(role.name())).collect();
                    format!("`{name}` is {}, not {}{}", roles.join(" and "), with_article(role.name()), suggestion(name, self.catalog.names(role)))
                }
            };
            let refused = self.catalog.refused_summary();
            self.problems.push(Diagnostic::new(named.place, message + &refused));
            return None;
        };
        let what = if role == Role::Dataset { format!("dataset {name}") } else { format!("the config of {name}") };
        let mut resolved = resolve(&config, &plugin.schema, &self.bases, &what);
        if resolved.problems.is_empty() {
            self.resolve_inner(&config, plugin, &mut resolved);
        }
        let good = resolved.problems.is_empty();
        self.problems.extend(resolved.problems);
        good.then(|| Configured {
            plugin: plugin.clone(),
            config: resolved.json,
            paths: resolved.paths,
            presets: resolved.presets,
            place: named.place,
            places: Places::of(&config),
        })
    }

    /// Checks a config within a config. A plugin that cannot be asked for its schema says why when it is built.
    fn resolve_inner(&self, config: &Node, plugin: &Plugin, resolved: &mut Resolved) {
        let Some(inner) = plugin.inner_config() else { return };
        let schema = match self.catalog.schema_of_inner(plugin, &resolved.json, inner) {
            Ok(schema) => schema,
            Err(error) => return tracing::debug!("{} does not tell the schema of its `{}`: {error}", plugin.name, inner.key),
        };
        let node = config.get(inner.key).cloned().unwrap_or_else(|| Node::empty_map(config.place));
        let of = config.get(inner.of).map(|node| node.to_json()).unwrap_or_default();
        let found = resolve(&node, &schema, &self.bases, &format!("the config of {}", of.as_str().unwrap_or(&plugin.name)));
        if let Some(keys) = resolved.json.as_object_mut() {
            keys.insert(inner.key.to_owned(), found.json);
        }
        resolved.paths.extend(found.paths.into_iter().map(|path| NamedPath { pointer: format!("{}.{}", inner.key, path.pointer), ..path }));
        resolved.problems.extend(found.problems);
    }

    /// Says of a plugin's key that stands beside `config` where it belongs.
    fn misplaced_keys(&mut self, tree: &Node) {
        let mut belongs: Vec<(Option<Location>, String)> = Vec::new();
        // A dataset's keys do stand beside its name.
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Dataset) {
            let nodes = match tree.get(section(role)).map(|node| (&node.value, node)) {
                Some((Value::List(items), _)) => items.iter().collect(),
                Some((_, node)) => vec![node],
                None => Vec::new(),
            };
            for node in nodes {
                let Value::Map(entries) = &node.value else { continue };
                let Some(Value::String(name)) = node.get("plugin").map(|node| &node.value) else { continue };
                let Some(plugin) = self.catalog.find(role, name) else { continue };
                let misplaced = entries.iter().filter(|(key, _)| known_keys(&plugin.schema).any(|known| known == key.name));
                belongs
                    .extend(misplaced.map(|(key, _)| (key.place, format!("`{}` is a key of the plugin {name}: put it under `config:`", key.name))));
            }
        }
        for problem in &mut self.problems {
            if let Some((_, message)) = belongs.iter().find(|(place, _)| place.is_some() && *place == problem.place) {
                problem.problem = message.as_str().into();
            }
        }
    }

    fn check_names(&mut self, proposals: &[(String, Configured)], sections: &Sections, refine: &[Configured]) {
        let mut seen = HashSet::new();
        for (name, configured) in proposals {
            if !seen.insert(name.as_str()) {
                self.problems.push(Diagnostic::new(configured.place, format!("two proposal configurations are named `{name}`: give each a `name:`")));
            }
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) || name.starts_with('.') {
                let message = format!("`{name}` cannot name a proposal configuration: use letters, digits, `-`, `_` and `.`");
                self.problems.push(Diagnostic::new(configured.place, message));
            }
        }
        for (section, configured) in sections.refine.iter().zip(refine) {
            for name in section.only.iter().flatten().filter(|name| !seen.contains(name.as_str())) {
                let hint = suggestion(name, proposals.iter().map(|(name, _)| name.as_str()));
                self.problems.push(Diagnostic::new(configured.place, format!("`only` names `{name}`, which is not a proposal configuration{hint}")));
            }
        }
    }
}

/// Where the file of an exporter stands.
fn place_of_file(tree: &Node, exporter: usize) -> Option<Location> {
    match &tree.get("export")?.value {
        Value::List(items) => items.get(exporter)?.get("file")?.place,
        _ => None,
    }
}

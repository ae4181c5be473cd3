//! From a recipe's tree to the recipe: its sections read, its plugins found and their configs checked.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use convert_sdk::Role;

use super::checked::{Configured, Recipe, section};
use super::diagnostics::{Diagnostic, Source, suggestion, with_article};
use super::outputs::{Output, check_files, check_work_dir};
use super::paths::{Bases, NamedPath, absolute};
use super::pins::check_pins;
use super::places::Places;
use super::resolve::{Resolved, resolve};
use super::schema::known_keys;
use super::sections::Sections;
use super::tree::{Location, Node, Origin, Value};
use crate::plugins::{Catalog, Plugin};
use crate::storage::{Place, is_address};

/// Reads a recipe's tree against the installed plugins.
pub(super) struct Reader<'a> {
    pub catalog: &'a Catalog,
    pub bases: Bases,
    /// What is wrong with the recipe.
    pub problems: Vec<Diagnostic>,
}

/// The keys of a section that belong to the host; in the dataset's section all others are the plugin's.
const DATASET_KEYS: [&str; 1] = ["plugin"];

impl Reader<'_> {
    /// The recipe; `None` where something is wrong that leaves no recipe.
    pub fn recipe(&mut self, tree: &Node, source: &Source, work_dir: Option<&Path>) -> Option<Recipe> {
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

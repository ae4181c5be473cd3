//! A checked recipe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use convert_sdk::Role;
use serde_json::Value as Json;

use super::diagnostics::{Diagnostic, RecipeError, Source};
use super::paths::NamedPath;
use super::places::Places;
use super::presets::Preset;
use super::schema::with_defaults;
use super::sections::Sections;
use super::tree::Location;
use crate::crashes::named;
use crate::errors::{AnyError, FileError};
use crate::plugins::Plugin;
use crate::storage::Store;

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
    pub(super) place: Option<Location>,
    /// Where the keys of its config stand.
    pub(super) places: Places,
}

impl Configured {
    /// Builds the plugin; `build` is given its config. A crash in it is said with the plugin's name and its library.
    pub fn built<T>(&self, build: impl FnOnce(&str) -> T) -> T {
        let plugin = &self.plugin;
        named(&format!("the {} {} of {} was built", plugin.role.name(), plugin.name, plugin.file.display()), || build(&self.config.to_string()))
    }
}

/// The section of a recipe that plugins of a role stand in; extractors stand in none.
pub(super) fn section(role: Role) -> &'static str {
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
    pub(super) source: Source,
    pub(super) resolved: Json,
}

impl Recipe {
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

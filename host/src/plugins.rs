//! Plugin libraries: found on disk, checked, loaded, and listed by role and name.

mod elf;
mod inner;
mod loader;
mod schema;
mod trust;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use convert_sdk::abi::{Builder, Results};
use convert_sdk::{Error, Role};
use serde_json::Value as Json;

use crate::crashes::named;
use crate::errors::chain;

pub use inner::InnerConfig;

/// A loaded plugin.
#[derive(Clone)]
pub struct Plugin {
    /// Its role.
    pub role: Role,
    /// Its name in recipes.
    pub name: String,
    /// One line.
    pub summary: String,
    /// Its crate: a plugin that takes the place of another of the same name must not take over its results.
    pub package: String,
    /// The version of its crate.
    pub version: String,
    /// What its results depend on besides config and input.
    pub results: Results,
    /// The JSON schema of its config.
    pub schema: Json,
    /// The library that holds it.
    pub file: PathBuf,
    /// What builds it.
    pub builder: Builder,
}

/// A folder of plugins that was named and is not there.
#[derive(Debug, thiserror::Error)]
#[error("the plugin folder {} does not exist", .0.display())]
pub struct NoPluginFolder(PathBuf);

/// All plugins that were found.
#[derive(Default)]
pub struct Catalog {
    plugins: BTreeMap<(Role, String), Plugin>,
    /// How many libraries could not be used.
    refused: usize,
    /// The schemas of configs within configs that plugins were asked for, or why they did not tell.
    asked: Mutex<BTreeMap<String, Result<Json, Error>>>,
}

impl Catalog {
    /// Loads every library of the folders: `first` (from the command line), then `CONVERT_PLUGIN_PATH`, then `plugins/` beside the executable.
    /// Where two plugins share role and name, the first folder wins. A library that cannot be used is reported once, in one line, and left out.
    ///
    /// # Errors
    /// A folder of `first` that does not exist.
    pub fn load(first: &[PathBuf]) -> Result<Self, NoPluginFolder> {
        for folder in first {
            if !folder.is_dir() {
                return Err(NoPluginFolder(folder.clone()));
            }
        }
        let mut catalog = Self::default();
        for folder in first.iter().cloned().chain(default_folders()) {
            let files = libraries(&folder);
            if let Some(others) = trust::written_by_others(&folder).filter(|_| !files.is_empty()) {
                tracing::warn!("the plugin folder {} can be written by {others} {}", folder.display(), folder.display());
            }
            for file in files {
                if let Some(others) = trust::written_by_others(&file) {
                    tracing::warn!("plugin {} can be written by {others} {}", file.display(), file.display());
                }
                match named(&format!("the plugin library {} was loaded", file.display()), || loader::load(&file)) {
                    Ok(plugins) => plugins.into_iter().for_each(|plugin| catalog.add(plugin)),
                    Err(refusal) => {
                        tracing::warn!("{}", chain(&refusal));
                        catalog.refused += 1;
                    }
                }
            }
        }
        Ok(catalog)
    }

    fn add(&mut self, plugin: Plugin) {
        let key = (plugin.role, plugin.name.clone());
        match self.plugins.get(&key) {
            Some(known) if known.file != plugin.file => {
                tracing::debug!("{} {} of {} is hidden by that of {}", plugin.role.name(), plugin.name, plugin.file.display(), known.file.display());
            }
            _ => {
                self.plugins.insert(key, plugin);
            }
        }
    }

    /// The plugin of a role with a name.
    pub fn find(&self, role: Role, name: &str) -> Option<&Plugin> {
        self.plugins.get(&(role, name.to_owned()))
    }

    /// All plugins, by role, then name.
    pub fn all(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.values()
    }

    /// The names of a role's plugins.
    pub fn names(&self, role: Role) -> impl Iterator<Item = &str> {
        self.all().filter(move |plugin| plugin.role == role).map(|plugin| plugin.name.as_str())
    }

    /// The roles in which a name is known.
    pub fn roles_of(&self, name: &str) -> Vec<Role> {
        self.all().filter(|plugin| plugin.name == name).map(|plugin| plugin.role).collect()
    }

    /// The end of a message about a plugin that was not found: that some library was refused, or that there is none.
    pub fn refused_summary(&self) -> String {
        match (self.refused, self.plugins.len()) {
            (0, 0) => format!(" (no plugins found: looked in {})", shown(&default_folders())),
            (0, _) => String::new(),
            (1, _) => " (one plugin library was refused, see above)".to_owned(),
            (count, _) => format!(" ({count} plugin libraries were refused, see above)"),
        }
    }
}

fn shown(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// `CONVERT_PLUGIN_PATH`, then `plugins/` beside the executable.
pub fn default_folders() -> Vec<PathBuf> {
    let from_environment = std::env::var_os("CONVERT_PLUGIN_PATH").map(|list| std::env::split_paths(&list).collect::<Vec<_>>());
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(|folder| folder.join("plugins")));
    from_environment.into_iter().flatten().filter(|path| !path.as_os_str().is_empty()).chain(beside).collect()
}

/// The library files of a folder, in the order of their names; none where the folder cannot be read.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let is_library = |path: &Path| path.extension().is_some_and(|extension| extension == std::env::consts::DLL_EXTENSION);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| is_library(path)).collect();
    files.sort();
    files
}

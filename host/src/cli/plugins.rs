//! `convert plugins`: what is installed, and plugins of one's own.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use convert_sdk::Role;

/// What to do with plugins.
#[derive(Debug, Subcommand)]
pub enum PluginsCommand {
    /// All plugins, by role.
    List,
    /// A plugin's config: keys, types, defaults, meaning. Without a name: the recipe's sections and all plugins.
    Describe {
        /// The plugin's name; or a class in Python: FILE.py:CLASS or package.module:CLASS.
        name: Option<String>,
        /// Print the JSON schema instead.
        #[arg(long, requires = "name")]
        json: bool,
    },
    /// Write a plugin of your own to begin with: a crate of two files that builds, works and has a test, or a file with a class in Python.
    New {
        /// Its role: dataset, proposer, refiner, selector, labeler, postprocessor, exporter or extractor.
        #[arg(value_parser = role)]
        role: Role,
        /// Its name in recipes, such as `sharp-edges`.
        name: String,
        /// What it is written in: a crate that is built, or a file that `plugin: python` runs.
        #[arg(long, value_enum, default_value_t = Language::Rust)]
        language: Language,
        /// The folder to write, new or empty. For Rust in a clone of this repository `plugins/NAME` is right.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The folder of convert-sdk. Default: that of the clone that DIR or this executable lies in, or that the executable was built from.
        #[arg(long, value_name = "DIR")]
        sdk: Option<PathBuf>,
    },
}

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// A crate.
    Rust,
    /// A file with a class.
    Python,
}

fn role(text: &str) -> Result<Role, String> {
    let names = Role::ALL.map(Role::name);
    Role::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| format!("the roles are {}", names.join(", ")))
}

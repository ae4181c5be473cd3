//! What the host tells a plugin when it builds it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Result;

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The run cannot go on as asked.
    Error,
    /// The user should know.
    Warn,
    /// What is being done.
    Info,
    /// Details for a closer look.
    Debug,
    /// Everything.
    Trace,
}

/// The host's side of a run, as a plugin sees it.
pub trait Host: Send + Sync {
    /// A log line of a plugin, shown by the host under the plugin's name.
    fn log(&self, level: LogLevel, plugin: &str, message: &str);
    /// How far a long call has come, for the stage's progress bar.
    fn progress(&self, position: u64, total: u64, message: &str);
    /// Whether the user asked to stop; a long call then returns an error of kind [`crate::ErrorKind::Interrupted`] as soon as nothing is lost by it.
    fn cancelled(&self) -> bool;
    /// What the host answers to a method, messages both; nothing where it has none of that name.
    ///
    /// # Errors
    /// What the host says.
    fn call(&self, _method: &str, _message: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

/// The settings of a run that every plugin may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The plugin's own name.
    pub plugin: String,
    /// `paper` or `authors-code` (docs/method.md): the set of defaults to follow where the two differ.
    pub profile: String,
    /// The seed that every random choice derives from.
    pub seed: u64,
    /// How many threads a plugin may use in one call where the host does not call it from several threads itself (a labeler's `train`).
    pub threads: usize,
    /// `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// A folder that outlives the run, for what can be made again.
    pub cache_folder: PathBuf,
    /// The dataset's class names, by index; empty for the dataset plugin itself.
    pub classes: Vec<String>,
    /// Whether nothing that was remembered of files and folders may be trusted: listings are made anew.
    pub rescan: bool,
}

/// What a plugin is built with: settings and the way back to the host. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    settings: Arc<Settings>,
    host: Arc<dyn Host>,
}

impl Context {
    /// A context; the host makes it, and tests of plugins do.
    pub fn new(settings: Settings, host: Arc<dyn Host>) -> Self {
        Self { settings: Arc::new(settings), host }
    }

    /// A context for tests: profile `paper`, seed 0, one thread, CPU, log lines to standard error.
    pub fn for_tests(classes: &[&str]) -> Self {
        struct Quiet;
        impl Host for Quiet {
            fn log(&self, level: LogLevel, plugin: &str, message: &str) {
                if level <= LogLevel::Info {
                    eprintln!("{plugin}: {message}");
                }
            }
            fn progress(&self, _: u64, _: u64, _: &str) {}
            fn cancelled(&self) -> bool {
                false
            }
        }
        let settings = Settings {
            plugin: "test".into(),
            profile: "paper".into(),
            seed: 0,
            threads: 1,
            device: "cpu".into(),
            cache_folder: std::env::temp_dir(),
            classes: classes.iter().map(|class| class.to_string()).collect(),
            rescan: false,
        };
        Self::new(settings, Arc::new(Quiet))
    }

    /// The run's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The host's side.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// The dataset's class names, by index.
    pub fn classes(&self) -> &[String] {
        &self.settings.classes
    }

    /// Whether the run follows the authors' released code instead of the paper where the two differ.
    pub fn authors_code(&self) -> bool {
        self.settings.profile == "authors-code"
    }

    /// Tells the host how far a long call has come.
    pub fn progress(&self, position: u64, total: u64, message: &str) {
        self.host.progress(position, total, message);
    }

    /// Whether the user asked to stop.
    pub fn cancelled(&self) -> bool {
        self.host.cancelled()
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("settings", &self.settings).finish_non_exhaustive()
    }
}

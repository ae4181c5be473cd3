//! What a recipe says of a plugin in Python.

use std::collections::HashMap;
use std::time::Duration;

use convert_sdk::{InputEntry, config};
use serde_json::Value;

/// A plugin written in Python: a class derived from one of `convert_sdk`, in a process of its own (docs/python-plugins.md).
///
/// It needs a Python 3.10 or later with numpy. An exception costs its sample, with the traceback's last line as the reason; so does a call beyond `timeout_s`, or a crash of the interpreter, after
/// which a new process is started. After five crashes in a row the run stops.
#[config]
#[derive(Clone, Debug)]
pub struct PythonConfig {
    /// The class: `FILE.py:CLASS`, the file's path relative to the recipe, or `package.module:CLASS`. A file's content is part of the stages' keys; a module's is not.
    pub entry: InputEntry,
    /// The class's own config; what may stand here, the class says: `convert plugins describe FILE.py:CLASS`.
    #[serde(default)]
    #[schemars(extend("x-config-of" = "entry"))]
    pub config: HashMap<String, Value>,
    /// The Python that runs it. Default: that of the environment variable CONVERT_PYTHON, or `python3`.
    #[serde(default)]
    #[schemars(extend("x-identity" = false))]
    pub python: Option<String>,
    /// Processes, each of which works on one call at a time. More than one for what keeps a single thread busy; one for a model on a GPU.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 256), extend("x-identity" = false))]
    pub workers: usize,
    /// Seconds that a call may take; beyond that the process is ended and the call's samples are skipped. Training may take as long as it likes.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 1), extend("x-identity" = false))]
    pub timeout_s: u64,
    /// Megabytes that a process may hold between two calls; one that holds more is ended, and a new one is built when it is needed. For classes, or libraries of theirs, that leak. Linux only.
    /// Default: no limit.
    #[serde(default)]
    #[schemars(range(min = 1), extend("x-identity" = false))]
    pub max_memory_mb: Option<u64>,
}

fn one() -> usize {
    1
}

fn ten_minutes() -> u64 {
    600
}

impl PythonConfig {
    /// The executable.
    pub fn python(&self) -> String {
        let named = self.python.clone().or_else(|| std::env::var("CONVERT_PYTHON").ok());
        named.filter(|python| !python.is_empty()).unwrap_or_else(|| "python3".to_owned())
    }

    /// How long a call may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

//! Configs within configs: what may stand there depends on keys beside it, so that only the plugin knows their schema.
//!
//! A plugin's schema marks such a key with `x-config-of`, the name of the key that decides, and the plugin is asked for the schema (`Plugin::inner_schema` of the sdk).

use std::sync::Arc;

use convert_sdk::{Context, Error, Host, LogLevel, Settings};
use serde_json::Value as Json;

use super::{Catalog, Plugin};
use crate::crashes::named;
use crate::logging;

/// A key that holds a config of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerConfig<'a> {
    /// The key.
    pub key: &'a str,
    /// The key beside it that says of what.
    pub of: &'a str,
}

impl Plugin {
    /// The key of this plugin that holds a config of its own, if there is one.
    pub fn inner_config(&self) -> Option<InnerConfig<'_>> {
        let mut properties = self.schema.get("properties")?.as_object()?.iter();
        properties.find_map(|(key, property)| Some(InnerConfig { key, of: property.get("x-config-of")?.as_str()? }))
    }

    /// Asks for the schema of the inner config, of a config whose other keys are checked.
    ///
    /// # Errors
    /// Why it cannot be told.
    fn ask_schema(&self, config: &Json) -> Result<Json, Error> {
        let settings = Settings {
            plugin: self.name.clone(),
            profile: "paper".to_owned(),
            seed: 0,
            threads: 1,
            device: "cpu".to_owned(),
            cache_folder: std::env::temp_dir(),
            classes: Vec::new(),
            rescan: false,
        };
        let context = Context::new(settings, Arc::new(Asking));
        let what = format!("the {} {} of {} was asked for a schema", self.role.name(), self.name, self.file.display());
        let answer = named(&what, || self.builder.inner_schema(&config.to_string(), &context))?;
        answer.ok_or_else(|| Error::invalid(format!("{} has `x-config-of` in its schema and no schema to give", self.name)))
    }
}

impl Catalog {
    /// The schema of the inner config of a plugin, of a config whose other keys are checked. Asked once for each config.
    ///
    /// # Errors
    /// Why it cannot be told: building the plugin fails for the same reason, or will do no worse.
    pub fn schema_of_inner(&self, plugin: &Plugin, config: &Json, inner: InnerConfig<'_>) -> Result<Json, Error> {
        let mut others = config.clone();
        if let Some(keys) = others.as_object_mut() {
            keys.remove(inner.key);
        }
        let question = format!("{} {others}", plugin.file.display());
        let mut asked = self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = asked.get(&question) {
            return known.clone();
        }
        let answer = plugin.ask_schema(&others);
        asked.insert(question, answer.clone());
        answer
    }
}

/// The host outside of runs. A library keeps the first host that it is given for its log lines, and this may be the first.
struct Asking;

impl Host for Asking {
    fn log(&self, level: LogLevel, target: &str, message: &str) {
        logging::of_plugin(level, target, message);
    }

    fn progress(&self, _: u64, _: u64, _: &str) {}

    fn cancelled(&self) -> bool {
        false
    }
}

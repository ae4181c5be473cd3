//! Keys of stages: a hash of everything that a stage's results depend on.

use std::path::Path;

use serde_json::Value as Json;

use super::hashes::FileHashes;
use crate::errors::FileError;
use crate::recipe::Configured;

/// A stage's key: 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// A key as it is written.
    pub fn of_text(text: &str) -> Option<Self> {
        (text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit())).then(|| Self(text.to_owned()))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Raised when the host's own part of any stage (decoding, fitting masks, aggregation) or the form of stored rows changes: older results are then not found.
const STORE_VERSION: u32 = 3;

/// Collects what a stage depends on; each part is hashed with its name and length, so that no two lists of parts look alike.
pub struct KeyBuilder(blake3::Hasher);

impl KeyBuilder {
    /// Begins the key of a kind of stage.
    pub fn new(kind: &str) -> Self {
        Self(blake3::Hasher::new()).with("store", &STORE_VERSION.to_le_bytes()).with("kind", kind.as_bytes())
    }

    /// Adds a part.
    pub fn with(mut self, name: &str, bytes: &[u8]) -> Self {
        for part in [name.as_bytes(), bytes] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds another stage's key.
    pub fn reads(self, key: &Key) -> Self {
        self.with("reads", key.0.as_bytes())
    }

    /// The key.
    pub fn finish(self) -> Key {
        Key(self.0.finalize().to_hex()[..16].to_owned())
    }
}

/// What of a run's settings can be part of a key.
pub struct KeySettings<'a> {
    /// `paper` or `authors-code`.
    pub profile: &'a str,
    /// The run's seed.
    pub seed: u64,
    /// `cpu`, `cuda` or `cuda:N`.
    pub device: &'a str,
    /// The hashes of files that configs name.
    pub files: &'a FileHashes,
}

impl KeySettings<'_> {
    /// Begins the key of a step that a plugin computes.
    ///
    /// # Errors
    /// A file that the config names and that cannot be read.
    pub fn step(&self, kind: &str, configured: &Configured) -> Result<KeyBuilder, FileError> {
        self.with_plugin(KeyBuilder::new(kind).with("profile", self.profile.as_bytes()), configured)
    }

    /// Adds a plugin: its package, name, results version (without one its library's content) and config, and where its results depend on them the seed and the kind of device (which decides the
    /// default precision). Of a file that the config names the content
    /// counts, not the place, so that a moved file changes nothing. Keys that the schema marks with `x-identity: false` do not count.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn with_plugin(&self, key: KeyBuilder, configured: &Configured) -> Result<KeyBuilder, FileError> {
        let plugin = &configured.plugin;
        let mut config = configured.config.clone();
        if let Json::Object(entries) = &mut config {
            let properties = plugin.schema.get("properties");
            entries.retain(|name, _| properties.and_then(|all| all.get(name)?.get("x-identity")) != Some(&Json::Bool(false)));
        }
        self.with_config(key, configured, config)
    }

    /// As [`KeySettings::with_plugin`], with every key of the config.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn with_whole_plugin(&self, key: KeyBuilder, configured: &Configured) -> Result<KeyBuilder, FileError> {
        self.with_config(key, configured, configured.config.clone())
    }

    fn with_config(&self, key: KeyBuilder, configured: &Configured, mut config: Json) -> Result<KeyBuilder, FileError> {
        for named in configured.paths.iter().filter(|named| named.content) {
            if mentions(&config, &named.path) {
                replace(&mut config, &named.path, &self.files.content(&named.path)?);
            }
        }
        let plugin = &configured.plugin;
        let key = key.with("package", plugin.package.as_bytes()).with("plugin", plugin.name.as_bytes());
        let key = match plugin.results.results_version {
            // Its author promised nothing: a library that was built anew may give other results.
            0 => key.with("library", self.files.content(&plugin.file)?.as_bytes()),
            version => key.with("results version", &version.to_le_bytes()),
        };
        let key = if plugin.results.seeded { key.with("seed", &self.seed.to_le_bytes()) } else { key };
        let kind = self.device.split(':').next().unwrap_or(self.device);
        let key = if plugin.results.device { key.with("device", kind.as_bytes()) } else { key };
        Ok(key.with("config", sorted(&config).to_string().as_bytes()))
    }
}

/// What stands behind a path in a text that begins with it: nothing, or `:CLASS` of a file of classes.
fn behind<'t>(text: &'t str, path: &Path) -> Option<&'t str> {
    let end = path.to_str().filter(|path| text.starts_with(path))?.len();
    let rest = &text[end..];
    (rest.is_empty() || rest.starts_with(':') && path.extension().is_some_and(|extension| extension == "py")).then_some(rest)
}

fn mentions(json: &Json, path: &Path) -> bool {
    match json {
        Json::String(text) => behind(text, path).is_some(),
        Json::Array(items) => items.iter().any(|item| mentions(item, path)),
        Json::Object(entries) => entries.values().any(|value| mentions(value, path)),
        _ => false,
    }
}

fn replace(json: &mut Json, path: &Path, hash: &str) {
    match json {
        Json::String(text) => {
            if let Some(rest) = behind(text, path) {
                *text = format!("{hash}{rest}");
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| replace(item, path, hash)),
        Json::Object(entries) => entries.values_mut().for_each(|value| replace(value, path, hash)),
        _ => {}
    }
}

/// The same JSON with the keys of every object in order: the order in a recipe means nothing.
fn sorted(json: &Json) -> Json {
    match json {
        Json::Array(items) => items.iter().map(sorted).collect(),
        Json::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(entries.into_iter().collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cannot_be_shifted_into_each_other_and_key_order_means_nothing() {
        let key = |parts: &[(&str, &str)]| parts.iter().fold(KeyBuilder::new("x"), |key, (name, value)| key.with(name, value.as_bytes())).finish();
        assert_ne!(key(&[("a", "bc")]), key(&[("ab", "c")]));
        assert_ne!(key(&[("a", "b"), ("c", "d")]), key(&[("c", "d"), ("a", "b")]));
        let (one, other) = (serde_json::json!({ "a": 1, "b": { "c": 2, "d": 3 } }), serde_json::json!({ "b": { "d": 3, "c": 2 }, "a": 1 }));
        assert_eq!(sorted(&one).to_string(), sorted(&other).to_string());
    }
}

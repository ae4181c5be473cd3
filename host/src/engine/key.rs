//! Keys of stages: a hash of everything that a stage's results depend on.

use std::path::Path;

use serde_json::Value as Json;

use crate::failure::Failure;
use crate::recipe::Configured;

/// A stage's key: 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Raised when the host's own part of any stage (decoding, fitting masks, aggregation) or the form of stored rows changes: older results are then not found.
const STORE_VERSION: u32 = 1;

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

    /// Adds a plugin: its package, name, version and config. Of a file that the config names the content counts, not the place, so that a moved file changes nothing.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn plugin(self, configured: &Configured) -> Result<Self, Failure> {
        let mut config = configured.config.clone();
        for named in configured.paths.iter().filter(|named| named.content) {
            replace(&mut config, &named.path, &content_hash(&named.path)?);
        }
        let plugin = &configured.plugin;
        Ok(self
            .with("package", plugin.package.as_bytes())
            .with("plugin", plugin.name.as_bytes())
            .with("version", plugin.version.as_bytes())
            .with("config", sorted(&config).to_string().as_bytes()))
    }

    /// The key.
    pub fn finish(self) -> Key {
        Key(self.0.finalize().to_hex()[..16].to_owned())
    }
}

/// The hash of a file's content, or of the names and contents of the files directly in a folder.
///
/// # Errors
/// A file that cannot be read.
pub fn content_hash(path: &Path) -> Result<String, Failure> {
    let of_file = |path: &Path| -> std::io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(std::fs::File::open(path)?)?;
        Ok(hasher.finalize())
    };
    let hash = || -> std::io::Result<blake3::Hash> {
        if !path.is_dir() {
            return of_file(path);
        }
        let mut files = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        files.retain(|file| file.is_file());
        files.sort();
        let mut hasher = blake3::Hasher::new();
        for file in files {
            let name = file.file_name().unwrap_or_default().as_encoded_bytes();
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name).update(of_file(&file)?.as_bytes());
        }
        Ok(hasher.finalize())
    };
    hash().map(|hash| hash.to_hex().to_string()).map_err(|error| Failure::run(format!("cannot read {}: {error}", path.display())))
}

fn replace(json: &mut Json, path: &Path, hash: &str) {
    match json {
        Json::String(text) if Path::new(text) == path => *text = hash.to_owned(),
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

//! Published files that a config may name instead of a path: what a plugin's schema says of them, and where they lie on this machine.

use std::path::PathBuf;

use serde_json::Value as Json;

/// A published file, as a schema's `x-named-files` has it (see `convert_sdk::InputPath`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedFile {
    /// Its name in recipes.
    pub name: String,
    /// The file's own name.
    pub file: String,
    /// Where it is given out.
    pub from: String,
    /// The beginning of its SHA-256, as far as its publisher says; may be empty.
    pub sha256: String,
}

impl NamedFile {
    /// The files that a property of a schema knows.
    pub fn of_property(property: &Json) -> impl Iterator<Item = Self> {
        let text = |entry: &Json, key: &str| entry.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        property.get("x-named-files").and_then(Json::as_object).into_iter().flatten().map(move |(name, entry)| Self {
            name: name.clone(),
            file: text(entry, "file"),
            from: text(entry, "from"),
            sha256: text(entry, "sha256"),
        })
    }

    /// The files that any property of a schema knows.
    pub fn of_schema(schema: &Json) -> Vec<Self> {
        let inner: Vec<&Json> = match schema {
            Json::Object(entries) => entries.values().collect(),
            Json::Array(items) => items.iter().collect(),
            _ => Vec::new(),
        };
        Self::of_property(schema).chain(inner.into_iter().flat_map(Self::of_schema)).collect()
    }

    /// Where the file is looked for.
    pub fn path(&self) -> PathBuf {
        folder().join(&self.file)
    }

    /// How to get it.
    pub fn advice(&self) -> String {
        let check = if self.sha256.is_empty() { String::new() } else { format!(" (its SHA-256 begins with {})", self.sha256) };
        format!("get {} from {} and put it into {}{check}", self.file, self.from, folder().display())
    }
}

/// The folder of published files: `CONVERT_WEIGHTS`, else `convert/weights` in the user's cache.
pub fn folder() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("CONVERT_WEIGHTS").unwrap_or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        cache.unwrap_or_else(std::env::temp_dir).join("convert/weights")
    })
}

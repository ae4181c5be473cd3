//! Published files that a config may name instead of a path: what a plugin's schema says of them, and where they lie on this machine.

use std::path::PathBuf;

use serde_json::Value as Json;

use crate::command_name;

/// A published file, as a schema's `x-named-files` has it (see `convert_sdk::InputPath`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedFile {
    /// Its name in recipes.
    pub name: String,
    /// The file's own name.
    pub file: String,
    /// Where it is given out: a folder's address where it may be fetched, else a page.
    pub from: String,
    /// The beginning of its SHA-256, as far as its publisher says; may be empty.
    pub sha256: String,
    /// About how many bytes it has; 0 where that is not known.
    pub bytes: u64,
    /// The name of its licence; may be empty.
    pub licence: String,
    /// Whether it may be fetched without more ado.
    pub fetch: bool,
}

/// A named file that a recipe wants and that is not on this machine.
#[derive(Debug, thiserror::Error)]
#[error("{place}: `{}` is not on this machine: {}", .file.name, .file.advice())]
pub struct Missing {
    /// Where the recipe names it.
    pub place: String,
    /// The file.
    pub file: NamedFile,
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
            bytes: entry.get("bytes").and_then(Json::as_u64).unwrap_or_default(),
            licence: text(entry, "licence"),
            fetch: entry.get("fetch").and_then(Json::as_bool).unwrap_or_default(),
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

    /// Size and licence, as far as they are known.
    pub fn terms(&self) -> String {
        let size = if self.bytes == 0 { "of unknown size".to_owned() } else { size(self.bytes) };
        if self.licence.is_empty() { size } else { format!("{size}, {}", self.licence) }
    }

    /// Whether it can be fetched: from its publisher, or from a mirror, whose owner has accepted its licence.
    pub fn can_be_fetched(&self) -> bool {
        (self.fetch || mirror().is_some()) && !offline()
    }

    /// How to get it.
    pub fn advice(&self) -> String {
        if self.can_be_fetched() {
            return format!("`{} weights get {}` fetches it ({}), or add --yes", command_name::typed(), self.name, self.terms());
        }
        let check = if self.sha256.is_empty() { String::new() } else { format!(" (its SHA-256 begins with {})", self.sha256) };
        let fetched = if self.fetch && offline() { "CONVERT_OFFLINE is set, so that nothing is fetched: unset it, or " } else { "" };
        format!("{fetched}get {} from {} and put it into {}{check}", self.file, self.from, folder().display())
    }
}

/// Bytes as people say them.
pub fn size(bytes: u64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let bytes = bytes as f64;
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) if bytes / unit < 10.0 => format!("{:.1} {name}", bytes / unit),
        Some((unit, name)) => format!("{:.0} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

/// The folder of published files: `CONVERT_WEIGHTS`, else `convert/weights` in the user's cache.
pub fn folder() -> PathBuf {
    let set = |name: &str| set(name).map(PathBuf::from);
    let folder = set("CONVERT_WEIGHTS").unwrap_or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        cache.unwrap_or_else(std::env::temp_dir).join("convert/weights")
    });
    std::path::absolute(&folder).unwrap_or(folder)
}

/// Where files are fetched from instead of from their publishers: `CONVERT_WEIGHTS_URL`, without a slash at its end.
pub fn mirror() -> Option<String> {
    set("CONVERT_WEIGHTS_URL").map(|url| url.to_string_lossy().trim_end_matches('/').to_owned())
}

/// Whether nothing may be fetched: `CONVERT_OFFLINE`.
pub fn offline() -> bool {
    set("CONVERT_OFFLINE").is_some()
}

/// A variable of the environment that is set and not empty.
fn set(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_as_people_do() {
        assert_eq!(
            [0, 999, 1_200, 87_000_000, 4_546_000_000, 26_864_000_000].map(size),
            ["0 bytes", "999 bytes", "1.2 kB", "87 MB", "4.5 GB", "27 GB"]
        );
    }
}

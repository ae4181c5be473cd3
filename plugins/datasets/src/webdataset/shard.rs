//! One tar file: its members side by side with one key are a sample.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

use convert_sdk::tracing::warn;
use convert_sdk::{Deserialize, Error, Result, ResultExt, Serialize, serde};
use serde_json::Value;

use super::WebDatasetConfig;
use super::archive::{Archive, Content};

/// A label is a number or a name, or a key of an object that describes one image.
const LARGEST_LABEL: u64 = 16 << 20;
const BLOCK: u64 = 512;

/// Which members matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "serde")]
pub struct Wanted {
    /// Of images, in lower case, the most wanted first.
    extensions: Vec<String>,
    label: String,
    /// Where the label's member is JSON: the key.
    json_key: Option<String>,
}

impl Wanted {
    pub fn new(extensions: &[String], label: &str, json_key: &str) -> Self {
        let plain = |extension: &str| extension.trim_start_matches('.').to_ascii_lowercase();
        let label = plain(label);
        let is_json = label == "json" || label.ends_with(".json");
        Self { extensions: extensions.iter().map(|extension| plain(extension)).collect(), label, json_key: is_json.then(|| json_key.to_owned()) }
    }
}

/// The image of a sample.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "serde")]
pub struct ImageMember {
    rank: usize,
    /// As the member's name has it.
    pub extension: String,
    /// Where its bytes begin in the shard.
    pub offset: u64,
    /// How many they are.
    pub length: u64,
}

/// A sample of a shard.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(crate = "serde")]
pub struct Found {
    pub key: String,
    pub image: Option<ImageMember>,
    /// As text.
    pub label: Option<String>,
    extensions: Vec<String>,
}

impl Found {
    /// What an incomplete sample lacks.
    pub fn what_lacks(&self, shard: &Path, config: &WebDatasetConfig) -> String {
        let has = self.extensions.join(", ");
        let sample = format!("the sample {:?} of {}", self.key, shard.display());
        match &self.image {
            None => format!("{sample} has no image ({}), only {has}: check `extensions`", config.extensions.join(", ")),
            Some(_) => format!("{sample} has no label member `{}`, only {has}: check `label`", config.label),
        }
    }
}

/// Goes through a shard and hands out its samples in their order; of the members only the labels are read.
///
/// # Errors
/// A file that is no tar or is truncated, a sample that comes again after another, a label that cannot be read, and what `take` gives.
pub fn scan(archive: &Archive, wanted: &Wanted, take: impl FnMut(Found) -> Result<()>) -> Result<()> {
    let broken = || broken(archive.path());
    match archive.content()? {
        Content::Plain(file) => {
            let size = file.length();
            scan_entries(tar::Archive::new(file).entries_with_seek().context(broken)?, archive.path(), Some(size), wanted, take)
        }
        Content::Gzip(content) => scan_entries(tar::Archive::new(content).entries().context(broken)?, archive.path(), None, wanted, take),
    }
}

fn broken(path: &Path) -> String {
    format!("the shard {} is not a tar file or a broken one: fetch it again", path.display())
}

/// Of a shard whose size nobody knows beforehand, reading on says what is missing.
fn scan_entries(
    entries: tar::Entries<'_, impl Read>,
    path: &Path,
    size: Option<u64>,
    wanted: &Wanted,
    mut take: impl FnMut(Found) -> Result<()>,
) -> Result<()> {
    let broken = || broken(path);
    let (mut current, mut seen, mut end) = (Found::default(), HashSet::new(), 0);
    for entry in entries {
        let mut entry = entry.context(broken)?;
        let (offset, length) = (entry.raw_file_position(), entry.size());
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if let Some(size) = size.filter(|size| offset.saturating_add(length) > *size) {
            return Err(Error::config(format!(
                "the shard {} is truncated: its member {name:?} ends at byte {}, the file at {size}: fetch it again",
                path.display(),
                offset.saturating_add(length)
            )));
        }
        end = offset + length.next_multiple_of(BLOCK);
        let Some((key, extension)) = split(&name).filter(|_| entry.header().entry_type().is_file()) else { continue };
        if key != current.key {
            finish(std::mem::replace(&mut current, Found { key: key.to_owned(), ..Found::default() }), &mut take)?;
            if !seen.insert(key.to_owned()) {
                return Err(Error::config(format!(
                    "the shard {} has members of the sample {key:?} in two places: those of one sample must stand side by side, so write it anew sorted by name",
                    path.display()
                )));
            }
        }
        let lower = extension.to_ascii_lowercase();
        if lower == wanted.label {
            current.label = Some(read_label(&mut entry, length, wanted).context(|| format!("the label {name:?} of the shard {}", path.display()))?);
        } else if let Some(rank) =
            wanted.extensions.iter().position(|wanted| *wanted == lower).filter(|rank| current.image.as_ref().is_none_or(|image| *rank < image.rank))
        {
            current.image = Some(ImageMember { rank, extension: extension.to_owned(), offset, length });
        }
        current.extensions.push(extension.to_owned());
    }
    finish(current, &mut take)?;
    if seen.is_empty() {
        warn!("the shard {} holds no samples", path.display());
    } else if size.is_some_and(|size| end >= size) {
        warn!("the shard {} has no end mark: it may have been cut between two members", path.display());
    }
    Ok(())
}

fn finish(found: Found, take: &mut impl FnMut(Found) -> Result<()>) -> Result<()> {
    if found.extensions.is_empty() { Ok(()) } else { take(found) }
}

/// A member's key and extension: the name is cut at its first dot. Nothing for hidden files and names without a dot.
fn split(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_start_matches("./");
    let name_at = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name_at + path[name_at..].find('.')?;
    (dot > name_at).then(|| (&path[..dot], &path[dot + 1..]))
}

fn read_label(member: &mut impl Read, length: u64, wanted: &Wanted) -> Result<String> {
    if length > LARGEST_LABEL {
        return Err(Error::config(format!("has {length} bytes: a label has at most {LARGEST_LABEL}")));
    }
    let mut text = String::new();
    member.read_to_string(&mut text)?;
    let label = match &wanted.json_key {
        None => text.trim().to_owned(),
        Some(key) => {
            let json: Value = serde_json::from_str(&text)?;
            match json.get(key) {
                Some(Value::String(name)) => name.trim().to_owned(),
                Some(Value::Number(number)) => number.to_string(),
                Some(other) => return Err(Error::config(format!("{key:?} is {other}, neither a name nor a number"))),
                None => {
                    let keys: Vec<&str> = json.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
                    return Err(Error::config(format!("has no key {key:?}, only {}: check `json_key`", keys.join(", "))));
                }
            }
        }
    };
    if label.is_empty() { Err(Error::config("is empty")) } else { Ok(label) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_dot_of_the_name_cuts_it() {
        for (path, expected) in [
            ("a.jpg", Some(("a", "jpg"))),
            ("./x.y/a.seg.png", Some(("x.y/a", "seg.png"))),
            ("a", None),
            ("x.y/a", None),
            (".hidden.jpg", None),
            ("x/._a.jpg", None),
        ] {
            assert_eq!(split(path), expected, "{path}");
        }
    }
}

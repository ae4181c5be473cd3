//! Which files a folder's rows lie in, also where `save_to_disk` wrote it.

use std::path::Path;

use convert_formats::files::{self, Source};
use convert_sdk::{Error, Result, ResultExt};
use serde_json::Value;

use crate::roots::Root;
use crate::shards;

/// The files of a folder, as `files` of the config says.
///
/// # Errors
/// As [`shards::find`]; a `DatasetDict`, whose splits are folders of their own.
pub fn find(root: &Root, pattern: Option<&str>) -> Result<Vec<Source>> {
    if pattern.is_none() {
        let files = root.files()?;
        if !has(&files, "parquet") {
            if let Some(splits) = read(&files, "dataset_dict.json")?.as_ref().and_then(|saved| saved.get("splits")?.as_array()) {
                let splits: Vec<&str> = splits.iter().filter_map(Value::as_str).collect();
                let (shown, first) = (root.path().display(), splits.first().unwrap_or(&"train"));
                return Err(Error::config(format!(
                    "{shown} holds the splits {}: name the folder of one, such as {shown}/{first}",
                    splits.join(", ")
                )));
            }
            if let Some(names) = read(&files, "state.json")?.as_ref().and_then(|state| state.get("_data_files")?.as_array()) {
                // The folder may hold what `map` left beside them.
                return names.iter().map(|name| named(root, &files, name)).collect();
            }
            if has(&files, "arrow") {
                return shards::find(root, None, "arrow");
            }
        }
    }
    shards::find(root, pattern, "parquet")
}

/// A data file of `state.json`.
fn named(root: &Root, files: &[(String, Source)], entry: &Value) -> Result<Source> {
    let name = entry.get("filename").and_then(Value::as_str).filter(|name| Path::new(name).file_name().is_some_and(|plain| plain == *name));
    let name = name
        .ok_or_else(|| Error::config(format!("{} names a data file as {entry}: save the dataset again", root.path().join("state.json").display())))?;
    match (find_file(files, name), root) {
        (Some(source), _) => Ok(source.clone()),
        // Opening it says what is wrong.
        (None, Root::Folder(folder)) => Ok(Source::File(folder.join(name))),
        (None, Root::Store { address, .. }) => {
            Err(Error::config(format!("{address} has no file {name:?}, which its state.json names: save the dataset again")))
        }
    }
}

fn find_file<'f>(files: &'f [(String, Source)], name: &str) -> Option<&'f Source> {
    files.iter().find(|(known, _)| known == name).map(|(_, source)| source)
}

fn has(files: &[(String, Source)], extension: &str) -> bool {
    files.iter().any(|(name, _)| Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case(extension)))
}

/// A JSON file; nothing where there is none.
fn read(files: &[(String, Source)], name: &str) -> Result<Option<Value>> {
    let is_file = |source: &&Source| !matches!(source, Source::File(path) if !path.is_file());
    let Some(source) = find_file(files, name).filter(is_file) else { return Ok(None) };
    let shown = source.path().display();
    let text = source.read_to_string(files::MAX_TEXT).context(|| format!("cannot read {shown}"))?;
    serde_json::from_str(&text).map(Some).context(|| format!("{shown} is not JSON"))
}

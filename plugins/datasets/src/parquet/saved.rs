//! Which files a folder's rows lie in, also where `save_to_disk` wrote it.

use std::path::{Path, PathBuf};

use convert_formats::files;
use convert_sdk::{Error, Result, ResultExt};
use serde_json::Value;

use crate::shards;

/// The files of a folder, as `files` of the config says.
///
/// # Errors
/// As [`shards::find`]; a `DatasetDict`, whose splits are folders of their own.
pub fn find(root: &Path, pattern: Option<&str>) -> Result<Vec<PathBuf>> {
    if pattern.is_none() && !has(root, "parquet")? {
        if let Some(splits) = read(&root.join("dataset_dict.json"))?.as_ref().and_then(|saved| saved.get("splits")?.as_array()) {
            let splits: Vec<&str> = splits.iter().filter_map(Value::as_str).collect();
            let (shown, first) = (root.display(), splits.first().unwrap_or(&"train"));
            return Err(Error::config(format!("{shown} holds the splits {}: name the folder of one, such as {shown}/{first}", splits.join(", "))));
        }
        if let Some(names) = read(&root.join("state.json"))?.as_ref().and_then(|state| state.get("_data_files")?.as_array()) {
            // The folder may hold what `map` left beside them.
            return names.iter().map(|name| named(root, name)).collect();
        }
        if has(root, "arrow")? {
            return shards::find(root, None, "arrow");
        }
    }
    shards::find(root, pattern, "parquet")
}

/// A data file of `state.json`.
fn named(root: &Path, entry: &Value) -> Result<PathBuf> {
    let name = entry.get("filename").and_then(Value::as_str).filter(|name| Path::new(name).file_name().is_some_and(|plain| plain == *name));
    let name =
        name.ok_or_else(|| Error::config(format!("{} names a data file as {entry}: save the dataset again", root.join("state.json").display())))?;
    Ok(root.join(name))
}

fn has(root: &Path, extension: &str) -> Result<bool> {
    let named = || format!("cannot list the folder {}", root.display());
    for entry in std::fs::read_dir(root).context(named)? {
        let name = entry.context(named)?.file_name();
        if !name.to_string_lossy().starts_with('.') && Path::new(&name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case(extension)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A JSON file; nothing where there is none.
fn read(path: &Path) -> Result<Option<Value>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = files::read_to_string(path, files::MAX_TEXT).context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).map(Some).context(|| format!("{} is not JSON", path.display()))
}

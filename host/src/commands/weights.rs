//! `convert weights`: published files by name, and fetching those that a recipe names.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};

use super::summary::table;
use crate::command_name;
use crate::engine::Progress;
use crate::errors::FileError;
use crate::failure::Failure;
use crate::fetch::{FetchError, fetch, kept_hash};
use crate::named_files::{self, NamedFile};
use crate::plugins::Catalog;
use crate::recipe::{RecipeError, suggestion};
use crate::sha256::sha256_of;
use crate::terminal::{fitted, width};

/// From so many columns of the terminal on, files and their addresses are shown too.
const FULL_WIDTH: usize = 200;

/// Prints the published files that plugins know, with the check of those that are here.
pub fn list(catalog: &Catalog) -> Result<(), Failure> {
    answer!("weights    {} (CONVERT_WEIGHTS)", named_files::folder().display());
    let known = known(catalog);
    // Names and addresses that are broken into lines are of no use.
    let columns = if width().is_none_or(|columns| columns >= FULL_WIDTH) { 6 } else { 4 };
    let mut rows = table(&["name", "size", "licence", "state", "file", "from"][..columns]);
    for named in &known {
        let size = if named.bytes == 0 { String::new() } else { named_files::size(named.bytes) };
        rows.add_row(&[named.name.as_str(), &size, &named.licence, &state(named)?, &named.file, &named.from][..columns]);
    }
    if !known.is_empty() {
        answer!("{}", fitted(rows, width()));
    }
    Ok(())
}

fn known(catalog: &Catalog) -> BTreeSet<NamedFile> {
    catalog.all().flat_map(|plugin| NamedFile::of_schema(&plugin.schema)).collect()
}

/// Whether a published file is here and is what its publisher says, or what was fetched.
fn state(named: &NamedFile) -> Result<String, FileError> {
    let path = named.path();
    if !path.is_file() {
        return Ok("not here".to_owned());
    }
    let hash = sha256_of(&path)?;
    let kept = std::fs::read_to_string(kept_hash(&path)).ok();
    Ok(match (named.sha256.as_str(), kept) {
        ("", None) => format!("here (SHA-256 {}…, its publisher gives none)", &hash[..16]),
        ("", Some(kept)) if kept.starts_with(&hash) => "here, SHA-256 as when it was fetched".to_owned(),
        ("", Some(_)) => "CHANGED since it was fetched; get it again".to_owned(),
        (known, _) if hash.starts_with(known) => "here, SHA-256 right".to_owned(),
        (known, _) => format!("WRONG: its SHA-256 begins with {}, not {known}; get it again", &hash[..known.len()]),
    })
}

/// Fetches published files by their names.
pub fn get(names: &[String], catalog: &Catalog, progress: &Progress) -> Result<(), Failure> {
    let known = known(catalog);
    let find = |name: &String| {
        known.iter().find(|named| named.name == *name).ok_or_else(|| {
            let hint = suggestion(name, known.iter().map(|named| named.name.as_str()));
            Failure::usage(format!("`{name}` is the name of no published file{hint} (see `{} weights list`)", command_name::typed()))
        })
    };
    let wanted = names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    for named in wanted {
        let path = named.path();
        if path.is_file() {
            let state = state(named)?;
            if !state.starts_with("here") {
                return Err(Failure::run(format!("{}: {state}: remove {} first", named.name, path.display())));
            }
            tracing::info!("{}: {state}", named.name);
        } else {
            tracing::info!("{} ({}) into {}", named.name, named.terms(), path.display());
            fetch(named, progress).map_err(failure)?;
        }
        answer!("{}", path.display());
    }
    Ok(())
}

fn failure(error: FetchError) -> Failure {
    if error.may_pass() { Failure::run(error) } else { Failure::usage(error) }
}

/// What `load` reads, after fetching the published files that it names and that are not here: where `yes` says so, or who sits at the terminal.
///
/// # Errors
/// What `load` says, and why a file could not be fetched.
pub fn with_files<T>(yes: bool, progress: &Progress, load: impl Fn() -> Result<T, RecipeError>) -> Result<T, Failure> {
    let error = match load() {
        Ok(loaded) => return Ok(loaded),
        Err(error) => error,
    };
    let missing = error.missing_files();
    if missing.is_empty() || !missing.iter().all(|named| named.can_be_fetched()) || !agreed(&missing, yes) {
        return Err(error.into());
    }
    for named in missing {
        fetch(named, progress).map_err(failure)?;
    }
    Ok(load()?)
}

/// Shows what would be fetched, and asks where nobody has agreed yet.
fn agreed(missing: &BTreeSet<&NamedFile>, yes: bool) -> bool {
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !yes && !asks {
        return false;
    }
    for named in missing {
        let from = named_files::mirror().unwrap_or_else(|| named.from.clone());
        tracing::info!("{} is not on this machine: {}, from {from} into {}", named.name, named.terms(), named_files::folder().display());
    }
    if yes {
        return true;
    }
    let mut answer = String::new();
    let asked =
        write!(io::stderr(), "Fetch {}? [Y/n] ", if missing.len() == 1 { "it" } else { "them" }).and_then(|()| io::stdin().read_line(&mut answer));
    asked.is_ok_and(|length| length > 0) && matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes")
}

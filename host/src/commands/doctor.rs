//! `convert doctor`: what this machine offers.

mod work_dir;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use convert_sdk::Finding;
use convert_sdk::Role;

use super::features::context;
use super::weights;
use crate::command_name;
use crate::failure::Failure;
use crate::plugins::{Catalog, default_folders};
use crate::sha256::sha256_of;
use crate::terminal::width;
pub use work_dir::try_work_dir;

/// Libraries that matter when they are loaded, by the beginning of their file names.
const LIBRARIES: [&str; 1] = ["libopencv_core"];

const INDENT: &str = "           ";

/// Prints versions, what the shell runs by this program's names, plugin libraries with their SHA-256, what they find of libraries and devices, and the published weights with the check of those that are here.
pub fn doctor(catalog: &Catalog) -> Result<(), Failure> {
    answer!("convert    {}", env!("CARGO_PKG_VERSION"));
    answer!("threads    {}", std::thread::available_parallelism().map_or(1, usize::from));
    for line in command_name::diagnosis() {
        answer!("command    {line}");
    }
    for folder in default_folders() {
        answer!("plugins    {}{}", folder.display(), if folder.is_dir() { "" } else { " (not there)" });
    }
    let count = catalog.all().count();
    let files: BTreeSet<&Path> = catalog.all().map(|plugin| plugin.file.as_path()).collect();
    answer!("           {count} plugins in {} libraries{}", files.len(), catalog.refused_summary());
    for file in files {
        let (hash, shown) = (sha256_of(file)?, file.display().to_string());
        // A narrow terminal has the hash in a line of its own.
        let narrow = width().is_some_and(|columns| columns < INDENT.len() + hash.len() + 1 + shown.len());
        answer!("{INDENT}{hash}{}{shown}", if narrow { format!("\n{INDENT}") } else { " ".into() });
    }
    for library in loaded_libraries() {
        answer!("library    {library}");
    }
    for finding in findings(catalog) {
        answer!("{:<10} {}", finding.name, finding.value);
    }
    weights::list(catalog)?;
    if count == 0 {
        return Err(Failure::run("no plugins: build them with `make build`, or name a folder with --plugin-dir"));
    }
    Ok(())
}

/// What the extractors find on this machine: they, not the host, know what networks run on.
fn findings(catalog: &Catalog) -> Vec<Finding> {
    let mut all = Vec::new();
    for plugin in catalog.all().filter(|plugin| plugin.role == Role::Extractor) {
        let context = context(&plugin.name, "cpu", 1, &Arc::default());
        match plugin.builder.extractor("{}", &context).and_then(|extractor| extractor.diagnosis()) {
            Ok(findings) => all.extend(findings),
            // One that cannot be built without a config has nothing to say here.
            Err(error) => tracing::debug!("extractor {}: {error}", plugin.name),
        }
    }
    all
}

/// The files of libraries that this process has open, where the system tells.
fn loaded_libraries() -> BTreeSet<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| line[at..].to_owned()));
    paths
        .filter(|path| Path::new(path).file_name().is_some_and(|name| LIBRARIES.iter().any(|library| name.to_string_lossy().starts_with(library))))
        .collect()
}

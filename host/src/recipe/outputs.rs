//! What a run writes: whether its work directory and the exporters' files have a place where nothing is harmed.

use std::path::{Path, PathBuf};

use convert_formats::whole_file;

use super::diagnostics::Diagnostic;
use super::tree::Location;

/// Names in the work directory that the run itself uses.
const RESERVED: [&str; 15] = [
    "in-flight",
    "crashes.json",
    "stages",
    "cache",
    ".measure",
    "measured.json",
    "errors.jsonl",
    "evaluation.json",
    "run.json",
    "recipe.yaml",
    "classes.txt",
    "audit.tsv",
    "reviews.jsonl",
    ".lock",
    ".exports.json",
];

/// A file that an exporter is to write.
pub struct Output<'a> {
    /// Where the recipe names it.
    pub place: Option<Location>,
    /// How.
    pub text: &'a str,
    /// What that means.
    pub file: &'a Path,
}

/// What is wrong with the files of the exporters.
pub fn check_files(outputs: &[Output<'_>], work_dir: &Path) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut known: Vec<PathBuf> = Vec::new();
    for output in outputs {
        match target(output, work_dir) {
            Err(problem) => problems.push(problem),
            Ok(target) => {
                if let Some(problem) = known.iter().find_map(|other| together(&target, other)) {
                    problems.push(Diagnostic::new(output.place, problem));
                }
                known.push(target);
            }
        }
    }
    problems
}

/// The file that will be written, which is another than that of the recipe where that is a symbolic link.
fn target(output: &Output<'_>, work_dir: &Path) -> Result<PathBuf, Diagnostic> {
    let Output { place, text, file } = *output;
    let no_file = matches!(text.rsplit('/').next(), None | Some("" | "." | ".."));
    if !text.contains('\0') && (no_file || work_dir.starts_with(file) || file.is_dir()) {
        return Err(Diagnostic::new(place, format!("`file: {text}` names no file to write: {} is a folder", file.display())));
    }
    let target = whole_file::destination(file).map_err(|error| Diagnostic::new(place, error))?;
    if target.to_str().is_none() {
        return Err(Diagnostic::new(place, format!("{target:?} is not UTF-8, which exporters need: choose another file")));
    }
    for path in [file, &target] {
        let inside = path.strip_prefix(work_dir).ok().and_then(|path| path.components().next());
        if inside.is_some_and(|first| RESERVED.iter().any(|name| first.as_os_str() == *name)) {
            return Err(Diagnostic::new(place, format!("{} is a name that the run itself uses: choose another file", path.display())));
        }
    }
    Ok(target)
}

/// Why two exporters cannot both write their files.
fn together(file: &Path, other: &Path) -> Option<String> {
    if file == other {
        return Some(format!("two exporters write {}: give each its own file", file.display()));
    }
    let (above, below) = if file.starts_with(other) { (other, file) } else { (file, other) };
    below.starts_with(above).then(|| format!("one exporter writes {}, another {} below it: choose another file", above.display(), below.display()))
}

/// What is wrong with the work directory.
pub fn check_work_dir(place: Option<Location>, work_dir: &Path) -> Option<Diagnostic> {
    if work_dir.as_os_str().as_encoded_bytes().contains(&0) {
        return Some(Diagnostic::new(place, format!("the work directory {work_dir:?} contains a NUL character, which no name can hold")));
    }
    if work_dir.to_str().is_none() {
        return Some(Diagnostic::new(place, format!("the work directory {work_dir:?} is not UTF-8, which plugins need: choose another")));
    }
    let there = work_dir.ancestors().find(|path| path.exists())?;
    (!there.is_dir())
        .then(|| Diagnostic::new(place, format!("the work directory {} cannot be made: {} is not a folder", work_dir.display(), there.display())))
}

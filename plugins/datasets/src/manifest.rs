//! `manifest`: a table of images and labels.

mod rows;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use convert_sdk::{Context, Dataset, Error, ErrorKind, ImageData, InputFile, InputFolder, Plugin, Result, Sample, config};

use crate::classes::ClassList;
use crate::files::{self, Listed};
use crate::listing::Listing;
use rows::{Columns, Row};

/// Images listed in a table: a CSV file with a header, or JSON Lines.
///
/// `.csv` is read with commas, `.tsv` with tabs, `.jsonl` and `.ndjson` as one JSON object a line.
#[config]
#[derive(Clone, Debug)]
pub struct ManifestConfig {
    /// The table: a .csv, .tsv, .jsonl or .ndjson file in UTF-8.
    pub file: InputFile,
    /// The folder that the paths of the table are relative to. Default: the folder of the table.
    #[serde(default)]
    pub root: Option<InputFolder>,
    /// The column (JSON key) with the image's path.
    #[serde(default = "default_path_column")]
    pub path_column: String,
    /// The column (JSON key) with the single label: a class name, or with `classes` also a class index.
    #[serde(default = "default_label_column")]
    pub label_column: String,
    /// The column (JSON key) with a sample's id, unique in the table. Default: the path is the id.
    #[serde(default)]
    pub id_column: Option<String>,
    /// A file that names the classes, one a line: a label is one of these names, or a line's index counted from 0.
    /// Default: the names that occur as labels, sorted.
    #[serde(default)]
    pub classes: Option<InputFile>,
}

fn default_path_column() -> String {
    "path".into()
}

fn default_label_column() -> String {
    "label".into()
}

/// The dataset `manifest`.
#[derive(Debug)]
pub struct Manifest {
    root: PathBuf,
    classes: ClassList,
    /// The path of each id, where ids are not the paths.
    paths: Option<HashMap<String, String>>,
    /// What `new` read, until it is first asked for.
    listed: Listing,
    config: ManifestConfig,
    context: Context,
}

impl Plugin for Manifest {
    type Config = ManifestConfig;

    fn new(config: Self::Config, context: Context) -> Result<Self> {
        let root = match &config.root {
            Some(root) => root.to_path_buf(),
            None => config.file.parent().unwrap_or(Path::new("")).to_path_buf(),
        };
        let rows = rows::read(&config.file, &columns(&config))?;
        let classes = match &config.classes {
            Some(file) => ClassList::read(file)?,
            None => classes_of(&rows, &config)?,
        };
        let samples = samples(&rows, &root, &classes, &config, &context)?;
        let paths = config.id_column.is_some().then(|| rows.into_iter().map(|row| (row.id, row.path)).collect());
        Ok(Self { root, classes, paths, listed: Listing::new(samples), config, context })
    }
}

impl Dataset for Manifest {
    fn classes(&self) -> Vec<String> {
        self.classes.names().to_vec()
    }

    fn samples(&self) -> Result<Vec<Sample>> {
        self.listed.take(|| {
            let rows = rows::read(&self.config.file, &columns(&self.config))?;
            samples(&rows, &self.root, &self.classes, &self.config, &self.context)
        })
    }

    fn image(&self, id: &str) -> Result<ImageData> {
        let path = match &self.paths {
            Some(paths) => paths.get(id).ok_or_else(|| Error::invalid(format!("no sample {id:?} in {}", self.config.file.display())))?,
            None => id,
        };
        files::read_image(&self.root.join(path))
    }
}

fn columns(config: &ManifestConfig) -> Columns<'_> {
    Columns { path: &config.path_column, label: &config.label_column, id: config.id_column.as_deref() }
}

/// The names that occur as labels, sorted.
fn classes_of(rows: &[Row], config: &ManifestConfig) -> Result<ClassList> {
    let names: BTreeSet<&str> = rows.iter().map(|row| row.label.as_str()).collect();
    let file = config.file.display();
    if let (1, Some(only)) = (names.len(), names.first()) {
        return Err(Error::config(format!("{file} has labels of one class only, {only:?}: a labeler needs at least two")));
    }
    // "10" would sort before "2", and the class indices of all outputs would silently differ from the user's
    if names.iter().all(|name| name.parse::<u32>().is_ok()) {
        return Err(Error::config(format!("the labels of {file} are numbers: name the classes in a file, one a line, and give it as `classes`")));
    }
    ClassList::new(names.into_iter().map(String::from).collect()).map_err(|_| Error::config(format!("{file} names a class twice")))
}

/// The rows with labels looked up and files looked at.
fn samples(rows: &[Row], root: &Path, classes: &ClassList, config: &ManifestConfig, context: &Context) -> Result<Vec<Sample>> {
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(rows.len());
    let mut samples = Vec::with_capacity(rows.len());
    let mut listed = Listed::default();
    for row in rows {
        if row.line % 4096 == 0 && context.cancelled() {
            return Err(Error::new(ErrorKind::Interrupted, format!("interrupted while reading {}", config.file.display())));
        }
        if let Some(first) = seen.insert(&row.id, row.line) {
            return Err(Error::config(format!(
                "{} lines {first} and {}: both are the sample {:?}: ids must differ{}",
                config.file.display(),
                row.line,
                row.id,
                if config.id_column.is_none() { ", give `id_column` where a path may come twice" } else { "" }
            )));
        }
        let label = label(row, classes, config)?;
        let revision = listed.revision_of(&root.join(&row.path));
        samples.push(Sample { id: row.id.clone(), label, revision });
    }
    let Some(first) = rows.first() else { return Ok(samples) };
    listed.check(|| {
        let (count, file, first) = (samples.len(), config.file.display(), root.join(&first.path));
        Error::config(format!("none of the {count} images of {file} exists, the first of them {}: check `root`", first.display()))
    })?;
    Ok(samples)
}

/// A label's index: by name, or by number where a class file gives the numbers a meaning and no class has that name.
fn label(row: &Row, classes: &ClassList, config: &ManifestConfig) -> Result<u32> {
    let by_number = || row.label.parse::<u32>().ok().filter(|index| (*index as usize) < classes.names().len() && config.classes.is_some());
    classes.index(&row.label).or_else(by_number).ok_or_else(|| {
        Error::config(format!(
            "{} line {}, column {:?}: {:?} is neither one of the {} class names nor an index into them",
            config.file.display(),
            row.line,
            config.label_column,
            row.label,
            classes.names().len()
        ))
    })
}

#[cfg(test)]
mod tests;

//! `manifest`: a table of images and labels.

mod rows;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use convert_sdk::{Context, Dataset, Error, ErrorKind, ImageData, InputFile, InputFolder, Plugin, Result, Sample, config};

use crate::classes::ClassList;
use crate::files::{self, Listed};
use crate::places::{self, Places};
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
    /// Where ids are not the paths.
    paths: Option<Paths>,
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
        let classes = match &config.classes {
            Some(file) => ClassList::read(file)?,
            None => classes_of(&config)?,
        };
        let paths = config.id_column.as_ref().map(|_| Paths::read(&config)).transpose()?;
        Ok(Self { root, classes, paths, config, context })
    }
}

impl Dataset for Manifest {
    fn classes(&self) -> Vec<String> {
        self.classes.names().to_vec()
    }

    /// The rows with labels looked up and files looked at, which of a million images can take a while: who only wants an image does without.
    fn samples(&self) -> Result<Vec<Sample>> {
        let Self { root, classes, config, context, .. } = self;
        let file = config.file.display();
        // By the ids' hashes the last sample with such an id: the ids themselves are compared.
        let mut seen: HashMap<u64, usize> = HashMap::new();
        let mut samples: Vec<Sample> = Vec::new();
        let mut listed = Listed::default();
        let mut first = None;
        rows::each(&config.file, &columns(config), |row| {
            if row.line % 4096 == 0 && context.cancelled() {
                return Err(Error::new(ErrorKind::Interrupted, format!("interrupted while reading {file}")));
            }
            if seen.insert(places::hash(&row.id), samples.len()).is_some_and(|before| samples[before].id == row.id) {
                let hint = if config.id_column.is_none() { ", give `id_column` where a path may come twice" } else { "" };
                let before = line_of(&row.id, config)?;
                return Err(Error::config(format!(
                    "{file} lines {before} and {}: both are the sample {:?}: ids must differ{hint}",
                    row.line, row.id
                )));
            }
            let label = label(&row, classes, config)?;
            let path = root.join(row.path.as_ref());
            let revision = listed.revision_of(&path);
            first.get_or_insert(path);
            samples.push(Sample { id: row.id.into_owned(), label, revision });
            Ok(())
        })?;
        listed.check(|| {
            let (count, first) = (samples.len(), first.as_deref().unwrap_or(root).display());
            Error::config(format!("none of the {count} images of {file} exists, the first of them {first}: check `root`"))
        })?;
        Ok(samples)
    }

    fn image(&self, id: &str) -> Result<ImageData> {
        let path = match &self.paths {
            Some(paths) => paths.of(id).ok_or_else(|| Error::invalid(format!("no sample {id:?} in {}", self.config.file.display())))?,
            None => id,
        };
        files::read_image(&self.root.join(path))
    }
}

/// The path of each id.
#[derive(Debug)]
struct Paths {
    /// One behind the other.
    text: String,
    places: Places<(u64, u32)>,
}

impl Paths {
    fn read(config: &ManifestConfig) -> Result<Self> {
        let (mut text, mut places) = (String::new(), Vec::new());
        rows::each(&config.file, &columns(config), |row| {
            places.push((places::hash(&row.id), (text.len() as u64, row.path.len() as u32)));
            text.push_str(&row.path);
            Ok(())
        })?;
        text.shrink_to_fit();
        Ok(Self { text, places: Places::of_hashes(places) })
    }

    fn of(&self, id: &str) -> Option<&str> {
        let (start, length) = self.places.find(id)?;
        self.text.get(start as usize..)?.get(..length as usize)
    }
}

fn columns(config: &ManifestConfig) -> Columns<'_> {
    Columns { path: &config.path_column, label: &config.label_column, id: config.id_column.as_deref() }
}

/// The names that occur as labels, sorted.
fn classes_of(config: &ManifestConfig) -> Result<ClassList> {
    let mut names = BTreeSet::new();
    rows::each(&config.file, &columns(config), |row| {
        if !names.contains(row.label.as_ref()) {
            names.insert(row.label.into_owned());
        }
        Ok(())
    })?;
    let file = config.file.display();
    if let (1, Some(only)) = (names.len(), names.first()) {
        return Err(Error::config(format!("{file} has labels of one class only, {only:?}: a labeler needs at least two")));
    }
    // "10" would sort before "2", and the class indices of all outputs would silently differ from the user's
    if names.iter().all(|name| name.parse::<u32>().is_ok()) {
        return Err(Error::config(format!("the labels of {file} are numbers: name the classes in a file, one a line, and give it as `classes`")));
    }
    ClassList::new(names.into_iter().collect()).map_err(|_| Error::config(format!("{file} names a class twice")))
}

/// The first line with an id.
fn line_of(id: &str, config: &ManifestConfig) -> Result<usize> {
    let mut found = None;
    rows::each(&config.file, &columns(config), |row| {
        if row.id == id {
            found.get_or_insert(row.line);
        }
        Ok(())
    })?;
    Ok(found.unwrap_or_default())
}

/// A label's index: by name, or by number where a class file gives the numbers a meaning and no class has that name.
fn label(row: &Row<'_>, classes: &ClassList, config: &ManifestConfig) -> Result<u32> {
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

//! `parquet`: images and labels in the rows of Parquet or Arrow files.

mod arrow;
mod blocks;
mod columns;
mod file;
mod metered;
mod saved;
mod table;

use std::collections::HashMap;
use std::path::Path;

use convert_sdk::{Context, Dataset, Error, ErrorKind, ImageData, InputFile, InputFolder, Plugin, Result, Sample, TruthObject, config};

use crate::classes::{ClassList, ClassSource};
use crate::files;
use crate::labels::{self, Classes, Incomplete, Label, LeftOut};
use crate::listing::Listing;
use crate::places::Places;
use crate::roots::{Root, at_once};
use crate::shards;
use crate::truth::Truth;
use blocks::Blocks;
use table::TableFile;

/// Images and labels in the rows of Parquet or Arrow files, as `to_parquet` and `save_to_disk` of Hugging Face's `datasets` write them (method 8).
///
/// The image column is a struct with `bytes`, or the bytes themselves: encoded files. The label column holds integers, whose names stand in the schema's `huggingface`
/// metadata or in `classes`, or names. A sample's id is `FILE/ROW` without `.parquet`, such as `train-00000-of-00002/00000041`, or what `id_column` holds. Labels are read
/// once; images are read on demand, of Parquet in blocks of rows of about 16 MiB, of which the last four stay in memory. A row without an image is a bad sample of the run.
#[config]
#[derive(Clone, Debug)]
pub struct ParquetConfig {
    /// The folder of the files, or an address such as `s3://bucket/photos`, which may name the files as well: `s3://bucket/photos/train-*.parquet`.
    #[schemars(extend("x-address" = true))]
    pub root: InputFolder,
    /// Which of its files: a name with `*` for any text, such as `train-*.parquet`, or `{00..11}` for numbers, each of which must be there. Default: all .parquet
    /// files; where there are none, the .arrow files, or those that `save_to_disk` noted in `state.json`.
    #[serde(default)]
    pub files: Option<String>,
    /// The column of the images.
    #[serde(default = "default_image_column")]
    pub image_column: String,
    /// The column of the single labels.
    #[serde(default = "default_label_column")]
    pub label_column: String,
    /// A column of texts or integers, no two the same, that are the samples' ids; `image.path` is the `path` of the column `image`. Default: file and row.
    #[serde(default)]
    pub id_column: Option<String>,
    /// A file that names the classes, one a line: a label is a line's index counted from 0, or one of these names. Or `imagenet-1k`. Default: the names in the files'
    /// `huggingface` metadata, or else the names that occur as labels, sorted.
    #[serde(default)]
    pub classes: Option<ClassSource>,
    /// What is done with rows whose label is null, or -1, which Hugging Face writes for it.
    #[serde(default)]
    pub incomplete: Incomplete,
    /// The true objects of the images, where they are known: COCO JSON whose `file_name`s are the samples' ids and whose categories are the classes by
    /// name. The run then scores its labels and masks.
    #[serde(default)]
    #[schemars(extend("x-identity" = false))]
    pub truth: Option<InputFile>,
}

fn default_image_column() -> String {
    "image".into()
}

fn default_label_column() -> String {
    "label".into()
}

/// Where a sample stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    file: u32,
    row: u64,
}

/// The dataset `parquet`.
#[derive(Debug)]
pub struct Parquet {
    files: Vec<TableFile>,
    places: Places<Place>,
    classes: ClassList,
    /// What `new` listed, until it is first asked for.
    listed: Listing,
    blocks: Blocks,
    truth: Truth,
    config: ParquetConfig,
    context: Context,
}

/// A row with what is read of it beforehand.
struct Row {
    sample: Sample,
    label: String,
    place: Place,
}

impl Plugin for Parquet {
    type Config = ParquetConfig;

    fn new(config: Self::Config, context: Context) -> Result<Self> {
        let (root, pattern) = Root::with_files(&config.root, config.files.as_deref(), &context)?;
        let files = match saved::find(&root, pattern.as_deref())? {
            sources if matches!(root, Root::Folder(_)) => {
                sources.into_iter().map(|source| TableFile::open(source, &config)).collect::<Result<Vec<_>>>()?
            }
            sources => at_once(&sources, |source| TableFile::open(source.clone(), &config)).into_iter().collect::<Result<Vec<_>>>()?,
        };
        let rows = rows(&files, &config, &context)?;
        let root = config.root.display().to_string();
        if rows.is_empty() {
            return Err(Error::config(format!("the {} files of {root} hold no rows with a label", files.len())));
        }
        let source = match &config.classes {
            Some(source) => Classes::Given(source),
            None => class_names(&files)?.map_or(Classes::Found, Classes::Known),
        };
        let place = |at: usize| files[rows[at].place.file as usize].row_name(rows[at].place.row);
        let (classes, labels) = labels::resolve(
            rows.iter().map(|row| Label { text: &row.label, is_index: files[row.place.file as usize].integer_labels() }),
            source,
            &root,
            place,
        )?;
        let places = Places::new(rows.iter().map(|row| (row.sample.id.as_str(), row.place)));
        let samples: Vec<Sample> = rows.into_iter().zip(labels).map(|(row, label)| Sample { label, ..row.sample }).collect();
        let truth = config.truth.as_ref().map(|file| Truth::read(file, &classes)).transpose()?.unwrap_or_default();
        Ok(Self { files, places, classes, listed: Listing::new(samples), blocks: Blocks::default(), truth, config, context })
    }
}

impl Dataset for Parquet {
    fn classes(&self) -> Vec<String> {
        self.classes.names().to_vec()
    }

    fn samples(&self) -> Result<Vec<Sample>> {
        self.listed.take(|| Self::new(self.config.clone(), self.context.clone())?.samples())
    }

    fn image(&self, id: &str) -> Result<ImageData> {
        self.listed.let_go();
        let place = self.places.find(id).ok_or_else(|| Error::invalid(format!("no sample {id:?} in the files")))?;
        let file = &self.files[place.file as usize];
        file.image(&self.blocks, place.file, place.row).map(ImageData::Encoded)
    }

    fn truth(&self, id: &str) -> Result<Option<Vec<TruthObject>>> {
        self.truth.of_sample(id)
    }
}

/// The class names of the files' metadata; nothing where none has any.
fn class_names(files: &[TableFile]) -> Result<Option<ClassList>> {
    let mut found: Option<(&[String], &Path)> = None;
    for file in files {
        let Some(names) = file.class_names() else { continue };
        match found {
            Some((first, path)) if first != names => {
                let (first, second) = (path.display(), file.path().display());
                return Err(Error::config(format!(
                    "the `huggingface` metadata of {first} and {second} name other classes: give the right ones as `classes`"
                )));
            }
            _ => found = Some((names, file.path())),
        }
    }
    let Some((names, path)) = found else { return Ok(None) };
    if names.len() < 2 {
        let path = path.display();
        return Err(Error::config(format!(
            "the `huggingface` metadata of {path} names {} classes, a labeler needs at least two: give `classes`",
            names.len()
        )));
    }
    let same = |(first, second): (usize, usize)| {
        Error::config(format!(
            "the classes {first} and {second} in the `huggingface` metadata of {} have the same name: give `classes`",
            path.display()
        ))
    };
    ClassList::new(names.to_vec()).map(Some).map_err(same)
}

/// The rows that have a label, in the order of files and rows.
fn rows(files: &[TableFile], config: &ParquetConfig, context: &Context) -> Result<Vec<Row>> {
    let mut left_out = LeftOut::new(config.incomplete);
    let mut rows: Vec<Row> = Vec::new();
    let mut seen: HashMap<String, Place> = HashMap::new();
    for (file, number) in files.iter().zip(0..) {
        let revision = files::revision_of_source(file.source())?;
        let stem = shards::stem(file.path());
        file.labels(config, |row, label, id| {
            let place = Place { file: number, row };
            if row % 4096 == 0 && context.cancelled() {
                return Err(Error::new(ErrorKind::Interrupted, format!("interrupted while reading {}", file.path().display())));
            }
            let Some(label) = label.filter(|label| label != "-1") else {
                return left_out.add(|| format!("{} has no label in the column {:?}", file.row_name(row), config.label_column));
            };
            let id = match (&config.id_column, id) {
                (None, _) => format!("{stem}/{row:08}"),
                (Some(column), None) => return Err(Error::config(format!("{} has no id in the column {column:?}", file.row_name(row)))),
                (Some(column), Some(id)) => {
                    if let Some(first) = seen.insert(id.clone(), place) {
                        let first = files[first.file as usize].row_name(first.row);
                        return Err(Error::config(format!(
                            "{first} and {} both have the id {id:?} in the column {column:?}: ids must differ",
                            file.row_name(row)
                        )));
                    }
                    id
                }
            };
            // The file's revision is that of all its images.
            rows.push(Row { sample: Sample { id, label: 0, revision: revision ^ row.rotate_left(32) | 1 }, label, place });
            Ok(())
        })?;
    }
    left_out.report();
    Ok(rows)
}

#[cfg(test)]
mod tests;

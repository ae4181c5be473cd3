//! `webdataset`: images and labels in tar shards.

mod archive;
mod index;
mod shard;

use std::path::Path;

use convert_sdk::{Context, Dataset, Error, ErrorKind, ImageData, InputFile, InputFolder, Plugin, Result, ResultExt, Sample, TruthObject, config};

use crate::classes::{ClassList, ClassSource};
use crate::files;
use crate::labels::{self, Classes, Incomplete, Label, LeftOut};
use crate::listing::Listing;
use crate::places::Places;
use crate::roots::{Root, at_once};
use crate::shards;
use crate::truth::Truth;
use archive::Archive;
use convert_formats::files::Source;
use index::Index;
use shard::{Found, Wanted};

/// Images and labels in tar shards, as the WebDataset library writes them (method 8).
///
/// Members with one key (all of a member's path before the first dot of its name) that stand side by side are one sample; the extension is all after that dot. A sample's
/// id is `SHARD/KEY.EXTENSION` of its image, without `.tar`, such as `train-000/n01440764_10026.jpg`. The shards are gone through once for the places of the images,
/// about 100 bytes a sample, and the images read from there. Shards compressed with gzip are unpacked into `WORK/cache/shards` for that, when first needed.
#[config]
#[derive(Clone, Debug)]
pub struct WebDatasetConfig {
    /// The folder of the shards, or an address such as `s3://bucket/train`, which may name the shards as well: `s3://bucket/train-{000..146}.tar`.
    #[schemars(extend("x-address" = true))]
    pub root: InputFolder,
    /// Which of its files are the shards: a name with `*` for any text, or `{000..146}` for numbers, each of which must be there. Default: all .tar, .tar.gz
    /// and .tgz files.
    #[serde(default)]
    pub files: Option<String>,
    /// The extensions of images, in whatever case. Of several images of one sample the first of these counts.
    #[serde(default = "files::image_extensions")]
    pub extensions: Vec<String>,
    /// The extension of the member that holds the label: text, which is a class name or with `classes` an index from 0; or JSON where it is `json` or ends in `.json`.
    #[serde(default = "default_label")]
    pub label: String,
    /// The key of the label in a JSON member.
    #[serde(default = "default_json_key")]
    pub json_key: String,
    /// A file that names the classes, one a line: a label is one of these names, or a line's index counted from 0. Or `imagenet-1k`: labels are WordNet ids or
    /// ImageNet's indices. Default: the names that occur as labels, sorted.
    #[serde(default)]
    pub classes: Option<ClassSource>,
    /// What is done with samples that have no image or no label member.
    #[serde(default)]
    pub incomplete: Incomplete,
    /// The true objects of the images, where they are known: COCO JSON whose `file_name`s are the samples' ids and whose categories are the classes by
    /// name. The run then scores its labels and masks.
    #[serde(default)]
    #[schemars(extend("x-identity" = false))]
    pub truth: Option<InputFile>,
}

fn default_label() -> String {
    "cls".into()
}

fn default_json_key() -> String {
    "label".into()
}

/// After so many shards what was found is gathered.
const ROUND: usize = 64;

/// Where an image's bytes lie.
#[derive(Clone, Copy, Debug)]
struct Place {
    shard: u32,
    offset: u64,
    length: u64,
}

/// A complete sample: its label as text, and where its image lies.
struct Row {
    sample: Sample,
    label: String,
    place: Place,
}

/// The dataset `webdataset`.
#[derive(Debug)]
pub struct WebDataset {
    shards: Vec<Archive>,
    index: Index,
    places: Places<Place>,
    classes: ClassList,
    /// What `new` listed, until it is first asked for.
    listed: Listing,
    truth: Truth,
    config: WebDatasetConfig,
    context: Context,
}

impl Plugin for WebDataset {
    type Config = WebDatasetConfig;

    fn new(config: Self::Config, context: Context) -> Result<Self> {
        let (root, files) = Root::with_files(&config.root, config.files.as_deref(), &context)?;
        let shards = shards::find(&root, files.as_deref(), "tar")?;
        let shards = shards.into_iter().map(|source| Archive::new(source, &context)).collect::<Result<Vec<_>>>()?;
        let index = Index::of(&context);
        let found = scan(&shards, &index, &config, &context)?;
        let root = config.root.display().to_string();
        if found.is_empty() {
            let looked_for = config.extensions.join(", ");
            return Err(Error::config(format!("the {} shards of {root} hold no samples with an image: looked for {looked_for}", shards.len())));
        }
        let source = config.classes.as_ref().map_or(Classes::Found, Classes::Given);
        let place = |at: usize| format!("the sample {:?} of {root}", found[at].sample.id);
        let (classes, labels) = labels::resolve(found.iter().map(|row| Label::of_text(&row.label)), source, &root, place)?;
        let places = Places::new(found.iter().map(|row| (row.sample.id.as_str(), row.place)));
        let samples: Vec<Sample> = found.into_iter().zip(labels).map(|(row, label)| Sample { label, ..row.sample }).collect();
        let truth = config.truth.as_ref().map(|file| Truth::read(file, &classes)).transpose()?.unwrap_or_default();
        Ok(Self { shards, index, places, classes, listed: Listing::new(samples), truth, config, context })
    }
}

impl Dataset for WebDataset {
    fn classes(&self) -> Vec<String> {
        self.classes.names().to_vec()
    }

    fn samples(&self) -> Result<Vec<Sample>> {
        self.listed.take(|| Self::new(self.config.clone(), self.context.clone())?.samples())
    }

    fn image(&self, id: &str) -> Result<ImageData> {
        self.listed.let_go();
        self.index.save();
        let place = self.places.find(id).ok_or_else(|| Error::invalid(format!("no sample {id:?} in the shards")))?;
        if place.length > convert_formats::files::MAX_IMAGE {
            return Err(Error::invalid(format!(
                "the image has {} bytes, more than the limit of {}",
                place.length,
                convert_formats::files::MAX_IMAGE
            )));
        }
        self.shards[place.shard as usize].read(place.offset, place.length).map(ImageData::Encoded)
    }

    fn truth(&self, id: &str) -> Result<Option<Vec<TruthObject>>> {
        self.truth.of_sample(id)
    }
}

/// The complete samples of all shards. Those of a store are gone through several at once: what takes the time is the way.
fn scan(shards: &[Archive], index: &Index, config: &WebDatasetConfig, context: &Context) -> Result<Vec<Row>> {
    if config.extensions.is_empty() {
        return Err(Error::config("`extensions` is empty: name those of the images, such as jpg"));
    }
    let wanted = Wanted::new(&config.extensions, &config.label, &config.json_key);
    let mut gathered = Gathered { config, left_out: LeftOut::new(config.incomplete), rows: Vec::new() };
    for (some, numbers) in shards.chunks(ROUND).zip((0..).step_by(ROUND)) {
        let found = match some.iter().any(Archive::is_stored) {
            true => at_once(some, |archive| archive.is_stored().then(|| stored(archive, index, &wanted, context))),
            false => some.iter().map(|_| None).collect(),
        };
        for ((archive, found), number) in some.iter().zip(found).zip(numbers..) {
            let revision = files::revision_of_source(&archive.source).context(|| format!("cannot read the shard {}", archive.path().display()))?;
            let mut take = |found| gathered.take(archive.path(), number, revision, found);
            match found {
                Some(found) => found?.into_iter().try_for_each(take)?,
                None if context.cancelled() => return Err(interrupted(archive)),
                None => shard::scan(archive, &wanted, &mut take)?,
            }
        }
    }
    gathered.left_out.report();
    Ok(gathered.rows)
}

/// The samples of a shard in a store, as they are remembered where that is so.
fn stored(archive: &Archive, index: &Index, wanted: &Wanted, context: &Context) -> Result<Vec<Found>> {
    let Source::Object(object) = &archive.source else { return Ok(Vec::new()) };
    if let Some(known) = index.find(object, wanted) {
        return Ok(known);
    }
    let mut samples = Vec::new();
    shard::scan(archive, wanted, |found| {
        samples.push(found);
        if context.cancelled() { Err(interrupted(archive)) } else { Ok(()) }
    })?;
    Ok(index.keep(object, wanted, samples))
}

fn interrupted(archive: &Archive) -> Error {
    Error::new(ErrorKind::Interrupted, format!("interrupted while reading {}", archive.path().display()))
}

/// What was found so far.
struct Gathered<'a> {
    config: &'a WebDatasetConfig,
    left_out: LeftOut,
    rows: Vec<Row>,
}

impl Gathered<'_> {
    fn take(&mut self, path: &Path, shard: u32, revision: u64, found: Found) -> Result<()> {
        let Found { key, image: Some(image), label: Some(label), .. } = found else {
            return self.left_out.add(|| found.what_lacks(path, self.config));
        };
        let id = format!("{}/{key}.{}", shards::stem(path), image.extension);
        // The shard's revision is that of all its images: a member's own time is often made up.
        let sample = Sample { id, label: 0, revision: revision ^ image.offset.rotate_left(32) | 1 };
        self.rows.push(Row { sample, label, place: Place { shard, offset: image.offset, length: image.length } });
        Ok(())
    }
}

#[cfg(test)]
mod tests;

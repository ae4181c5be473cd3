//! `image-folder`: one folder a class.

mod flat;
mod folders;
mod stored;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use convert_sdk::tracing::warn;
use convert_sdk::{Context, Dataset, Error, ErrorKind, ImageData, InputFile, InputFolder, Plugin, Result, ResultExt, Sample, TruthObject, config};

use flat::FlatLabels;
use folders::{EntryKind, Folders};
use stored::Stored;

use crate::classes::{ClassList, ClassSource};
use crate::files;
use crate::listing::Listing;
use crate::roots::Root;
use crate::truth::Truth;

/// Images sorted into one folder a class, as ImageNet has them (torchvision's ImageFolder; method 8).
///
/// A sample's id is its path below `root`, such as `n01440764/n01440764_10026.JPEG`; folders within a class folder are fine, hidden files and
/// folders are left out, symbolic links are followed. Which files a folder holds is remembered in the work directory's cache and looked up again when the
/// folder's time changes; a file that was overwritten in place is noticed with `--rescan`. With `ground_truth`, or with `classes: imagenet-1k` where there are no class folders, the images lie in
/// `root` itself, as ImageNet's validation set is distributed. Below an address, folders are the parts of names between slashes; what lies there is listed anew each time, and an
/// image's revision is its size and tag.
#[config]
#[derive(Clone, Debug)]
pub struct ImageFolderConfig {
    /// The folder that holds the class folders, or an address such as `s3://bucket/train`.
    #[schemars(extend("x-address" = true))]
    pub root: InputFolder,
    /// A file that names the class folders, one a line: a label is a line's index, counted from 0. Or `imagenet-1k`: the folders are WordNet ids, the labels
    /// ImageNet's indices. Default: the folders' names, sorted.
    #[serde(default)]
    pub classes: Option<ClassSource>,
    /// The labels of images that lie in `root` itself, for `classes: imagenet-1k`. Lines of an image's name and its class as index or WordNet id, with or without
    /// a header (Caffe's val.txt, Kaggle's LOC_val_solution.csv); or a WordNet id a line, or with `synsets` the development kit's number, in the order of the
    /// numbers in the images' names. Not needed where the names end in `_<WordNet id>`.
    #[serde(default)]
    pub ground_truth: Option<InputFile>,
    /// The WordNet ids in the order of the development kit's numbers, one a line, where `ground_truth` is its ILSVRC2012_validation_ground_truth.txt: these
    /// numbers are not ImageNet's indices.
    #[serde(default)]
    pub synsets: Option<InputFile>,
    /// The true objects of the images, where they are known: COCO JSON whose `file_name`s are the samples' ids and whose categories are the classes by
    /// name. The run then scores its labels and masks.
    #[serde(default)]
    #[schemars(extend("x-identity" = false))]
    pub truth: Option<InputFile>,
    /// The extensions of image files, in whatever case.
    #[serde(default = "files::image_extensions")]
    pub extensions: Vec<String>,
}

/// The dataset `image-folder`.
#[derive(Debug)]
pub struct ImageFolder {
    root: Root,
    extensions: Vec<String>,
    folders: Folders,
    classes: ClassList,
    /// The labels of images in the root itself; `None` where class folders give them.
    flat: Option<FlatLabels>,
    truth: Truth,
    listed: Listing,
    context: Context,
}

impl Plugin for ImageFolder {
    type Config = ImageFolderConfig;

    fn new(config: Self::Config, context: Context) -> Result<Self> {
        let extensions: Vec<String> = config.extensions.iter().map(|extension| extension.trim_start_matches('.').to_string()).collect();
        if extensions.iter().all(String::is_empty) {
            return Err(Error::config("extensions is empty: name at least one, such as jpg"));
        }
        let root = Root::of(&config.root, &context);
        let folders = Folders::open(root.path(), &extensions, &context);
        let contents = RootContents::read(&root, &folders, &extensions)?;
        let classes = match &config.classes {
            Some(source) => ClassList::of(source)?,
            None => ClassList::new(contents.class_folders.iter().cloned().collect())
                .map_err(|_| Error::config(format!("{} has two folders of one name", root.path().display())))?,
        };
        let truth = config.truth.as_ref().map(|file| Truth::read(file, &classes)).transpose()?.unwrap_or_default();
        let flat = FlatLabels::of_config(&config, &contents)?;
        let mut dataset = Self { root, extensions, folders, classes, flat, truth, listed: Listing::default(), context };
        let samples = dataset.list(&contents)?;
        dataset.check(&contents, &samples, &config)?;
        dataset.folders.listed();
        dataset.listed = Listing::new(samples);
        Ok(dataset)
    }
}

impl Dataset for ImageFolder {
    fn classes(&self) -> Vec<String> {
        self.classes.names().to_vec()
    }

    fn samples(&self) -> Result<Vec<Sample>> {
        self.listed.take(|| self.list(&RootContents::read(&self.root, &self.folders, &self.extensions)?))
    }

    fn image(&self, id: &str) -> Result<ImageData> {
        self.listed.let_go();
        if let Root::Store { storage, address } = &self.root {
            let bytes = storage.read_all(&format!("{address}/{id}"), convert_formats::files::MAX_IMAGE);
            return bytes.map(ImageData::Encoded).context(|| format!("cannot read the image {address}/{id}"));
        }
        self.folders.remember();
        let path = self.root.path().join(id);
        files::read_image(&path).map_err(|error| match path.is_dir() {
            true => Error::invalid(format!("the link {} leads to a folder that it lies in: remove it", path.display())),
            false => error,
        })
    }

    fn truth(&self, id: &str) -> Result<Option<Vec<TruthObject>>> {
        self.truth.of_sample(id)
    }
}

impl ImageFolder {
    /// All images of all class folders.
    fn list(&self, contents: &RootContents) -> Result<Vec<Sample>> {
        if let Some(labels) = &self.flat {
            return match &contents.stored {
                Some(stored) => labels.of_images(&stored.stray),
                None => labels.list(self.root.path(), &self.folders),
            };
        }
        let mut samples = Vec::new();
        let mut unnamed = Vec::new();
        for folder in &contents.class_folders {
            if self.context.cancelled() {
                return Err(Error::new(ErrorKind::Interrupted, format!("interrupted while listing {}", self.root.path().display())));
            }
            let before = samples.len();
            let label = self.classes.index(folder);
            match &contents.stored {
                Some(stored) => samples.extend(stored.classes.get(folder).into_iter().flatten().map(|(name, revision)| Sample {
                    id: format!("{folder}/{name}"),
                    label: label.unwrap_or_default(),
                    revision: *revision,
                })),
                None => {
                    let mut ancestors = Vec::new();
                    self.list_folder(&self.root.path().join(folder), label.unwrap_or_default(), &mut ancestors, &mut samples, &mut unnamed)?;
                }
            }
            if label.is_none() && samples.len() > before {
                return Err(Error::config(format!(
                    "the folder {folder:?} of {} is not among the {} names of the class file: add it there, or leave `classes` out",
                    self.root.path().display(),
                    self.classes.names().len()
                )));
            }
        }
        warn_of_unnamed(&unnamed);
        Ok(samples)
    }

    /// The images of a folder and of those in it; `ancestors` are the real paths of the folders that it lies in, so that a link to one of them is found.
    fn list_folder(
        &self,
        folder: &Path,
        label: u32,
        ancestors: &mut Vec<PathBuf>,
        samples: &mut Vec<Sample>,
        unnamed: &mut Vec<PathBuf>,
    ) -> Result<()> {
        for entry in self.folders.entries(folder)? {
            let path = folder.join(&entry.name);
            match entry.kind {
                EntryKind::Image(revision) => match sample_id(&path, self.root.path()) {
                    Some(id) => samples.push(Sample { id, label, revision }),
                    None => unnamed.push(path),
                },
                EntryKind::Folder => {
                    let real = |path: &Path| path.canonicalize().context(|| format!("cannot list the folder {}", path.display()));
                    if ancestors.is_empty() {
                        ancestors.extend([real(self.root.path())?, real(folder)?]);
                    }
                    let inner = real(&path)?;
                    if ancestors.contains(&inner) {
                        // A sample that cannot be read, which the host records.
                        match sample_id(&path, self.root.path()) {
                            Some(id) => samples.push(Sample { id, label, revision: Sample::MISSING }),
                            None => unnamed.push(path),
                        }
                        continue;
                    }
                    ancestors.push(inner);
                    self.list_folder(&path, label, ancestors, samples, unnamed)?;
                    ancestors.pop();
                }
            }
        }
        Ok(())
    }

    /// Whether there is something to learn from.
    fn check(&self, contents: &RootContents, samples: &[Sample], config: &ImageFolderConfig) -> Result<()> {
        let classes_given = config.classes.is_some();
        let root = self.root.path().display();
        let looked_for = config.extensions.join(", ");
        if self.flat.is_some() {
            return if samples.is_empty() { Err(Error::config(format!("no images in {root}: looked for {looked_for}"))) } else { Ok(()) };
        }
        if contents.class_folders.is_empty() && contents.stray_images > 0 {
            return Err(Error::config(format!(
                "{root} holds {} images and no class folders: one folder a class is expected, such as {root}/dog/1.jpg; \
                 labels in a table go with the dataset `manifest`",
                contents.stray_images
            )));
        }
        if samples.is_empty() {
            return Err(Error::config(format!("no images below {root}: looked for {looked_for} in {} class folders", contents.class_folders.len())));
        }
        if contents.stray_images > 0 {
            warn!("left out {} images of {root} that are in no class folder", contents.stray_images);
        }
        let used: BTreeSet<u32> = samples.iter().map(|sample| sample.label).collect();
        if let (1, Some(only), false) = (used.len(), used.first(), classes_given) {
            let name = &self.classes.names()[*only as usize];
            return Err(Error::config(format!("{root} has images of one class only, {name:?}: a labeler needs at least two")));
        }
        if used.len() < contents.class_folders.len() && !classes_given {
            let empty = contents.class_folders.iter().find(|folder| self.classes.index(folder).is_some_and(|index| !used.contains(&index)));
            warn!(
                "{} class folders of {root} have no images, such as {:?}",
                contents.class_folders.len() - used.len(),
                empty.map_or("", |name| name)
            );
        }
        Ok(())
    }
}

/// What lies directly in the root.
struct RootContents {
    /// Names of the folders, sorted.
    class_folders: BTreeSet<String>,
    /// How many images are in no class folder.
    stray_images: usize,
    /// What a store has, where the root is an address.
    stored: Option<Stored>,
}

impl RootContents {
    fn read(root: &Root, folders: &Folders, extensions: &[String]) -> Result<Self> {
        let root = match root {
            Root::Folder(root) => root,
            Root::Store { storage, address } => {
                let stored = Stored::list(storage, address, extensions)?;
                let class_folders = stored.classes.keys().cloned().collect();
                return Ok(Self { class_folders, stray_images: stored.stray.len(), stored: Some(stored) });
            }
        };
        let mut contents = Self { class_folders: BTreeSet::new(), stray_images: 0, stored: None };
        for entry in folders.entries(root)? {
            match entry.kind {
                EntryKind::Image(_) => contents.stray_images += 1,
                EntryKind::Folder => {
                    let path = root.join(&entry.name);
                    let name = (entry.name.into_string())
                        .map_err(|_| Error::config(format!("the name of the class folder {path:?} is not UTF-8: rename it")))?;
                    contents.class_folders.insert(name);
                }
            }
        }
        Ok(contents)
    }
}

/// Tells the user of images whose names are no text, and so no ids.
fn warn_of_unnamed(paths: &[PathBuf]) {
    if let Some(first) = paths.first() {
        warn!("left out {} images whose names are not UTF-8, the first of them {first:?}: rename them", paths.len());
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_image(path: &Path, extensions: &[String]) -> bool {
    path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension.eq_ignore_ascii_case(wanted)))
}

/// The path below the root with `/` between its parts; `None` when it is not UTF-8.
fn sample_id(path: &Path, root: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path.strip_prefix(root).ok()?.iter().map(OsStr::to_str).collect();
    Some(parts?.join("/"))
}

#[cfg(test)]
mod tests;

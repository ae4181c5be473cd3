//! ImageNet's validation set as it is distributed: all images in one folder, their labels in a file, or in their names (method 8).

use std::collections::HashMap;
use std::path::Path;

use convert_formats::label_sets::{image_stem, validation_number};
use convert_formats::{files, imagenet};
use convert_sdk::{Error, Result, ResultExt, Sample};

use super::folders::{EntryKind, Folders};
use super::{ImageFolderConfig, RootContents, sample_id};
use crate::classes::ClassSource;

/// Labels of images that lie in one folder.
#[derive(Debug)]
pub enum FlatLabels {
    /// By the name's stem, without `_<wnid>`.
    ByName(HashMap<String, u32>),
    /// By the number in the name, from 1.
    ByNumber(Vec<u32>),
    /// The name ends in `_<wnid>`.
    InName,
}

impl FlatLabels {
    /// The labels that a config asks for; `None` where class folders give them.
    ///
    /// # Errors
    /// Keys that do not go together; a ground truth that cannot be read.
    pub(super) fn of_config(config: &ImageFolderConfig, contents: &RootContents) -> Result<Option<Self>> {
        let known = matches!(config.classes, Some(ClassSource::ImageNet1k));
        match &config.ground_truth {
            Some(_) if !known => {
                Err(Error::config("`ground_truth` needs `classes: imagenet-1k`; labels of other datasets in a table go with the dataset `manifest`"))
            }
            Some(file) => Self::read(file, config.synsets.as_deref()).map(Some),
            None if config.synsets.is_some() => Err(Error::config("`synsets` explains the numbers of a `ground_truth`, which is missing")),
            None => Ok((known && contents.class_folders.is_empty() && contents.stray_images > 0).then_some(Self::InName)),
        }
    }

    fn read(file: &Path, synsets: Option<&Path>) -> Result<Self> {
        let text = files::read_to_string(file, files::MAX_TEXT).context(|| format!("cannot read the ground truth {}", file.display()))?;
        let kit = synsets.map(read_synsets).transpose()?;
        let refuse = |line: usize, what: String| Error::config(format!("{}:{line}: {what}", file.display()));
        let lines = text.trim_start_matches('\u{feff}').lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
        let (mut by_name, mut by_number) = (HashMap::new(), Vec::new());
        for (line, number) in lines {
            let fields: Vec<&str> = line.split([',', ' ', '\t']).filter(|field| !field.is_empty()).collect();
            match fields.as_slice() {
                [alone] => by_number.push(label(alone, kit.as_deref(), true).map_err(|what| refuse(number, what))?),
                // A header names columns, not an image and its class.
                [name, class, ..] => match label(class, kit.as_deref(), false) {
                    Ok(label) => _ = by_name.insert(image_stem(name).to_owned(), label),
                    Err(_) if number == 1 => {}
                    Err(what) => return Err(refuse(number, what)),
                },
                [] => {}
            }
        }
        match (by_name.is_empty(), by_number.is_empty()) {
            (false, true) => Ok(Self::ByName(by_name)),
            (true, false) => Ok(Self::ByNumber(by_number)),
            _ => Err(Error::config(format!("{} has neither a class a line nor an image's name and its class a line", file.display()))),
        }
    }

    /// The images of a folder, without those below it.
    pub(super) fn list(&self, root: &Path, folders: &Folders) -> Result<Vec<Sample>> {
        let (mut samples, mut unnamed) = (Vec::new(), Vec::new());
        for entry in folders.entries(root)? {
            let EntryKind::Image(revision) = entry.kind else { continue };
            let path = root.join(&entry.name);
            let Some(id) = sample_id(&path, root) else {
                unnamed.push(path);
                continue;
            };
            samples.push(Sample { label: self.label(&id)?, revision, id });
        }
        super::warn_of_unnamed(&unnamed);
        Ok(samples)
    }

    /// The same of images that are listed already, with their revisions.
    pub(super) fn of_images(&self, images: &[(String, u64)]) -> Result<Vec<Sample>> {
        images.iter().map(|(id, revision)| Ok(Sample { label: self.label(id)?, revision: *revision, id: id.clone() })).collect()
    }

    fn label(&self, id: &str) -> Result<u32> {
        match self {
            Self::ByName(labels) => {
                labels.get(image_stem(id)).copied().ok_or_else(|| Error::config(format!("the ground truth has no label for the image {id:?}")))
            }
            Self::ByNumber(labels) => {
                let number = validation_number(id).ok_or_else(|| {
                    Error::config(format!("the image {id:?} has no number: a name such as ILSVRC2012_val_00000293.JPEG is expected"))
                })?;
                labels
                    .get(number - 1)
                    .copied()
                    .ok_or_else(|| Error::config(format!("the ground truth has {} lines, but there is an image {id:?}", labels.len())))
            }
            Self::InName => {
                let stem = id.rsplit_once('.').map_or(id, |(stem, _)| stem);
                stem.rsplit_once('_').and_then(|(_, wnid)| imagenet::index_of(wnid)).ok_or_else(|| {
                    Error::config(format!("the image {id:?} lies in no class folder and its name ends in no WordNet id: give `ground_truth`"))
                })
            }
        }
    }
}

/// A class as a WordNet id, as ImageNet's index, or as the development kit's number.
fn label(text: &str, kit: Option<&[u32]>, alone: bool) -> Result<u32, String> {
    if let Some(index) = imagenet::index_of(text) {
        return Ok(index);
    }
    let number: usize = text.parse().map_err(|_| format!("`{text}` is neither a WordNet id nor a number"))?;
    match kit {
        Some(kit) => number
            .checked_sub(1)
            .and_then(|at| kit.get(at))
            .copied()
            .ok_or_else(|| format!("the synsets have no number {number}: they go from 1 to {}", kit.len())),
        // The development kit counts from 1 in an order of its own: taken for an index it would give wrong labels silently.
        None if alone => Err(format!(
            "`{text}` alone may be the development kit's number, which is not ImageNet's index: give `synsets`, or lines of name and index"
        )),
        None if number < imagenet::CLASSES => Ok(number as u32),
        None => Err(format!("there is no class {number}: ImageNet's indices go from 0 to 999")),
    }
}

/// The index of each of the development kit's numbers.
fn read_synsets(file: &Path) -> Result<Vec<u32>> {
    let text = files::read_to_string(file, files::MAX_TEXT).context(|| format!("cannot read the synsets {}", file.display()))?;
    let index = |(line, number): (&str, usize)| {
        let wnid = line.split_whitespace().next().unwrap_or_default();
        imagenet::index_of(wnid).ok_or_else(|| Error::config(format!("{}:{number}: `{wnid}` is not a WordNet id of ImageNet-1k", file.display())))
    };
    text.trim_end().lines().zip(1..).map(index).collect()
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;
    use convert_sdk::InputFile;

    /// The samples of a folder with these images, under a ground truth and synsets of these texts.
    fn check(images: &[&str], truth: Option<&str>, synsets: Option<&str>) -> Result<Vec<(String, u32)>> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("val");
        std::fs::create_dir(&root).unwrap();
        images.iter().for_each(|name| std::fs::write(root.join(name), name).unwrap());
        let file = |name: &str, text: Option<&str>| {
            text.map(|text| {
                std::fs::write(folder.path().join(name), text).unwrap();
                InputFile::from(folder.path().join(name))
            })
        };
        let config = ImageFolderConfig {
            root: root.into(),
            classes: Some(ClassSource::ImageNet1k),
            truth: None,
            ground_truth: file("truth.txt", truth),
            synsets: file("synsets.txt", synsets),
            extensions: crate::files::image_extensions(),
        };
        let dataset = ImageFolder::new(config, Context::for_tests(&[]))?;
        assert_eq!(dataset.classes().len(), 1000);
        let mut samples: Vec<_> = dataset.samples()?.into_iter().map(|sample| (sample.id, sample.label)).collect();
        samples.sort();
        Ok(samples)
    }

    const IMAGES: [&str; 2] = ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"];

    #[test]
    fn every_form_of_ground_truth_gives_the_same_labels() {
        let expected: Vec<(String, u32)> = vec![(IMAGES[0].into(), 65), (IMAGES[1].into(), 970)];
        for (truth, synsets) in [
            ("ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 970\n", None),
            (
                "ImageId,PredictionString\nILSVRC2012_val_00000002,n09193705 1 2 3 4 n09193705 5 6 7 8\nILSVRC2012_val_00000001,n01751748 1 2 3 4\n",
                None,
            ),
            ("n01751748\nn09193705\n", None),
            ("2\n1\n", Some("n09193705 alp\nn01751748 sea snake\n")),
        ] {
            assert_eq!(check(&IMAGES, Some(truth), synsets).unwrap(), expected, "{truth}");
        }
    }

    #[test]
    fn names_may_end_in_the_wordnet_id() {
        let named = ["ILSVRC2012_val_00000001_n01751748.JPEG", "ILSVRC2012_val_00000002_n09193705.JPEG"];
        let expected: Vec<(String, u32)> = vec![(named[0].into(), 65), (named[1].into(), 970)];
        assert_eq!(check(&named, None, None).unwrap(), expected);
        assert_eq!(check(&named, Some("ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 970\n"), None).unwrap(), expected);
    }

    #[test]
    fn what_could_give_wrong_labels_is_refused() {
        for (truth, synsets, what) in [
            (None, None, "its name ends in no WordNet id: give `ground_truth`"),
            (None, Some("n01751748\n"), "`synsets` explains the numbers of a `ground_truth`"),
            (Some("490\n361\n"), None, "truth.txt:1: `490` alone may be the development kit's number"),
            (Some("3\n1\n"), Some("n09193705\nn01751748\n"), "truth.txt:1: the synsets have no number 3"),
            (Some("1\n"), Some("n00000001\n"), "synsets.txt:1: `n00000001` is not a WordNet id"),
            (Some("n01751748\n"), None, "the ground truth has 1 lines, but there is an image"),
            (Some("ILSVRC2012_val_00000001.JPEG 65\n"), None, "no label for the image \"ILSVRC2012_val_00000002.JPEG\""),
            (Some("ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 1000\n"), None, "truth.txt:2: there is no class 1000"),
            (Some(""), None, "has neither a class a line"),
        ] {
            let error = check(&IMAGES, truth, synsets).unwrap_err().to_string();
            assert!(error.contains(what), "{truth:?}: {error}");
        }
    }
}

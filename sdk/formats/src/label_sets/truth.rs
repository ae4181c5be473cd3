//! The true classes of images, from a file of any known form.

mod reviewed;

use std::fmt::Display;
use std::path::Path;

use super::MAX_IMAGE_CLASSES;
use super::image_name::{NameIndex, validation_number};
use super::json::{CocoLabels, LabelFile, NamedLabels};
use super::multilabel_tsv::read_multilabel_tsv;
use crate::reviews::is_review_file;
use crate::{files, imagenet};
use convert_sdk::{Error, Result, ResultExt};

/// The form of a file of true labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TruthFormat {
    /// A list of lists in the order of ImageNet's validation images (ReaL).
    Real,
    /// An object of lists by image name (ImageNetV2's multi-labels).
    ByName,
    /// COCO: the categories of an image's annotations, or the `labels` of this project's export.
    Coco,
    /// The tab-separated label file of the paper's authors.
    MultilabelTsv,
    /// Reviews of a run: the classes of the images that somebody has finished.
    Reviews,
}

impl TruthFormat {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Real => "ReaL JSON",
            Self::ByName => "JSON by image name",
            Self::Coco => "COCO JSON",
            Self::MultilabelTsv => "multilabel tsv",
            Self::Reviews => "reviews",
        }
    }
}

/// The true classes of images, found by the images' names.
#[derive(Clone, Debug)]
pub struct Truth {
    format: TruthFormat,
    /// Sorted, each class once.
    sets: Vec<Vec<u32>>,
    names: Option<NameIndex>,
    classes: u32,
    categories: Vec<String>,
    numbered: bool,
}

impl Truth {
    /// Reads a file; its form is detected. Where the file holds probabilities, classes above `threshold` count.
    ///
    /// Categories of a COCO file are classes in the order of their ids. Reviews name classes: they are those of the file `classes.txt` beside them, a name a line, as runs write it, or where there is none
    /// those that are named, in alphabetical order.
    ///
    /// # Errors
    /// A file that cannot be read, is of no known form, or names an image twice; a class index beyond [`super::MAX_CLASSES`], an image with more than
    /// [`MAX_IMAGE_CLASSES`] of them.
    pub fn read(path: &Path, threshold: f32) -> Result<Self> {
        let duplicate = |name: &str| Error::invalid(format!("{} has two entries for the image `{name}`", path.display()));
        if is_review_file(path) {
            return Self::of_reviews(path, &duplicate);
        }
        if is_tsv(path)? {
            let mut truth = Self::empty(TruthFormat::MultilabelTsv);
            for image in read_multilabel_tsv(path)? {
                let image = image?;
                let above = image.scores.iter().filter(|score| score.probability.get() > threshold);
                truth.insert(&image.id, above.map(|score| score.class).collect(), &duplicate)?;
                truth.classes = truth.classes.max(image.label + 1);
            }
            return Ok(truth);
        }
        match LabelFile::read(path)? {
            LabelFile::Ordered(lists) => {
                let mut truth = Self { names: None, ..Self::empty(TruthFormat::Real) };
                lists.into_iter().zip(1..).try_for_each(|(list, number)| truth.push(list, &number))?;
                truth.classes = truth.classes.max(imagenet::CLASSES as u32);
                Ok(truth)
            }
            LabelFile::Named(images) => {
                let mut truth = Self::empty(TruthFormat::ByName);
                let mut classes = imagenet::CLASSES as u32;
                for (name, labels) in images {
                    let list = match labels {
                        NamedLabels::Classes(list) => list,
                        NamedLabels::Scores { scores, classes: count, .. } => {
                            classes = count;
                            scores.into_iter().filter(|(_, score)| *score > threshold).map(|(class, _)| class).collect()
                        }
                    };
                    truth.insert(&name, list, &duplicate)?;
                }
                truth.classes = truth.classes.max(classes);
                Ok(truth)
            }
            LabelFile::Coco(coco) => Self::of_coco(&coco, threshold, path, duplicate),
        }
    }

    fn of_coco(coco: &CocoLabels, threshold: f32, path: &Path, duplicate: impl Fn(&str) -> Error) -> Result<Self> {
        let classes = coco.classes();
        let class = |id: u64| {
            let found = classes.get(&id).copied();
            found.ok_or_else(|| Error::invalid(format!("{}: the category {id} of an annotation is not among the categories", path.display())))
        };
        let mut truth = Self::empty(TruthFormat::Coco);
        truth.classes = classes.len() as u32;
        let named: std::collections::BTreeMap<u64, &str> =
            coco.categories.iter().filter_map(|category| Some((category.id, category.name.as_deref()?))).collect();
        if named.len() == classes.len() {
            truth.categories = named.into_values().map(str::to_owned).collect();
        }
        let mut at = std::collections::HashMap::new();
        for image in &coco.images {
            let labels = image.labels.iter().flatten().filter(|label| label.probability > threshold);
            let list = labels.map(|label| class(label.category_id)).collect::<Result<_>>()?;
            at.insert(image.id, (truth.sets.len(), image.labels.is_some()));
            truth.insert(&image.file_name, list, &duplicate)?;
        }
        for annotation in &coco.annotations {
            let Some((index, labelled)) = at.get(&annotation.image_id) else {
                return Err(Error::invalid(format!(
                    "{}: an annotation is of the image {}, which is not among the images",
                    path.display(),
                    annotation.image_id
                )));
            };
            if !labelled {
                let set = &mut truth.sets[*index];
                let class = class(annotation.category_id)?;
                if let Err(place) = set.binary_search(&class) {
                    check_count(set.len() + 1, &annotation.image_id)?;
                    set.insert(place, class);
                }
            }
        }
        Ok(truth)
    }

    fn empty(format: TruthFormat) -> Self {
        Self { format, sets: Vec::new(), names: Some(NameIndex::default()), classes: 0, categories: Vec::new(), numbered: true }
    }

    fn push(&mut self, mut list: Vec<u32>, image: &dyn Display) -> Result<()> {
        list.sort_unstable();
        list.dedup();
        check_count(list.len(), image)?;
        self.classes = self.classes.max(list.last().map_or(0, |class| class + 1));
        self.sets.push(list);
        Ok(())
    }

    fn insert(&mut self, name: &str, list: Vec<u32>, duplicate: &impl Fn(&str) -> Error) -> Result<()> {
        let at = self.sets.len();
        self.push(list, &name)?;
        if self.names.as_mut().is_some_and(|names| names.insert(name, at)) { Ok(()) } else { Err(duplicate(name)) }
    }

    /// The form of the file.
    pub fn format(&self) -> TruthFormat {
        self.format
    }

    /// How many classes there are, as far as the file knows: 1,000 for ReaL and ImageNetV2, the categories of COCO, the names that reviews know, the scores of the training JSON, else one more than the highest index.
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// Whether the indices of classes mean anything outside the file: not those of reviews without a list of classes, which are known by their names alone.
    pub fn is_numbered(&self) -> bool {
        self.numbered
    }

    /// The names of a COCO file's categories, or of the classes of reviews, by class; of files of another form, and where a category has no name, there are none.
    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    /// The true classes of an image, sorted; `None` for an image that the file does not have. In ReaL it is found by the number in its name, elsewhere by
    /// its whole name, or by the name without folder, extension and `_<wnid>` where that is unambiguous.
    pub fn get(&self, id: &str) -> Option<&[u32]> {
        let at = match &self.names {
            Some(names) => names.find(id),
            None => validation_number(id).map(|number| number - 1),
        };
        at.and_then(|at| self.sets.get(at)).map(Vec::as_slice)
    }

    /// The label sets of all images, in the file's order.
    pub fn sets(&self) -> &[Vec<u32>] {
        &self.sets
    }
}

fn check_count(classes: usize, image: &dyn Display) -> Result<()> {
    if classes > MAX_IMAGE_CLASSES {
        return Err(Error::invalid(format!("the image {image} has {classes} true classes: at most {MAX_IMAGE_CLASSES} are counted")));
    }
    Ok(())
}

/// Whether a file is text in columns: what is JSON begins with a bracket.
pub(super) fn is_tsv(path: &Path) -> Result<bool> {
    use std::io::Read;

    let mut start = Vec::new();
    let file = files::open_regular(path, files::MAX_STREAM).context(|| format!("cannot read {}", path.display()))?;
    file.take(64).read_to_end(&mut start).context(|| format!("cannot read {}", path.display()))?;
    let first = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start).iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(!matches!(first, Some(b'[' | b'{')))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn write(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("convert-truth-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn check(name: &str, text: &str, format: TruthFormat, classes: u32, expected: &[(&str, Option<&[u32]>)]) {
        let path = write(name, text);
        let truth = Truth::read(&path, 0.5).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!((truth.format(), truth.classes()), (format, classes));
        for (id, set) in expected {
            assert_eq!(truth.get(id), *set, "{id}");
        }
    }

    #[test]
    fn every_form_is_detected_and_found_by_name() {
        check(
            "real.json",
            "[[], [970, 795, 970]]",
            TruthFormat::Real,
            1000,
            &[
                ("n1/ILSVRC2012_val_00000001.JPEG", Some(&[])),
                ("ILSVRC2012_val_00000002_n01440764.JPEG", Some(&[795, 970])),
                ("ILSVRC2012_val_00000003.JPEG", None),
                ("other.JPEG", None),
            ],
        );
        check(
            "v2.json",
            r#"{"0/ab.jpeg": ["370", "12"], "cd.jpeg": []}"#,
            TruthFormat::ByName,
            1000,
            &[("x/ab.jpeg", Some(&[12, 370])), ("cd.jpeg", Some(&[]))],
        );
        check(
            "training.json",
            r#"{"n1/a.JPEG": {"multilabel": [0, 0.6, 0.5, 1.0], "gt": 3}}"#,
            TruthFormat::ByName,
            4,
            &[("n1/a.JPEG", Some(&[1, 3]))],
        );
        check(
            "labels.tsv",
            "n1/a.JPEG\t4\t1,2\t0.5000,0.5001\nn1/b.JPEG\t0\t\t\n",
            TruthFormat::MultilabelTsv,
            5,
            &[("n1/a.JPEG", Some(&[2])), ("n1/b.JPEG", Some(&[]))],
        );
    }

    #[test]
    fn categories_of_coco_are_classes_in_the_order_of_their_ids() {
        let text = r#"{"info": {}, "annotations": [{"image_id": 7, "category_id": 90, "segmentation": [[1, 2, 3, 4, 5, 6]]}, {"image_id": 7, "category_id": 3}],
            "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 9, "file_name": "b.jpg"}], "categories": [{"id": 90, "name": "x"}, {"id": 3, "name": "y"}]}"#;
        check("coco.json", text, TruthFormat::Coco, 2, &[("a.jpg", Some(&[0, 1])), ("b.jpg", Some(&[]))]);
        let path = write("categories.json", text);
        assert_eq!(Truth::read(&path, 0.5).unwrap().categories(), ["y", "x"]);
        std::fs::remove_file(path).unwrap();
        let text = r#"{"images": [{"id": 1, "file_name": "a.jpg", "labels": [{"category_id": 2, "probability": 0.75}, {"category_id": 1, "probability": 0.25}]}],
            "annotations": [{"image_id": 1, "category_id": 1, "score": 0.25}], "categories": [{"id": 1}, {"id": 2}]}"#;
        check("ours.json", text, TruthFormat::Coco, 2, &[("a.jpg", Some(&[1]))]);
    }

    #[test]
    fn bad_files_are_named() {
        for (name, text, what) in [
            ("twice.tsv", "a\t1\t1\t1.0\na\t1\t1\t1.0\n", "two entries for the image `a`"),
            ("bad.json", r#"{"a": "b"}"#, "expected a list of class indices"),
            ("cut.json", "[[1], [2", "EOF"),
            ("number.json", r#"{"a": ["x"]}"#, "`x` is not a class index"),
            (
                "category.json",
                r#"{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1, "category_id": 5}], "categories": []}"#,
                "the category 5",
            ),
        ] {
            let path = write(name, text);
            let error = Truth::read(&path, 0.5).unwrap_err().to_string();
            std::fs::remove_file(path).unwrap();
            assert!(error.contains(what), "{error}");
        }
    }
}

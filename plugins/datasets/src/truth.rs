//! The true objects of images, where somebody knows them: COCO JSON, by file name.

use std::collections::HashMap;
use std::path::Path;

use convert_formats::coco::{CocoCategory, CocoImage, MaskMemory, Segmentation, read_items};
use convert_sdk::{Deserialize, Error, Mask, Result, ResultExt, TruthObject};

use crate::classes::ClassList;

/// The objects of each image, by the image's `file_name`. An image without objects shows none; one that is not listed is not known.
#[derive(Debug, Default)]
pub struct Truth(HashMap<String, Vec<Object>>);

/// An object with its mask in COCO's code: a tenth of what its runs take.
#[derive(Debug)]
struct Object {
    class: u32,
    mask: Option<(u32, u32, Box<str>)>,
}

#[derive(Deserialize)]
#[serde(crate = "convert_sdk::serde")]
struct Annotation {
    image_id: u64,
    category_id: u64,
    #[serde(default)]
    segmentation: Option<Segmentation>,
    #[serde(default)]
    iscrowd: u8,
}

impl Truth {
    /// Reads a file; its categories are the dataset's classes by name. About 250 bytes an object stay in memory.
    ///
    /// # Errors
    /// A file that cannot be read or is not a COCO JSON, a category that is no class, an annotation of an unknown image or category, a mask whose runs do not add up.
    pub fn read(path: &Path, classes: &ClassList) -> Result<Self> {
        Self::of(path, classes).context(|| format!("cannot use the truth file {}", path.display()))
    }

    fn of(path: &Path, classes: &ClassList) -> Result<Self> {
        let mut class_of = HashMap::new();
        read_items(path, "categories", |category: CocoCategory| {
            let name = category.name.ok_or_else(|| Error::invalid(format!("the category {} has no name", category.id)))?;
            let class = classes.index(&name);
            class_of.insert(category.id, (name, class));
            Ok(())
        })?;
        let (mut images, mut objects) = (HashMap::new(), HashMap::new());
        read_items(path, "images", |image: CocoImage| {
            objects.insert(image.file_name.clone(), Vec::new());
            images.insert(image.id, (image.file_name, image.width.zip(image.height)));
            Ok(())
        })?;
        let (mut at, mut memory) = (0, MaskMemory::of_file(path)?);
        read_items(path, "annotations", |annotation: Annotation| {
            at += 1;
            let unknown = |what: &str, id: u64| Error::invalid(format!("annotation {at} is of the {what} {id}, which the file does not list"));
            let (name, size) = images.get(&annotation.image_id).ok_or_else(|| unknown("image", annotation.image_id))?;
            let (category, class) = class_of.get(&annotation.category_id).ok_or_else(|| unknown("category", annotation.category_id))?;
            let class = class.ok_or_else(|| Error::invalid(format!("its category {category:?} is not a class of the dataset")))?;
            // A crowd shows its class, but it is no object that a region could be.
            let segmentation = annotation.segmentation.as_ref().filter(|_| annotation.iscrowd == 0);
            let mask = mask(segmentation, *size).context(|| format!("annotation {at}"))?;
            let mask = mask.map(|mask| (mask.width(), mask.height(), Box::from(mask.counts())));
            memory.take(mask.as_ref().map_or(0, |(_, _, counts): &(u32, u32, Box<str>)| counts.len()))?;
            objects.entry(name.clone()).or_default().push(Object { class, mask });
            Ok(())
        })?;
        Ok(Self(objects))
    }

    /// The objects of a sample.
    ///
    /// # Errors
    /// None of a truth that could be read.
    pub fn of_sample(&self, id: &str) -> Result<Option<Vec<TruthObject>>> {
        let decode = |object: &Object| {
            let mask = object.mask.as_ref().map(|(width, height, counts)| Mask::from_counts(*width, *height, counts)).transpose()?;
            Ok(TruthObject { class: object.class, mask })
        };
        self.0.get(id).map(|objects| objects.iter().map(decode).collect()).transpose()
    }
}

/// The mask of an annotation; none of polygons on an image whose size the file does not say, of an empty list of them, and of one without a pixel.
fn mask(segmentation: Option<&Segmentation>, size: Option<(u32, u32)>) -> Result<Option<Mask>> {
    match (segmentation, size) {
        (None, _) | (Some(Segmentation::Polygons(_)), None) => Ok(None),
        (Some(Segmentation::Polygons(polygons)), _) if polygons.is_empty() => Ok(None),
        (Some(segmentation), size) => Ok(Some(segmentation.mask(size.unwrap_or_default())?).filter(|mask| !mask.is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn truth(annotation: serde_json::Value) -> Result<Truth> {
        let file = json!({
            "categories": [{"id": 7, "name": "pear"}, {"id": 9, "name": "plum"}],
            "images": [{"id": 1, "file_name": "pear/a.jpg"}, {"id": 2, "file_name": "pear/b.jpg", "width": 3, "height": 4}],
            "annotations": [annotation],
        });
        let classes = ClassList::new(vec!["apple".into(), "pear".into()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.json");
        std::fs::write(&path, file.to_string()).unwrap();
        Truth::of(&path, &classes)
    }

    #[test]
    fn objects_are_found_by_file_name_with_their_masks() {
        let runs = [5, 2, 2, 2, 1];
        let counts = Mask::from_runs(3, 4, &runs).unwrap().counts();
        for segmentation in [json!({"size": [4, 3], "counts": runs}), json!({"size": [4, 3], "counts": counts}), json!([[1, 1, 3, 1, 3, 3, 1, 3]])] {
            let truth = truth(json!({"image_id": 2, "category_id": 7, "segmentation": segmentation})).unwrap();
            let [object] = truth.of_sample("pear/b.jpg").unwrap().unwrap().try_into().unwrap();
            assert_eq!((object.class, object.mask.unwrap().counts()), (1, counts.clone()), "{segmentation}");
            assert_eq!((truth.of_sample("pear/a.jpg").unwrap(), truth.of_sample("c.jpg").unwrap()), (Some(Vec::new()), None));
        }
        let polygon = truth(json!({"image_id": 1, "category_id": 7, "segmentation": [[0, 0, 1, 0, 1, 1]]})).unwrap();
        assert_eq!(polygon.of_sample("pear/a.jpg").unwrap().unwrap()[0].mask, None, "the image has no size");
        let square = json!([[1, 1, 3, 1, 3, 3, 1, 3]]);
        for (segmentation, crowd) in [(json!([]), 0), (json!({"size": [4, 3], "counts": [12]}), 0), (square, 1)] {
            let truth = truth(json!({"image_id": 2, "category_id": 7, "segmentation": segmentation, "iscrowd": crowd})).unwrap();
            let objects = truth.of_sample("pear/b.jpg").unwrap().unwrap();
            assert_eq!(objects, [TruthObject { class: 1, mask: None }], "{segmentation}, crowd {crowd}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |annotation, what: &str| {
            let error = truth(annotation).unwrap_err().to_string();
            assert!(error.contains(what), "`{what}` is not in {error}");
        };
        refused(json!({"image_id": 1, "category_id": 9}), "its category \"plum\" is not a class of the dataset");
        refused(json!({"image_id": 5, "category_id": 7}), "annotation 1 is of the image 5, which the file does not list");
        let runs = json!({"image_id": 1, "category_id": 7, "segmentation": {"size": [4, 3], "counts": [5]}});
        refused(runs, "annotation 1: the runs of a 3x4 mask sum to 5 instead of 12");
    }
}

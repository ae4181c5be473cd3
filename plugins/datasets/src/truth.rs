//! The true objects of images, where somebody knows them: COCO JSON, by file name.

use std::collections::HashMap;
use std::path::Path;

use convert_sdk::{Deserialize, Error, Mask, Result, ResultExt, TruthObject};

use crate::classes::ClassList;

/// The objects of each image, by the image's `file_name`. An image without objects shows none; one that is not listed is not known.
#[derive(Debug, Default)]
pub struct Truth(HashMap<String, Vec<TruthObject>>);

#[derive(Deserialize)]
#[serde(crate = "convert_sdk::serde")]
struct File {
    categories: Vec<Category>,
    images: Vec<Image>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
#[serde(crate = "convert_sdk::serde")]
struct Category {
    id: i64,
    name: String,
}

#[derive(Deserialize)]
#[serde(crate = "convert_sdk::serde")]
struct Image {
    id: i64,
    file_name: String,
}

#[derive(Deserialize)]
#[serde(crate = "convert_sdk::serde")]
struct Annotation {
    image_id: i64,
    category_id: i64,
    #[serde(default)]
    segmentation: serde_json::Value,
}

/// COCO's run lengths, as numbers or as their compressed code.
#[derive(Deserialize)]
#[serde(crate = "convert_sdk::serde")]
struct RunLengths {
    size: [u32; 2],
    counts: serde_json::Value,
}

impl Truth {
    /// Reads a file; its categories are the dataset's classes by name.
    ///
    /// # Errors
    /// A file that cannot be read or is no COCO JSON, a category that is no class, an annotation of an unknown image or category, a mask whose runs do not add up.
    pub fn read(path: &Path, classes: &ClassList) -> Result<Self> {
        let named = || format!("cannot use the truth file {}", path.display());
        let bytes = std::fs::read(path).context(named)?;
        let file: File = serde_json::from_slice(&bytes).context(named)?;
        Self::of(&file, classes).context(named)
    }

    fn of(file: &File, classes: &ClassList) -> Result<Self> {
        let mut class_of = HashMap::new();
        for category in &file.categories {
            class_of.insert(category.id, (&category.name, classes.index(&category.name)));
        }
        let names: HashMap<i64, &str> = file.images.iter().map(|image| (image.id, image.file_name.as_str())).collect();
        let mut objects: HashMap<String, Vec<TruthObject>> = file.images.iter().map(|image| (image.file_name.clone(), Vec::new())).collect();
        for (at, annotation) in file.annotations.iter().enumerate() {
            let unknown = |what: &str, id: i64| Error::invalid(format!("annotation {} is of the {what} {id}, which the file does not list", at + 1));
            let name = names.get(&annotation.image_id).ok_or_else(|| unknown("image", annotation.image_id))?;
            let (category, class) = class_of.get(&annotation.category_id).ok_or_else(|| unknown("category", annotation.category_id))?;
            let class = class.ok_or_else(|| Error::invalid(format!("its category {category:?} is no class of the dataset")))?;
            let mask = mask(&annotation.segmentation).context(|| format!("annotation {}", at + 1))?;
            objects.entry((*name).to_owned()).or_default().push(TruthObject { class, mask });
        }
        Ok(Self(objects))
    }

    /// The objects of a sample.
    pub fn of_sample(&self, id: &str) -> Option<Vec<TruthObject>> {
        self.0.get(id).cloned()
    }
}

/// The mask of a segmentation in run lengths; polygons give none, since their pixels depend on who draws them.
fn mask(segmentation: &serde_json::Value) -> Result<Option<Mask>> {
    if !segmentation.is_object() {
        return Ok(None);
    }
    let RunLengths { size: [height, width], counts } = serde_json::from_value(segmentation.clone())?;
    match counts {
        serde_json::Value::String(code) => Mask::from_counts(width, height, &code).map(Some),
        numbers => Mask::from_runs(width, height, &serde_json::from_value::<Vec<u32>>(numbers)?).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn truth(annotation: serde_json::Value) -> Result<Truth> {
        let file = json!({
            "categories": [{"id": 7, "name": "pear"}, {"id": 9, "name": "plum"}],
            "images": [{"id": 1, "file_name": "pear/a.jpg"}, {"id": 2, "file_name": "pear/b.jpg"}],
            "annotations": [annotation],
        });
        let classes = ClassList::new(vec!["apple".into(), "pear".into()]).unwrap();
        Truth::of(&serde_json::from_value(file).unwrap(), &classes)
    }

    #[test]
    fn objects_are_found_by_file_name_with_their_masks() {
        for counts in [json!([5, 2, 1, 2, 2]), json!(Mask::from_runs(3, 4, &[5, 2, 1, 2, 2]).unwrap().counts())] {
            let truth = truth(json!({"image_id": 2, "category_id": 7, "segmentation": {"size": [4, 3], "counts": counts}})).unwrap();
            let [object] = truth.of_sample("pear/b.jpg").unwrap().try_into().unwrap();
            assert_eq!((object.class, object.mask.unwrap().area()), (1, 4));
            assert_eq!((truth.of_sample("pear/a.jpg"), truth.of_sample("c.jpg")), (Some(Vec::new()), None));
        }
        let polygon = truth(json!({"image_id": 1, "category_id": 7, "segmentation": [[0, 0, 1, 0, 1, 1]]})).unwrap();
        assert_eq!(polygon.of_sample("pear/a.jpg").unwrap()[0].mask, None);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |annotation| truth(annotation).unwrap_err().to_string();
        assert_eq!(refused(json!({"image_id": 1, "category_id": 9})), "its category \"plum\" is no class of the dataset");
        assert_eq!(refused(json!({"image_id": 5, "category_id": 7})), "annotation 1 is of the image 5, which the file does not list");
        let runs = json!({"image_id": 1, "category_id": 7, "segmentation": {"size": [4, 3], "counts": [5]}});
        assert_eq!(refused(runs), "annotation 1: the runs of a 3x4 mask sum to 5 instead of 12");
    }
}

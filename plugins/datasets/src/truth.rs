//! The true objects of images, where somebody knows them: COCO JSON, by file name.

use std::collections::HashMap;
use std::path::Path;

use convert_formats::coco::{self, CocoCategory, CocoImage, CocoReader, MaskMemory, Segmentation};
use convert_sdk::{Deserialize, Error, Mask, Result, ResultExt, TruthObject};

use crate::classes::ClassList;

/// The objects of each image, by the image's `file_name`. An image without objects shows none; one that is not listed is not known.
#[derive(Debug, Default)]
pub struct Truth(HashMap<String, Vec<Object>>);

/// An object with its mask in COCO's code: a tenth of what its runs take.
#[derive(Debug)]
struct Object {
    class: u32,
    mask: Option<Coded>,
}

/// Width, height and COCO's code of a mask.
type Coded = (u32, u32, Box<str>);

/// What a COCO file says of objects while it is read, in whatever order its sections stand.
#[derive(Debug)]
pub struct TruthReader {
    images: HashMap<u64, (String, Option<(u32, u32)>)>,
    categories: HashMap<u64, Option<String>>,
    /// By the ids of their images and categories.
    objects: Vec<(u64, u64, Stored)>,
    memory: MaskMemory,
}

/// A mask on the way.
#[derive(Debug)]
enum Stored {
    Coded(Option<Coded>),
    /// Of an image that has not come yet, so that its size is not known.
    Early(Segmentation),
}

impl TruthReader {
    /// A reader for a file.
    ///
    /// # Errors
    /// A file that is not there.
    pub fn new(path: &Path) -> Result<Self> {
        Ok(Self { images: HashMap::new(), categories: HashMap::new(), objects: Vec::new(), memory: MaskMemory::of_file(path)? })
    }

    /// Takes an image.
    pub fn add_image(&mut self, image: &CocoImage) {
        self.images.insert(image.id, (image.file_name.clone(), image.width.zip(image.height)));
    }

    /// Takes a category.
    pub fn add_category(&mut self, category: &CocoCategory) {
        self.categories.insert(category.id, category.name.clone());
    }

    /// Takes an object. A crowd shows its class, but it is no object that a region could be.
    ///
    /// # Errors
    /// A mask whose runs do not add up.
    pub fn add_object(&mut self, image: u64, category: u64, segmentation: Option<Segmentation>, crowd: bool) -> Result<()> {
        let stored = match (segmentation.filter(|_| !crowd), self.images.get(&image)) {
            (Some(segmentation), None) => Stored::Early(segmentation),
            (Some(segmentation), Some((_, size))) => Stored::Coded(self.coded(&segmentation, *size, self.objects.len())?),
            (None, _) => Stored::Coded(None),
        };
        self.objects.push((image, category, stored));
        Ok(())
    }

    fn coded(&mut self, segmentation: &Segmentation, size: Option<(u32, u32)>, at: usize) -> Result<Option<Coded>> {
        let mask = mask(segmentation, size).context(|| format!("annotation {}", at + 1))?;
        let mask = mask.map(|mask| (mask.width(), mask.height(), Box::from(mask.counts())));
        self.memory.take(mask.as_ref().map_or(0, |(_, _, counts): &Coded| counts.len()))?;
        Ok(mask)
    }

    /// The objects of all images; the file's categories are the dataset's classes by name.
    ///
    /// # Errors
    /// A category that is no class, an annotation of an unknown image or category.
    pub fn finish(mut self, classes: &ClassList) -> Result<Truth> {
        let mut class_of = HashMap::new();
        for (id, name) in std::mem::take(&mut self.categories) {
            let name = name.ok_or_else(|| Error::invalid(format!("the category {id} has no name")))?;
            let class = classes.index(&name);
            class_of.insert(id, (name, class));
        }
        let mut objects: HashMap<String, Vec<Object>> = self.images.values().map(|(name, _)| (name.clone(), Vec::new())).collect();
        for (at, (image, category, stored)) in std::mem::take(&mut self.objects).into_iter().enumerate() {
            let unknown = |what: &str, id: u64| Error::invalid(format!("annotation {} is of the {what} {id}, which the file does not list", at + 1));
            let (name, size) = self.images.get(&image).cloned().ok_or_else(|| unknown("image", image))?;
            let (category, class) = class_of.get(&category).ok_or_else(|| unknown("category", category))?;
            let class = class.ok_or_else(|| Error::invalid(format!("its category {category:?} is not a class of the dataset")))?;
            let mask = match stored {
                Stored::Coded(mask) => mask,
                Stored::Early(segmentation) => self.coded(&segmentation, size, at)?,
            };
            objects.entry(name).or_default().push(Object { class, mask });
        }
        Ok(Truth(objects))
    }
}

#[derive(Deserialize)]
#[serde(crate = "convert_sdk::serde")]
pub struct TruthAnnotation {
    image_id: u64,
    category_id: u64,
    #[serde(default)]
    segmentation: Option<Segmentation>,
    #[serde(default)]
    iscrowd: u8,
}

impl CocoReader for TruthReader {
    type Image = CocoImage;
    type Annotation = TruthAnnotation;
    type Category = CocoCategory;

    fn image(&mut self, image: CocoImage) -> Result<()> {
        self.add_image(&image);
        Ok(())
    }
    fn annotation(&mut self, annotation: TruthAnnotation) -> Result<()> {
        self.add_object(annotation.image_id, annotation.category_id, annotation.segmentation, annotation.iscrowd != 0)
    }
    fn category(&mut self, category: CocoCategory) -> Result<()> {
        self.add_category(&category);
        Ok(())
    }
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
        let mut reader = TruthReader::new(path)?;
        coco::read(path, &mut reader)?;
        reader.finish(classes)
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
fn mask(segmentation: &Segmentation, size: Option<(u32, u32)>) -> Result<Option<Mask>> {
    match (segmentation, size) {
        (Segmentation::Polygons(_), None) => Ok(None),
        (Segmentation::Polygons(polygons), _) if polygons.is_empty() => Ok(None),
        (segmentation, size) => Ok(Some(segmentation.mask(size.unwrap_or_default())?).filter(|mask| !mask.is_empty())),
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
        of_text(&file.to_string())
    }

    fn of_text(text: &str) -> Result<Truth> {
        let classes = ClassList::new(vec!["apple".into(), "pear".into()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.json");
        std::fs::write(&path, text).unwrap();
        Truth::of(&path, &classes)
    }

    #[test]
    fn the_order_of_the_sections_makes_no_difference() {
        let categories = r#""categories": [{"id": 7, "name": "pear"}]"#;
        let images = r#""images": [{"id": 2, "file_name": "b.jpg", "width": 3, "height": 4}]"#;
        let annotations = r#""annotations": [{"image_id": 2, "category_id": 7, "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}]"#;
        let objects = |sections: [&str; 3]| of_text(&format!("{{{}}}", sections.join(", "))).unwrap().of_sample("b.jpg").unwrap().unwrap();
        let expected = objects([categories, images, annotations]);
        assert_eq!(expected[0].mask.as_ref().map(Mask::area), Some(4));
        assert_eq!(objects([annotations, images, categories]), expected);
        assert_eq!(objects([images, annotations, categories]), expected);
        let early = annotations.replace("[[1, 1, 3, 1, 3, 3, 1, 3]]", r#"{"size": [4, 3], "counts": [5]}"#);
        let error = of_text(&format!("{{{early}, {images}, {categories}}}")).unwrap_err().to_string();
        assert!(error.contains("annotation 1: the runs of a 3x4 mask sum to 5 instead of 12"), "{error}");
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

//! Datumaro's JSON, one file a subset, which CVAT reads and writes as *Datumaro*: labels of images and masks.

use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{AnnotatedRegion, Annotation, ExchangeWriter, REGION, Shape, SharedImage};
use crate::coco::Segmentation;
use crate::files;
use convert_sdk::{Error, Result, ResultExt};

/// Datumaro's number of images among the kinds of media.
const IMAGE: u32 = 2;

pub(super) struct Writer<W: Write> {
    file: BufWriter<W>,
    classes: std::collections::HashMap<String, usize>,
    count: u64,
}

impl<W: Write> Writer<W> {
    pub fn begin(file: W, classes: &[String]) -> Result<Self> {
        let mut file = BufWriter::new(file);
        let labels: Vec<Value> = classes.iter().map(|name| json!({ "name": name, "parent": "", "attributes": [] })).collect();
        let categories = json!({ "label": { "labels": labels, "label_groups": [], "attributes": [] } });
        write!(file, r#"{{"dm_format_version":"1.0","media_type":{IMAGE},"infos":{{}},"categories":{categories},"items":["#)?;
        let classes = classes.iter().enumerate().rev().map(|(index, name)| (name.clone(), index)).collect();
        Ok(Self { file, classes, count: 0 })
    }
}

impl<W: Write> ExchangeWriter for Writer<W> {
    fn write(&mut self, image: &SharedImage<'_>) -> Result<()> {
        self.file.write_all(if self.count == 0 { b"\n" } else { b",\n" })?;
        let label = |class: &str| self.classes.get(class).ok_or_else(|| Error::invalid(format!("the class `{class}` is not one of the run's")));
        let mut annotations = Vec::new();
        for class in &image.classes {
            annotations.push(json!({ "id": 0, "type": "label", "attributes": {}, "group": 0, "label_id": label(class)? }));
        }
        for region in &image.regions {
            let rle = json!({ "counts": region.mask.counts(), "size": [region.mask.height(), region.mask.width()] });
            annotations.push(json!({
                "id": 0, "type": "mask", "attributes": { "name": region.name }, "group": 0, "label_id": label(region.class)?, "rle": rle, "z_order": 0,
            }));
        }
        let shown: Vec<&str> = image.regions.iter().map(|region| region.name.as_str()).filter(|name| name.starts_with(REGION)).collect();
        // Items are called by their images' names without endings, as CVAT finds its own by.
        let item = json!({
            "id": stem(image.id), "annotations": annotations,
            "attr": { "frame": self.count, "id": image.id, "complete": image.complete, "queue": image.queue, "regions": shown },
            "image": { "path": image.id, "size": [image.height, image.width] },
        });
        self.count += 1;
        Ok(serde_json::to_writer(&mut self.file, &item)?)
    }

    fn finish(&mut self) -> Result<()> {
        self.file.write_all(b"\n]}\n")?;
        Ok(self.file.flush()?)
    }
}

/// A path without its ending.
fn stem(id: &str) -> &str {
    let name = id.rfind('/').map_or(0, |at| at + 1);
    id[name..].rfind('.').filter(|at| *at > 0).map_or(id, |at| &id[..name + at])
}

#[derive(Deserialize)]
struct File {
    categories: Categories,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Categories {
    #[serde(default)]
    label: Labels,
}

#[derive(Default, Deserialize)]
struct Labels {
    #[serde(default)]
    labels: Vec<Label>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    #[serde(default)]
    annotations: Vec<ItemAnnotation>,
    #[serde(default)]
    attr: Option<Attributes>,
    #[serde(default)]
    image: Option<ItemImage>,
}

#[derive(Default, Deserialize)]
struct Attributes {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    complete: Option<bool>,
    #[serde(default)]
    queue: Option<String>,
    #[serde(default)]
    regions: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ItemImage {
    #[serde(default)]
    path: Option<String>,
}

#[derive(Deserialize)]
struct ItemAnnotation {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    label_id: Option<usize>,
    #[serde(default)]
    attributes: Option<Named>,
    #[serde(default)]
    rle: Option<Segmentation>,
    #[serde(default)]
    points: Option<Vec<f64>>,
    #[serde(default)]
    bbox: Option<[f64; 4]>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    name: Option<Value>,
}

pub(super) fn read(path: &Path) -> Result<Vec<Annotation>> {
    let file = files::open_regular(path, files::MAX_STREAM).context(|| format!("cannot read {}", path.display()))?;
    let File { categories, items } = serde_json::from_reader(BufReader::with_capacity(1 << 20, file))
        .map_err(|error| Error::invalid(format!("{} is not Datumaro's JSON, or a broken one: {error}", path.display())))?;
    let names = categories.label.labels;
    let mut annotations = Vec::new();
    for Item { id, annotations: made, attr, image } in items {
        let attributes = attr.unwrap_or_default();
        // An image of which nothing is said may not have been looked at; so it is with one that our own file calls unfinished.
        if attributes.complete == Some(false) || (made.is_empty() && attributes.complete.is_none()) {
            continue;
        }
        let sample = attributes.id.or_else(|| image.and_then(|image| image.path)).unwrap_or_else(|| id.clone());
        let mut annotation = Annotation { sample, queue: attributes.queue, shown: attributes.regions, ..Annotation::default() };
        for ItemAnnotation { kind, label_id, attributes, rle, points, bbox } in made {
            let shape = match (kind.as_str(), rle, points, bbox) {
                ("label", ..) => None,
                ("mask", Some(rle), ..) => Some(Shape::Coco(rle)),
                ("polygon", _, Some(points), _) => Some(Shape::Coco(Segmentation::Polygons(vec![points]))),
                ("bbox", .., Some(bbox)) => Some(Shape::Box(bbox)),
                _ => {
                    annotation.ignored += 1;
                    continue;
                }
            };
            let Some(label) = label_id else {
                annotation.ignored += 1;
                continue;
            };
            let Some(class) = names.get(label).map(|label| label.name.clone()) else {
                return Err(Error::invalid(format!("{}: `{id}` has the label {label}, but there are {}", path.display(), names.len())));
            };
            match shape {
                None => _ = annotation.classes.get_or_insert_default().insert(class),
                Some(shape) => {
                    let name = attributes.and_then(|attributes| attributes.name?.as_str().map(str::to_owned));
                    annotation.regions.push(AnnotatedRegion { name, class, shape });
                }
            }
        }
        annotations.push(annotation);
    }
    Ok(annotations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cvat_exports_is_read() {
        // CVAT's export in the form Datumaro, shortened: attributes of its own, points that are rounded, a frame without annotations.
        let text = r#"{"info": {}, "categories": {"label": {"labels": [{"name": "cup", "parent": "", "attributes": []}, {"name": "ant", "parent": ""}],
            "label_groups": [], "attributes": ["occluded"]}, "points": {"items": []}}, "items": [
            {"id": "n1/a", "annotations": [
                {"id": 0, "type": "label", "attributes": {}, "group": 0, "label_id": 1},
                {"id": 0, "type": "bbox", "attributes": {"occluded": false, "rotation": 0.0}, "group": 0, "label_id": 0, "z_order": 0, "bbox": [10.0, 20.0, 30.0, 5.0]},
                {"id": 0, "type": "mask", "attributes": {"occluded": false}, "group": 0, "label_id": 1, "rle": {"counts": "5220003", "size": [4, 5]}, "z_order": 0},
                {"id": 0, "type": "points", "label_id": 1, "points": [1, 2]}],
             "attr": {"frame": 0}, "image": {"path": "n1/a.JPEG", "size": [4, 5]}},
            {"id": "n1/b", "annotations": [], "attr": {"frame": 1}, "image": {"path": "n1/b.JPEG"}}]}"#;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let read = read(file.path()).unwrap();
        let [annotation] = &read[..] else { panic!("{read:?}") };
        assert_eq!((annotation.sample.as_str(), annotation.ignored), ("n1/a.JPEG", 1));
        assert_eq!((annotation.classes.clone(), annotation.shown.clone()), (Some(["ant".to_owned()].into()), None));
        assert_eq!(annotation.regions[0], AnnotatedRegion { name: None, class: "cup".into(), shape: Shape::Box([10.0, 20.0, 30.0, 5.0]) });
        assert_eq!(annotation.regions[1].shape.mask(5, 4).unwrap().area(), 6);
    }

    #[test]
    fn a_label_that_is_not_there_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"categories": {}, "items": [{"id": "a", "annotations": [{"type": "label", "label_id": 3}]}]}"#).unwrap();
        assert!(read(file.path()).unwrap_err().to_string().ends_with("`a` has the label 3, but there are 0"));
        assert_eq!(["n1/a.b.JPEG", "n1.x/a", ".hidden", "a.png"].map(stem), ["n1/a.b", "n1.x/a", ".hidden", "a"]);
    }
}

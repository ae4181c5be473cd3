//! Label Studio's list of tasks: finished images with an annotation, others with a prediction.
//!
//! The project's labeling config has an `Image` named `image`, `Choices` named `labels` and `BrushLabels` named `masks` (docs/reviews.md).

use std::collections::BTreeSet;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{AnnotatedRegion, Annotation, ExchangeWriter, REGION, Shape, SharedImage, brush};
use crate::files;
use convert_sdk::{Error, Result, ResultExt};

/// What stands before an image's id in its address: local storage.
const URL: &str = "/data/local-files/?d=";

pub(super) struct Writer<W: Write> {
    file: BufWriter<W>,
    model: String,
    empty: bool,
}

impl<W: Write> Writer<W> {
    pub fn begin(file: W, model: &str) -> Result<Self> {
        let mut file = BufWriter::new(file);
        file.write_all(b"[")?;
        Ok(Self { file, model: model.to_owned(), empty: true })
    }
}

impl<W: Write> ExchangeWriter for Writer<W> {
    fn write(&mut self, image: &SharedImage<'_>) -> Result<()> {
        self.file.write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        Ok(serde_json::to_writer(&mut self.file, &task(image, &self.model))?)
    }

    fn finish(&mut self) -> Result<()> {
        self.file.write_all(b"\n]\n")?;
        Ok(self.file.flush()?)
    }
}

fn task(image: &SharedImage<'_>, model: &str) -> Value {
    let part = |id: &str, kind: &str, from: &str, value: Value| {
        json!({
            "id": id, "type": kind, "from_name": from, "to_name": "image",
            "original_width": image.width, "original_height": image.height, "image_rotation": 0, "value": value,
        })
    };
    let mut result = Vec::new();
    if !image.classes.is_empty() {
        result.push(part("labels", "choices", "labels", json!({ "choices": image.classes })));
    }
    for region in &image.regions {
        let value = json!({ "format": "rle", "rle": brush::encode(region.mask), "brushlabels": [region.class] });
        result.push(part(&region.name, "brushlabels", "masks", value));
    }
    let shown: Vec<&str> = image.regions.iter().map(|region| region.name.as_str()).filter(|name| name.starts_with(REGION)).collect();
    let data = json!({
        "image": format!("{URL}{}", image.id), "id": image.id, "label": image.given, "queue": image.queue, "regions": shown,
    });
    match image.complete {
        true => json!({ "data": data, "annotations": [{ "result": result, "was_cancelled": false, "ground_truth": false }] }),
        false => json!({ "data": data, "predictions": [{ "model_version": model, "result": result }] }),
    }
}

#[derive(Deserialize)]
struct Task {
    data: Data,
    #[serde(default)]
    annotations: Vec<TaskAnnotation>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    queue: Option<String>,
    #[serde(default)]
    regions: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TaskAnnotation {
    #[serde(default)]
    completed_by: Value,
    #[serde(default)]
    was_cancelled: Option<bool>,
    #[serde(default)]
    result: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    id: Option<String>,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    original_width: u32,
    #[serde(default)]
    original_height: u32,
    #[serde(default)]
    value: PartValue,
}

/// Of every kind the keys that are needed.
#[derive(Default, Deserialize)]
struct PartValue {
    #[serde(default)]
    choices: Vec<String>,
    #[serde(default)]
    brushlabels: Vec<String>,
    #[serde(default)]
    polygonlabels: Vec<String>,
    #[serde(default)]
    rectanglelabels: Vec<String>,
    #[serde(default)]
    rle: Vec<u8>,
    #[serde(default)]
    points: Vec<[f64; 2]>,
    #[serde(default)]
    x: f64,
    #[serde(default)]
    y: f64,
    #[serde(default)]
    width: f64,
    #[serde(default)]
    height: f64,
}

pub(super) fn read(path: &Path) -> Result<Vec<Annotation>> {
    let file = files::open_regular(path, files::MAX_STREAM).context(|| format!("cannot read {}", path.display()))?;
    let tasks: Vec<Task> = serde_json::from_reader(BufReader::with_capacity(1 << 20, file)).map_err(|error| {
        Error::invalid(format!("{} is not Label Studio's JSON of tasks (its export `JSON`), or a broken one: {error}", path.display()))
    })?;
    let mut annotations = Vec::new();
    for (task, number) in tasks.into_iter().zip(1..) {
        let Data { id, image, queue, regions } = task.data;
        let address = image.map(|image| image.strip_prefix(URL).map_or(image.clone(), str::to_owned));
        let sample = id.or(address).ok_or_else(|| {
            Error::invalid(format!("{}: task {number} has neither `id` nor `image` in its `data`, so its image is not known", path.display()))
        })?;
        for made in task.annotations.into_iter().filter(|made| made.was_cancelled != Some(true)) {
            let mut annotation = Annotation {
                sample: sample.clone(),
                who: who(&made.completed_by),
                queue: queue.clone(),
                shown: regions.clone(),
                ..Annotation::default()
            };
            made.result.into_iter().for_each(|part| add(&mut annotation, part));
            annotations.push(annotation);
        }
    }
    Ok(annotations)
}

fn who(completed_by: &Value) -> Option<String> {
    match completed_by {
        Value::Number(id) => Some(format!("Label Studio user {id}")),
        Value::Object(person) => person.get("email").and_then(Value::as_str).filter(|email| !email.is_empty()).map(str::to_owned),
        _ => None,
    }
}

fn add(annotation: &mut Annotation, part: Part) {
    let Part { id, kind, original_width, original_height, value } = part;
    let share = |percent: f64| percent / 100.0;
    let (labels, shape) = match kind.as_str() {
        "choices" => {
            annotation.classes.get_or_insert_default().extend(value.choices);
            return;
        }
        "brushlabels" => (value.brushlabels, Shape::Brush { size: (original_width, original_height), rle: value.rle }),
        "polygonlabels" => (value.polygonlabels, Shape::Polygon(value.points.into_iter().flatten().map(share).collect())),
        "rectanglelabels" => (value.rectanglelabels, Shape::Rectangle([value.x, value.y, value.width, value.height].map(share))),
        _ => (Vec::new(), Shape::Rectangle([0.0; 4])),
    };
    if labels.is_empty() {
        annotation.ignored += 1;
    }
    let unique: BTreeSet<String> = labels.into_iter().collect();
    annotation.regions.extend(unique.into_iter().map(|class| AnnotatedRegion { name: id.clone(), class, shape: shape.clone() }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_label_studio_exports_is_read() {
        // The export of a project by hand, shortened: numbers of users, other kinds of regions, a cancelled annotation.
        let text = r#"[{"id": 1, "data": {"image": "/data/local-files/?d=n1/a.JPEG"}, "project": 3, "annotations": [
            {"id": 7, "completed_by": 2, "was_cancelled": false, "result": [
                {"id": "x", "type": "rectanglelabels", "from_name": "boxes", "to_name": "image", "original_width": 200, "original_height": 100,
                 "value": {"x": 10.0, "y": 20, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["cup"]}},
                {"id": "y", "type": "polygonlabels", "original_width": 200, "original_height": 100,
                 "value": {"points": [[0, 0], [50, 0], [50, 100]], "closed": true, "polygonlabels": ["ant"]}},
                {"id": "z", "type": "ellipselabels", "value": {"x": 1, "ellipselabels": ["ant"]}}]},
            {"id": 8, "completed_by": {"id": 1, "email": "anna@example.org"}, "was_cancelled": true, "result": []}]},
            {"id": 2, "data": {"image": "http://host/b.png", "id": "n1/b.png"}, "annotations": [{"completed_by": {"email": "anna@example.org"}, "result": [
                {"type": "choices", "value": {"choices": ["ant", "bee"]}}]}]},
            {"id": 3, "data": {"id": "n1/c.png"}, "annotations": []}]"#;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let read = read(file.path()).unwrap();
        assert_eq!(
            read.iter().map(|one| (one.sample.as_str(), one.who.as_deref())).collect::<Vec<_>>(),
            [("n1/a.JPEG", Some("Label Studio user 2")), ("n1/b.png", Some("anna@example.org"))]
        );
        assert_eq!((read[0].classes.as_ref(), read[0].ignored), (None, 1));
        let areas: Vec<_> = read[0].regions.iter().map(|region| (region.class.as_str(), region.shape.mask(200, 100).unwrap().area())).collect();
        // Half of half the image, as pycocotools draws the triangle.
        assert_eq!(areas[0], ("cup", 100 * 50));
        assert_eq!(areas[1].0, "ant");
        assert!((4900..=5150).contains(&areas[1].1), "{areas:?}");
        assert_eq!(read[1].classes, Some(["ant", "bee"].map(str::to_owned).into()));
    }

    #[test]
    fn other_files_are_refused_in_a_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, expected) in [
            (r#"[{"image": "a"}]"#, "missing field `data`"),
            (r#"[{"data": {"text": "a"}, "annotations": [{"result": []}]}]"#, "task 1 has neither `id` nor `image`"),
            ("[1", "broken one"),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let error = read(file.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

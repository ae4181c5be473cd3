//! Label Studio's tasks with predictions.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_formats::outline::outlines;
use convert_sdk::{Context, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, ResultExt, config};
use serde_json::{Value, json};

use crate::{OUTLINE_TOLERANCE, check_probability};

/// Labels and outlines as predictions that Label Studio shows, and a person corrects: a JSON list of tasks, for *Import*.
///
/// The project's labeling config has an `Image` named `image` (`value="$image"`), `Choices` named `labels` (`choice="multiple"`) and `PolygonLabels` named `regions`, both
/// `toName="image"`, with the names in `classes.txt` as values. A region of several parts has an outline for each; holes are left out.
#[config(default)]
#[derive(Clone, Debug)]
pub struct LabelStudioConfig {
    /// What stands before an image's id in its address. Default `/data/local-files/?d=`, for local storage.
    pub url: String,
    /// Labels and regions of at most this probability are left out. 0 to 1, default 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f32,
}

impl Default for LabelStudioConfig {
    fn default() -> Self {
        Self { url: "/data/local-files/?d=".to_owned(), threshold: 0.5 }
    }
}

/// See [`LabelStudioConfig`].
pub struct LabelStudio {
    config: LabelStudioConfig,
    context: Context,
}

/// A file that was begun.
struct Writer {
    config: LabelStudioConfig,
    file: BufWriter<File>,
    version: String,
    names: Vec<String>,
    empty: bool,
}

impl Plugin for LabelStudio {
    type Config = LabelStudioConfig;

    fn new(config: LabelStudioConfig, context: Context) -> Result<Self> {
        check_probability("threshold", config.threshold)?;
        Ok(Self { config, context })
    }
}

impl Exporter for LabelStudio {
    fn begin(&self, run: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let mut file = BufWriter::new(File::create(output).context(|| format!("cannot create {}", output.display()))?);
        file.write_all(b"[")?;
        Ok(Box::new(Writer {
            config: self.config.clone(),
            file,
            version: format!("convert {}, {}", run.version, run.name),
            names: self.context.classes().to_vec(),
            empty: true,
        }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let task = self.task(sample);
        self.file.write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        Ok(serde_json::to_writer(&mut self.file, &task)?)
    }

    fn finish(&mut self) -> Result<()> {
        self.file.write_all(b"\n]\n")?;
        Ok(self.file.flush()?)
    }
}

impl Writer {
    fn task(&self, sample: &LabelledSample<'_>) -> Value {
        let name = |class: u32| self.names.get(class as usize).map_or("", String::as_str);
        let size = |value: Value| json!({ "original_width": sample.width, "original_height": sample.height, "image_rotation": 0, "value": value });
        let part = |id: String, kind: &str, from: &str, value: Value| {
            let mut part = size(value);
            part["id"] = id.into();
            part["type"] = kind.into();
            part["from_name"] = from.into();
            part["to_name"] = "image".into();
            part
        };
        let labels: Vec<&str> = sample.labels.above(self.config.threshold).map(name).collect();
        let mut result = Vec::new();
        if !labels.is_empty() {
            result.push(part("labels".to_owned(), "choices", "labels", json!({ "choices": labels })));
        }
        for (at, region) in sample.regions.iter().enumerate() {
            let Some(top) = region.top.first().filter(|top| top.probability.get() > self.config.threshold) else { continue };
            let (width, height) = (f64::from(region.mask.width()) * 2.0, f64::from(region.mask.height()) * 2.0);
            let outer = outlines(&region.mask, OUTLINE_TOLERANCE).into_iter().filter(|border| is_clockwise(border));
            for (number, border) in outer.enumerate() {
                let points: Vec<[f64; 2]> = border.iter().map(|(x, y)| [percent(f64::from(*x) / width), percent(f64::from(*y) / height)]).collect();
                let value = json!({ "points": points, "closed": true, "polygonlabels": [name(top.class)] });
                let mut polygon = part(format!("region-{at}-{number}"), "polygonlabels", "regions", value);
                polygon["score"] = json!(top.probability.get());
                result.push(polygon);
            }
        }
        json!({
            "data": { "image": format!("{}{}", self.config.url, sample.id), "id": sample.id, "label": name(sample.label) },
            "predictions": [{ "model_version": self.version, "result": result }],
        })
    }
}

/// Three decimals: a tenth of a pixel in 10,000.
fn percent(share: f64) -> f64 {
    (share * 100_000.0).round() / 1000.0
}

/// Whether a border goes around foreground, not around a hole.
fn is_clockwise(border: &[(i32, i32)]) -> bool {
    let corners = border.iter().zip(border.iter().cycle().skip(1));
    corners.map(|(a, b)| i64::from(a.0) * i64::from(b.1) - i64::from(b.0) * i64::from(a.1)).sum::<i64>() > 0
}

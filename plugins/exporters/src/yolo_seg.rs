//! YOLO's segmentation form, in a zip archive.

use std::fmt::Write;
use std::path::Path;

use convert_formats::outline::outlines;
use convert_sdk::{Context, Error, ExportRun, ExportWriter, Exporter, LabelledSample, Mask, Plugin, Result, config};

use crate::pictures::{Picture, number_name};
use crate::zip_file::ZipFile;
use crate::{OUTLINE_TOLERANCE, check_probability};

/// Images with the outlines of their regions as a zip archive in YOLO's segmentation form: `images/NUMBER.jpg`, `labels/NUMBER.txt` with a line a region (its most probable class, and
/// its outline in shares of width and height), `data.yaml` with the class names, and `ids.tsv` with the id of each number. Unpacked, Ultralytics' `yolo segment train data=data.yaml` reads it.
///
/// Regions are not merged: where two of them show one object there are two lines.
#[config(default)]
#[derive(Clone, Debug)]
pub struct YoloSegConfig {
    /// Regions whose most probable class has at most this probability are left out; their images stay. 0 to 1, default 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_score: f32,
}

impl Default for YoloSegConfig {
    fn default() -> Self {
        Self { min_score: 0.5 }
    }
}

/// See [`YoloSegConfig`].
pub struct YoloSeg {
    config: YoloSegConfig,
    context: Context,
}

/// A file that was begun.
struct Writer {
    min_score: f32,
    archive: ZipFile,
    names: Vec<String>,
    ids: String,
    count: u64,
}

impl Plugin for YoloSeg {
    type Config = YoloSegConfig;

    fn new(config: YoloSegConfig, context: Context) -> Result<Self> {
        check_probability("min_score", config.min_score)?;
        Ok(Self { config, context })
    }
}

impl Exporter for YoloSeg {
    fn accepts(&self, id: &str) -> Result<()> {
        let line = !id.contains(['\t', '\n', '\r']);
        if line { Ok(()) } else { Err(Error::invalid(format!("the id {id:?} does not fit into a line of ids.tsv"))) }
    }

    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        Ok(Box::new(Writer {
            min_score: self.config.min_score,
            archive: ZipFile::create(output)?,
            names: self.context.classes().to_vec(),
            ids: String::new(),
            count: 0,
        }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let (name, picture) = (number_name(self.count), Picture::of(sample)?);
        self.count += 1;
        let mut lines = String::new();
        for region in &sample.regions {
            let Some(top) = region.top.first().filter(|top| top.probability.get() > self.min_score) else { continue };
            if let Some(outline) = outline(&region.mask) {
                let _ = writeln!(lines, "{}{outline}", top.class);
            }
        }
        self.archive.add(&format!("images/{name}.{}", picture.extension), &picture.bytes)?;
        self.archive.add(&format!("labels/{name}.txt"), lines.as_bytes())?;
        let _ = writeln!(self.ids, "{name}\t{}", sample.id);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        // JSON's texts are YAML's.
        let names: Vec<String> =
            self.names.iter().enumerate().map(|(class, name)| format!("  {class}: {}\n", serde_json::Value::from(name.as_str()))).collect();
        let data =
            format!("# Written by convert; `val` is `train`: set your own images aside.\ntrain: images\nval: images\nnames:\n{}", names.concat());
        self.archive.add("data.yaml", data.as_bytes())?;
        self.archive.add("ids.tsv", self.ids.as_bytes())?;
        self.archive.finish()
    }
}

/// ` x y x y …` in shares of the image, all borders in one line: from the first border's beginning to each other one and back, which even-odd filling does not see. `None` for a mask
/// without an outline.
fn outline(mask: &Mask) -> Option<String> {
    let borders = outlines(mask, OUTLINE_TOLERANCE);
    let start = *borders.first()?.first()?;
    let mut points = Vec::new();
    for border in &borders {
        points.extend_from_slice(border);
        if borders.len() > 1 {
            points.extend([border[0], start]);
        }
    }
    let (width, height) = (f64::from(mask.width()) * 2.0, f64::from(mask.height()) * 2.0);
    Some(points.iter().map(|(x, y)| format!(" {:.6} {:.6}", f64::from(*x) / width, f64::from(*y) / height)).collect())
}

//! The JSON that the authors' training code reads (method 8).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_sdk::{Context, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, ResultExt, config, serde};

/// Dense label vectors as the authors' training code reads them: one JSON object, `"wnid/file.JPEG": {"multilabel": [K numbers], "gt": class, "gt_name": name}`.
/// The name is an addition, which that code does not look at; `classes.txt` beside the run's results names the K places.
///
/// K numbers an image, most of them 0: a million images of a thousand classes take about 4 GB.
#[config(default)]
#[derive(Clone, Debug, Default)]
pub struct TrainingJsonConfig {}

/// See [`TrainingJsonConfig`].
#[derive(Debug)]
pub struct TrainingJson {
    context: Context,
}

/// A file that was begun. Writes as samples come.
#[derive(Debug)]
struct Writer {
    file: BufWriter<File>,
    names: Vec<String>,
    empty: bool,
}

#[derive(serde::Serialize)]
#[serde(crate = "serde")]
struct Entry<'a> {
    multilabel: &'a [Number],
    gt: u32,
    gt_name: &'a str,
}

/// A probability; zeros, which are nearly all, without their decimal point.
#[derive(Clone, Copy)]
struct Number(f32);

impl serde::Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        if self.0 == 0.0 { serializer.serialize_u8(0) } else { serializer.serialize_f32(self.0) }
    }
}

impl Plugin for TrainingJson {
    type Config = TrainingJsonConfig;

    fn new(_: TrainingJsonConfig, context: Context) -> Result<Self> {
        Ok(Self { context })
    }
}

impl Exporter for TrainingJson {
    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let file = File::create(output).context(|| format!("cannot create {}", output.display()))?;
        let mut file = BufWriter::new(file);
        file.write_all(b"{")?;
        Ok(Box::new(Writer { file, names: self.context.classes().to_vec(), empty: true }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let mut dense = vec![Number(0.0); self.names.len()];
        for entry in sample.labels.entries() {
            if let Some(place) = dense.get_mut(entry.class as usize) {
                *place = Number(entry.probability.get());
            }
        }
        let gt_name = self.names.get(sample.label as usize).map_or("", String::as_str);
        self.file.write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        serde_json::to_writer(&mut self.file, &sample.id)?;
        self.file.write_all(b": ")?;
        serde_json::to_writer(&mut self.file, &Entry { multilabel: &dense, gt: sample.label, gt_name })?;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.file.write_all(b"\n}\n")?;
        self.file.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coco::tests::{run, sample};

    #[test]
    fn vectors_are_dense_and_keys_are_the_ids() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.json");
        let mut exporter = TrainingJson::new(TrainingJsonConfig {}, Context::for_tests(&["a", "b", "c"])).unwrap().begin(run(), &path).unwrap();
        exporter.write(&sample("n01/\"x\".JPEG", 2, &[(0, 0.25), (2, 1.0)], &[])).unwrap();
        exporter.write(&sample("n02/y.JPEG", 1, &[], &[])).unwrap();
        exporter.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "{\n\"n01/\\\"x\\\".JPEG\": {\"multilabel\":[0.25,0,1.0],\"gt\":2,\"gt_name\":\"c\"},\n\"n02/y.JPEG\": {\"multilabel\":[0,0,0],\"gt\":1,\"gt_name\":\"b\"}\n}\n"
        );
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}

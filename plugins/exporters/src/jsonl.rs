//! JSON lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_sdk::{Context, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, ResultExt, config};

use crate::rows::Row;

/// Labels and regions as JSON lines, one object an image.
///
/// Keys: `id`, `label` and `label_name` (the single label), `width`, `height`, `classes`, `class_names` and `probabilities` (the final labels), and `regions`, each with `counts`
/// (COCO's compressed code of the mask at the image's size), `bbox`, `area`, `source`, `score`, `selected`, `classes`, `class_names` and `probabilities` (its best five).
#[config(default)]
#[derive(Clone, Debug, Default)]
pub struct JsonlConfig {}

/// See [`JsonlConfig`].
#[derive(Debug)]
pub struct Jsonl {
    context: Context,
}

/// A file that was begun.
#[derive(Debug)]
struct Writer {
    file: BufWriter<File>,
    names: Vec<String>,
}

impl Plugin for Jsonl {
    type Config = JsonlConfig;

    fn new(_: JsonlConfig, context: Context) -> Result<Self> {
        Ok(Self { context })
    }
}

impl Exporter for Jsonl {
    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let file = File::create(output).context(|| format!("cannot create {}", output.display()))?;
        Ok(Box::new(Writer { file: BufWriter::new(file), names: self.context.classes().to_vec() }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        serde_json::to_writer(&mut self.file, &Row::of(sample, &self.names))?;
        self.file.write_all(b"\n")?;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.file.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coco::tests::{run, sample};
    use serde_json::{Value, json};

    #[test]
    fn a_line_holds_an_image_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.jsonl");
        let mut exporter = Jsonl::new(JsonlConfig {}, Context::for_tests(&["a", "b"])).unwrap().begin(run(), &path).unwrap();
        let samples = [sample("line\nbreak\u{2028}.jpg", 1, &[(0, 0.25), (1, 1.0)], &[([1, 1, 3, 2], &[(1, 0.75)])]), sample("b", 0, &[], &[])];
        samples.iter().for_each(|sample| exporter.write(sample).unwrap());
        exporter.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text.trim_end().split('\n').map(|line| serde_json::from_str(line).unwrap()).collect();
        let counts = samples[0].regions[0].mask.counts();
        let region = json!({"counts": counts, "bbox": [1, 1, 3, 2], "area": 6, "source": "cut", "score": 2.5, "selected": true, "classes": [1], "class_names": ["b"], "probabilities": [0.75]});
        let first = json!({"id": "line\nbreak\u{2028}.jpg", "label": 1, "label_name": "b", "width": 8, "height": 6, "classes": [0, 1], "class_names": ["a", "b"], "probabilities": [0.25, 1.0], "regions": [region]});
        let second = json!({"id": "b", "label": 0, "label_name": "a", "width": 8, "height": 6, "classes": [], "class_names": [], "probabilities": [], "regions": []});
        assert_eq!(lines, [first, second]);
    }
}

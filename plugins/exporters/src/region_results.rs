//! The authors' region results as JSON (method 8).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_sdk::{Context, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, ResultExt, config};
use serde_json::json;

/// The most probable classes of each mask, in the shape of the authors' region results: `{mask id: {"prob": [5], "label": [5]}}`, as JSON.
///
/// A mask's id is its number from 1 over all images in the order of their ids: the id of its annotation in the files of `coco` and `cutler-coco`, as long as those
/// leave no mask out. With fewer than five classes the lists are shorter. The proposer `coco-masks` reads the file as `results`.
#[config(default)]
#[derive(Clone, Debug, Default)]
pub struct RegionResultsConfig {}

/// See [`RegionResultsConfig`].
#[derive(Debug)]
pub struct RegionResults;

/// A file that was begun.
#[derive(Debug)]
struct Writer {
    file: BufWriter<File>,
    masks: u64,
}

impl Plugin for RegionResults {
    type Config = RegionResultsConfig;

    fn new(_: RegionResultsConfig, _: Context) -> Result<Self> {
        Ok(Self)
    }
}

impl Exporter for RegionResults {
    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let mut file = BufWriter::new(File::create(output).context(|| format!("cannot create {}", output.display()))?);
        file.write_all(b"{")?;
        Ok(Box::new(Writer { file, masks: 0 }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        for region in &sample.regions {
            self.masks += 1;
            let probabilities: Vec<f32> = region.top.iter().map(|score| score.probability.get()).collect();
            let labels: Vec<u32> = region.top.iter().map(|score| score.class).collect();
            let comma = if self.masks == 1 { "" } else { "," };
            write!(self.file, "{comma}\n\"{}\":{}", self.masks, json!({ "prob": probabilities, "label": labels }))?;
        }
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
    fn masks_are_numbered_over_all_images() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        let mut exporter = RegionResults::new(RegionResultsConfig {}, Context::for_tests(&["a", "b"])).unwrap().begin(run(), &path).unwrap();
        exporter.write(&sample("a", 1, &[], &[([1, 1, 3, 2], &[(0, 0.25)]), ([0, 0, 8, 6], &[(1, 0.5), (0, 0.25)])])).unwrap();
        exporter.write(&sample("b", 1, &[], &[([0, 0, 1, 1], &[(1, 0.75)])])).unwrap();
        exporter.finish().unwrap();
        let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let expected = json!({"1": {"prob": [0.25], "label": [0]}, "2": {"prob": [0.5, 0.25], "label": [1, 0]}, "3": {"prob": [0.75], "label": [1]}});
        assert_eq!(written, expected);
    }
}

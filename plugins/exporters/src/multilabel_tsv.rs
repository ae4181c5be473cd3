//! The tab-separated label file of the paper's authors (method 8).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_formats::label_sets::LabelledImage;
use convert_sdk::{Context, ExportRun, ExportWriter, Exporter, LabelledSample, Plugin, Result, ResultExt, config};

/// Labels as tab-separated text, a line an image, in the format of the paper's authors.
///
/// No header; each line is `id TAB single label TAB class,class TAB probability,probability`. Classes are indices into the dataset's classes,
/// in ascending order (the non-zero entries of the label vector); probabilities have 4 decimals, and a class whose probability rounds to
/// 0.0000 is left out. An image without labels has two empty columns.
#[config(default)]
#[derive(Clone, Debug, Default)]
pub struct MultilabelTsvConfig {}

/// See [`MultilabelTsvConfig`].
#[derive(Debug)]
pub struct MultilabelTsv;

/// A file that was begun.
#[derive(Debug)]
struct Writer {
    file: BufWriter<File>,
}

impl Plugin for MultilabelTsv {
    type Config = MultilabelTsvConfig;

    fn new(_: MultilabelTsvConfig, _: Context) -> Result<Self> {
        Ok(Self)
    }
}

impl Exporter for MultilabelTsv {
    fn accepts(&self, id: &str) -> Result<()> {
        LabelledImage::check_id(id)
    }

    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let file = File::create(output).context(|| format!("cannot create {}", output.display()))?;
        Ok(Box::new(Writer { file: BufWriter::new(file) }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        writeln!(self.file, "{}", LabelledImage::new(&sample.id, sample.label, &sample.labels)?)?;
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
    use crate::coco::tests::{Scores, run, sample};

    fn check(samples: &[(&str, u32, &Scores)], expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.tsv");
        let mut exporter = MultilabelTsv::new(MultilabelTsvConfig {}, Context::for_tests(&["a"; 9])).unwrap().begin(run(), &path).unwrap();
        for (id, label, labels) in samples {
            exporter.write(&sample(id, *label, labels, &[])).unwrap();
        }
        exporter.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn lines_are_as_the_specification_says() {
        check(
            &[("n01/a.JPEG", 3, &[(3, 1.0), (1, 0.123_44), (8, 0.5)]), ("n02/b c.JPEG", 0, &[(0, 0.9)])],
            "n01/a.JPEG\t3\t1,3,8\t0.1234,1.0000,0.5000\nn02/b c.JPEG\t0\t0\t0.9000\n",
        );
    }

    #[test]
    fn entries_that_round_to_zero_are_left_out_and_empty_lists_are_legal() {
        check(&[("a", 2, &[(1, 0.000_049), (2, 0.000_051)]), ("b", 2, &[])], "a\t2\t2\t0.0001\nb\t2\t\t\n");
        check(&[], "");
    }

    #[test]
    fn an_id_that_would_break_the_columns_is_refused() {
        for id in ["a\tb", "a\nb", "a\r"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("labels.tsv");
            let mut exporter = MultilabelTsv::new(MultilabelTsvConfig {}, Context::for_tests(&["a"])).unwrap().begin(run(), &path).unwrap();
            let error = exporter.write(&sample(id, 0, &[], &[])).unwrap_err().to_string();
            assert!(error.contains("contains a tab or a line break") && !error.contains(['\t', '\n', '\r']), "{error}");
        }
    }
}

//! An exporter: a table that a spreadsheet opens.
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_sdk::*;

/// Writes a CSV file with a row an image: its id, its single label, and the names of its classes.
#[config(default)]
struct Config {
    /// A class is named when its probability is above this.
    #[schemars(range(min = 0.0, max = 1.0))]
    threshold: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self { threshold: 0.5 }
    }
}

struct ClassNames {
    threshold: f32,
    classes: Vec<String>,
}

/// A file that was begun.
struct Table {
    threshold: f32,
    classes: Vec<String>,
    file: BufWriter<File>,
}

/// A field of a CSV file, in quotes where it needs them (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

impl Plugin for ClassNames {
    type Config = Config;

    fn new(config: Config, context: Context) -> Result<Self> {
        Ok(Self { threshold: config.threshold, classes: context.classes().to_vec() })
    }
}

impl Exporter for ClassNames {
    fn begin(&self, _: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let file = File::create(output).context(|| format!("cannot create {}", output.display()))?;
        let mut file = BufWriter::new(file);
        writeln!(file, "id,label,classes")?;
        Ok(Box::new(Table { threshold: self.threshold, classes: self.classes.clone(), file }))
    }
}

impl ExportWriter for Table {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let name = |class: u32| self.classes.get(class as usize).map(String::as_str).unwrap_or_default();
        let names: Vec<&str> = sample.labels.above(self.threshold).map(name).collect();
        writeln!(self.file, "{},{},{}", field(&sample.id), field(name(sample.label)), field(&names.join(";")))?;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.file.flush()?;
        Ok(())
    }
}

export_plugins! { exporter "class-names" => ClassNames }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_the_classes_above_the_threshold() {
        let statistics = Statistics { threshold: 0.5, images: 1, by_count: [0, 0, 1, 0, 0], average: 2.0, skipped: 0 };
        let text = || String::from("test");
        let (plugins, stages, curve) = (Vec::new(), Vec::new(), Vec::new());
        let run = ExportRun { name: text(), recipe: text(), version: text(), plugins, class_numbers: Vec::new(), stages, samples: 1, statistics, curve, held_out: None, evaluation: None, skipped: Vec::new(), calibration: None };
        let output = std::env::temp_dir().join(format!("class-names-{}.csv", std::process::id()));
        let exporter = ClassNames::new(Config::default(), Context::for_tests(&["fig", "pear, green", "plum"])).unwrap();
        let mut table = exporter.begin(run, &output).unwrap();
        let mut labels = LabelVector::default();
        for (class, probability) in [(0, 0.75), (1, 1.0), (2, 0.5)] {
            labels.raise(class, Probability::new(probability).unwrap());
        }
        let image = LazyImage::new(|| Err(Error::invalid("this exporter looks at no pixel")));
        table
            .write(&LabelledSample { id: "a.jpg".into(), number: None, label: 1, width: 4, height: 3, labels, regions: Vec::new(), truth: None, image })
            .unwrap();
        table.finish().unwrap();
        let text = std::fs::read_to_string(&output).unwrap();
        std::fs::remove_file(&output).unwrap();
        assert_eq!(text, "id,label,classes\na.jpg,\"pear, green\",\"fig;pear, green\"\n");
    }

    #[test]
    fn it_keeps_the_rules_of_its_role() {
        convert_testing::exporter::<ClassNames>(r#"{"threshold": 0.3}"#);
    }
}

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

struct MyExporterExporter {
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

impl Plugin for MyExporterExporter {
    type Config = Config;

    fn new(config: Config, context: Context) -> Result<Self> {
        Ok(Self { threshold: config.threshold, classes: context.classes().to_vec() })
    }
}

impl Exporter for MyExporterExporter {
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

export_plugins! { exporter "my-exporter" => MyExporterExporter }


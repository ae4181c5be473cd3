//! CVAT's XML for images.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use convert_sdk::{Context, Error, ExportRun, ExportWriter, Exporter, LabelledSample, Mask, Plugin, Result, ResultExt, config};

use crate::check_probability;

/// Labels and masks as XML in the form *CVAT for images 1.1*: a `tag` for each label, a `mask` for each region, to the pixel.
///
/// The task's images have the samples' ids as names, and the project the classes of `classes.txt` as labels.
#[config(default)]
#[derive(Clone, Debug)]
pub struct CvatConfig {
    /// Labels and regions of at most this probability are left out. 0 to 1, default 0.5.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f32,
}

impl Default for CvatConfig {
    fn default() -> Self {
        Self { threshold: 0.5 }
    }
}

/// See [`CvatConfig`].
pub struct Cvat {
    config: CvatConfig,
    context: Context,
}

/// A file that was begun.
struct Writer {
    threshold: f32,
    file: BufWriter<File>,
    names: Vec<String>,
    count: u64,
}

impl Plugin for Cvat {
    type Config = CvatConfig;

    fn new(config: CvatConfig, context: Context) -> Result<Self> {
        check_probability("threshold", config.threshold)?;
        Ok(Self { config, context })
    }
}

impl Exporter for Cvat {
    fn accepts(&self, id: &str) -> Result<()> {
        let control = id.chars().any(|letter| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r'));
        if control { Err(Error::invalid(format!("the id {id:?} has a control character, which XML cannot hold"))) } else { Ok(()) }
    }

    fn begin(&self, run: ExportRun, output: &Path) -> Result<Box<dyn ExportWriter>> {
        let mut file = BufWriter::new(File::create(output).context(|| format!("cannot create {}", output.display()))?);
        writeln!(file, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n<version>1.1</version>\n<meta><task>")?;
        writeln!(file, "<name>{}</name><size>{}</size><mode>annotation</mode>\n<labels>", escaped(&run.name), run.samples)?;
        for name in self.context.classes() {
            writeln!(file, "<label><name>{}</name><attributes></attributes></label>", escaped(name))?;
        }
        writeln!(file, "</labels>\n</task></meta>")?;
        Ok(Box::new(Writer { threshold: self.config.threshold, file, names: self.context.classes().to_vec(), count: 0 }))
    }
}

impl ExportWriter for Writer {
    fn write(&mut self, sample: &LabelledSample<'_>) -> Result<()> {
        let names: Vec<String> = self.names.iter().map(|name| escaped(name)).collect();
        let name = |class: u32| names.get(class as usize).map_or("", String::as_str);
        let (id, width, height) = (escaped(&sample.id), sample.width, sample.height);
        writeln!(self.file, "<image id=\"{}\" name=\"{id}\" width=\"{width}\" height=\"{height}\">", self.count)?;
        self.count += 1;
        for class in sample.labels.above(self.threshold) {
            writeln!(self.file, "<tag label=\"{}\" source=\"auto\"></tag>", name(class))?;
        }
        for region in &sample.regions {
            let Some(top) = region.top.first().filter(|top| top.probability.get() > self.threshold) else { continue };
            let (Some(bounds), Some(rle)) = (region.mask.bounding_box(), rle(&region.mask)) else { continue };
            writeln!(
                self.file,
                "<mask label=\"{}\" source=\"auto\" occluded=\"0\" rle=\"{rle}\" left=\"{}\" top=\"{}\" width=\"{}\" height=\"{}\" z_order=\"0\"></mask>",
                name(top.class),
                bounds.x,
                bounds.y,
                bounds.width,
                bounds.height
            )?;
        }
        Ok(writeln!(self.file, "</image>")?)
    }

    fn finish(&mut self) -> Result<()> {
        writeln!(self.file, "</annotations>")?;
        Ok(self.file.flush()?)
    }
}

/// The lengths of the runs in the mask's box, row by row, background first; `None` for an empty mask.
fn rle(mask: &Mask) -> Option<String> {
    let (bounds, pixels) = (mask.bounding_box()?, mask.to_pixels());
    let (mut runs, mut value, mut length) = (Vec::new(), 0u8, 0u32);
    for y in bounds.y..bounds.y + bounds.height {
        let row = (y * mask.width()) as usize;
        for pixel in &pixels[row + bounds.x as usize..row + (bounds.x + bounds.width) as usize] {
            if u8::from(*pixel != 0) != value {
                runs.push(length.to_string());
                (value, length) = (1 - value, 0);
            }
            length += 1;
        }
    }
    runs.push(length.to_string());
    Some(runs.join(", "))
}

/// A text as it stands in XML, as an attribute too.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", u32::from(letter))),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

//! What the viewer knows of every sample: columns in memory, kept between starts in one Arrow file with a checksum.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, UInt16Builder, UInt32Builder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, StringArray, UInt16Array, UInt32Array, UInt64Array};
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema};
use convert_formats::{files, whole_file};

use crate::errors::{AnyError, FileError};
use crate::pipeline::SampleOverview;

/// Raised when the columns change their form or meaning.
const VERSION: &str = "2";
/// Probabilities are kept in units of one in so many.
pub const UNIT: f32 = 10_000.0;
/// The support of a sample without regions.
const NO_SUPPORT: u16 = u16::MAX;
/// Labels below this probability are not kept.
const SMALLEST: f32 = 0.01;
/// So many labels of a sample are kept at most, the best.
const MOST: usize = 32;
/// The largest file that is read.
const LARGEST: u64 = 8 << 30;
/// How much of the file, at its end, its checksum takes: hexadecimal.
const SEAL: usize = 64;
const COLUMNS: [&str; 10] = ["id", "given", "width", "height", "regions", "sources", "support", "label", "probability", "truth"];

/// The columns. Samples are numbered in the run's order, which is that of their ids.
#[derive(Debug)]
pub struct Index {
    ids: StringArray,
    given: UInt32Array,
    width: UInt32Array,
    height: UInt32Array,
    regions: UInt32Array,
    sources: UInt64Array,
    support: UInt16Array,
    labels: ListArray,
    label_classes: UInt32Array,
    label_probabilities: UInt16Array,
    truth: ListArray,
    truth_classes: UInt32Array,
    skipped: ListArray,
}

/// A label of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// The class.
    pub class: u32,
    /// Its probability, in ten-thousandths.
    pub p: u16,
}

impl Index {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.given.len()
    }

    /// A sample's id.
    pub fn id(&self, sample: usize) -> &str {
        self.ids.value(sample)
    }

    /// The sample with an id.
    pub fn find(&self, id: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.id(middle) < id { low = middle + 1 } else { high = middle }
        }
        (low < self.len() && self.id(low) == id).then_some(low)
    }

    /// The label that the dataset gives a sample.
    pub fn given(&self, sample: usize) -> u32 {
        self.given.value(sample)
    }

    /// Width and height of a sample's image; 0 where they are not known.
    pub fn size(&self, sample: usize) -> [u32; 2] {
        [self.width.value(sample), self.height.value(sample)]
    }

    /// How many regions a sample has.
    pub fn regions(&self, sample: usize) -> u32 {
        self.regions.value(sample)
    }

    /// The configurations that a sample's regions come from, a bit each.
    pub fn sources(&self, sample: usize) -> u64 {
        self.sources.value(sample)
    }

    /// The best probability of the given label among the regions, in ten-thousandths.
    pub fn support(&self, sample: usize) -> Option<u16> {
        Some(self.support.value(sample)).filter(|support| *support != NO_SUPPORT)
    }

    /// A sample's labels, best first.
    pub fn labels(&self, sample: usize) -> impl Iterator<Item = Label> + '_ {
        let range = range(&self.labels, sample);
        let (classes, probabilities) = (&self.label_classes.values()[range.clone()], &self.label_probabilities.values()[range]);
        classes.iter().zip(probabilities).map(|(class, p)| Label { class: *class, p: *p })
    }

    /// The probability of a label of a sample, in ten-thousandths.
    pub fn probability(&self, sample: usize, class: u32) -> u16 {
        self.labels(sample).find(|label| label.class == class).map_or(0, |label| label.p)
    }

    /// A sample's true classes, where they are known.
    pub fn truth(&self, sample: usize) -> Option<&[u32]> {
        self.truth.is_valid(sample).then(|| &self.truth_classes.values()[range(&self.truth, sample)])
    }

    /// Whether the true classes of any sample are known.
    pub fn knows_truth(&self) -> bool {
        self.truth.null_count() < self.len()
    }

    /// Whether a sample was left out anywhere.
    pub fn is_skipped(&self, sample: usize) -> bool {
        !range(&self.skipped, sample).is_empty()
    }

    /// Where a sample was left out and why.
    pub fn skipped(&self, sample: usize) -> Vec<String> {
        if !self.is_skipped(sample) {
            return Vec::new();
        }
        self.skipped.value(sample).as_string::<i32>().iter().flatten().map(str::to_owned).collect()
    }

    /// The index of the run `run`, if it was kept, is whole, and is of this very run.
    pub fn load(file: &Path, run: &str) -> Option<Self> {
        let bytes = files::read(file, LARGEST).ok()?;
        let (arrow, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
        if seal != blake3::hash(arrow).to_hex().as_bytes() {
            return None;
        }
        // The columns are parts of the file's bytes: nothing is copied.
        let length = arrow.len();
        let mut stream = Buffer::from(bytes).slice_with_length(0, length);
        let mut decoder = StreamDecoder::new();
        let batch = decoder.decode(&mut stream).ok()??;
        let of_schema = |key: &str| batch.schema_ref().metadata().get(key).map(String::as_str);
        (of_schema("version") == Some(VERSION) && of_schema("run") == Some(run)).then(|| Self::of_batch(&batch))?
    }

    /// Keeps the index for the next start.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, file: &Path, run: &str) -> Result<(), FileError> {
        let failed = |error: AnyError| FileError::of("write", file)(error);
        let batch = self.batch(run).map_err(|error| failed(error.into()))?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(FileError::of("make", folder))?;
        }
        let write = |target: &std::fs::File| -> std::io::Result<()> {
            let mut sealing = Sealing { file: target, hasher: blake3::Hasher::new() };
            let mut writer = StreamWriter::try_new(&mut sealing, batch.schema_ref()).map_err(std::io::Error::other)?;
            writer.write(&batch).and_then(|()| writer.finish()).map_err(std::io::Error::other)?;
            drop(writer);
            let Sealing { mut file, hasher } = sealing;
            file.write_all(hasher.finalize().to_hex().as_bytes())
        };
        whole_file::write_cached(file, write).map_err(|error| failed(error.into()))?;
        Ok(())
    }

    fn batch(&self, run: &str) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let columns: [ArrayRef; 11] = [
            Arc::new(self.ids.clone()),
            Arc::new(self.given.clone()),
            Arc::new(self.width.clone()),
            Arc::new(self.height.clone()),
            Arc::new(self.regions.clone()),
            Arc::new(self.sources.clone()),
            Arc::new(self.support.clone()),
            Arc::new(self.labels.clone()),
            Arc::new(ListArray::new(
                Arc::new(Field::new_list_field(arrow_schema::DataType::UInt16, true)),
                self.labels.offsets().clone(),
                Arc::new(self.label_probabilities.clone()),
                None,
            )),
            Arc::new(self.truth.clone()),
            Arc::new(self.skipped.clone()),
        ];
        let field = |(name, column): (&str, &ArrayRef)| Field::new(name, column.data_type().clone(), true);
        let fields: Vec<Field> = COLUMNS.into_iter().chain(["skipped"]).zip(&columns).map(field).collect();
        let metadata: std::collections::HashMap<String, String> =
            [("version".to_owned(), VERSION.to_owned()), ("run".to_owned(), run.to_owned())].into();
        RecordBatch::try_new(Arc::new(Schema::new(fields).with_metadata(metadata)), columns.into())
    }

    fn of_batch(batch: &RecordBatch) -> Option<Self> {
        let column = |name: &str| batch.column_by_name(name).cloned();
        let list = |name: &str| Some(column(name)?.as_list_opt::<i32>()?.clone());
        let numbers = |name: &str| Some(column(name)?.as_primitive_opt::<UInt32Type>()?.clone());
        let (labels, probabilities, truth) = (list("label")?, list("probability")?, list("truth")?);
        if labels.offsets() != probabilities.offsets() {
            return None;
        }
        Some(Self {
            ids: column("id")?.as_string_opt::<i32>()?.clone(),
            given: numbers("given")?,
            width: numbers("width")?,
            height: numbers("height")?,
            regions: numbers("regions")?,
            sources: column("sources")?.as_primitive_opt::<UInt64Type>()?.clone(),
            support: column("support")?.as_primitive_opt::<UInt16Type>()?.clone(),
            label_classes: labels.values().as_primitive_opt::<UInt32Type>()?.clone(),
            label_probabilities: probabilities.values().as_primitive_opt::<UInt16Type>()?.clone(),
            labels,
            truth_classes: truth.values().as_primitive_opt::<UInt32Type>()?.clone(),
            truth,
            skipped: list("skipped")?,
        })
    }
}

/// A file whose bytes are hashed as they are written.
struct Sealing<'f> {
    file: &'f std::fs::File,
    hasher: blake3::Hasher,
}

impl Write for Sealing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn range(list: &ListArray, sample: usize) -> std::ops::Range<usize> {
    let offsets = list.value_offsets();
    offsets[sample] as usize..offsets[sample + 1] as usize
}

/// A probability in ten-thousandths.
pub fn units(probability: f32) -> u16 {
    (probability.clamp(0.0, 1.0) * UNIT).round() as u16
}

/// A probability from ten-thousandths.
pub fn of_units(units: u16) -> f32 {
    f32::from(units) / UNIT
}

/// An index in the making.
#[derive(Default)]
pub struct IndexBuilder {
    ids: StringBuilder,
    given: UInt32Builder,
    width: UInt32Builder,
    height: UInt32Builder,
    regions: UInt32Builder,
    sources: UInt64Builder,
    support: UInt16Builder,
    labels: ListBuilder<UInt32Builder>,
    probabilities: ListBuilder<UInt16Builder>,
    truth: ListBuilder<UInt32Builder>,
    skipped: ListBuilder<StringBuilder>,
}

impl IndexBuilder {
    /// Adds the next sample.
    pub fn add(&mut self, id: &str, sample: &SampleOverview) {
        self.ids.append_value(id);
        self.given.append_value(sample.given);
        self.width.append_value(sample.size[0]);
        self.height.append_value(sample.size[1]);
        self.regions.append_value(sample.regions);
        self.sources.append_value(sample.sources);
        self.support.append_value(sample.support.map_or(NO_SUPPORT, units));
        let mut labels: Vec<Label> = sample.labels.iter().map(|label| Label { class: label.class, p: units(label.probability.get()) }).collect();
        labels.retain(|label| label.p >= units(SMALLEST));
        labels.sort_by_key(|label| (std::cmp::Reverse(label.p), label.class));
        for label in labels.iter().take(MOST) {
            self.labels.values().append_value(label.class);
            self.probabilities.values().append_value(label.p);
        }
        self.labels.append(true);
        self.probabilities.append(true);
        self.truth.values().append_slice(sample.truth.as_deref().unwrap_or_default());
        self.truth.append(sample.truth.is_some());
        for reason in &sample.skipped {
            self.skipped.values().append_value(reason);
        }
        self.skipped.append(true);
    }

    /// The index of all samples that were added.
    pub fn finish(mut self) -> Index {
        let (labels, probabilities, truth) = (self.labels.finish(), self.probabilities.finish(), self.truth.finish());
        Index {
            ids: self.ids.finish(),
            given: self.given.finish(),
            width: self.width.finish(),
            height: self.height.finish(),
            regions: self.regions.finish(),
            sources: self.sources.finish(),
            support: self.support.finish(),
            label_classes: labels.values().as_primitive::<UInt32Type>().clone(),
            label_probabilities: probabilities.values().as_primitive::<UInt16Type>().clone(),
            labels,
            truth_classes: truth.values().as_primitive::<UInt32Type>().clone(),
            truth,
            skipped: self.skipped.finish(),
        }
    }
}

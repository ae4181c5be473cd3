//! One Arrow file, as `Dataset.save_to_disk` of Hugging Face's `datasets` writes it: a stream of batches, or the same as a file with a footer.
//!
//! Only headers, labels and ids are read beforehand; an image's bytes are read from their place. Source: the Arrow columnar format, "Encapsulated message format" and
//! "Recordbatch message" (arrow.apache.org/docs/format/Columnar.html).

mod layout;

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use arrow_array::{ArrayRef, make_array};
use arrow_buffer::{Buffer, bit_util};
use arrow_data::ArrayData;
use arrow_ipc::{MessageHeader, root_as_message};
use arrow_schema::{DataType, Schema};
use convert_formats::files::{self, Regular, Source};
use convert_sdk::{Error, Result, ResultExt};

use super::ParquetConfig;
use super::columns::{self, Chosen};
use layout::Column;

/// What a file in the form with a footer begins with.
const MAGIC: &[u8; 8] = b"ARROW1\0\0";
const LARGEST_PADDING: u64 = 256;
/// The header of a batch has some bytes for each of its columns.
const LARGEST_HEADER: u64 = 64 << 20;

/// A file whose columns are as they should be.
#[derive(Debug)]
pub struct ArrowFile {
    pub source: Source,
    batches: Vec<Batch>,
    label: Column,
    id: Option<Column>,
    image: Column,
    pub class_names: Option<Vec<String>>,
    pub integer_labels: bool,
}

/// Rows that stand together.
#[derive(Debug)]
struct Batch {
    /// The number of the first.
    start: u64,
    rows: u64,
    /// Where in the file each buffer of the wanted columns begins, and its length, by number.
    buffers: Vec<(u64, u64)>,
}

impl ArrowFile {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that is no Arrow or is truncated, compressed batches, a column that is missing or of another type.
    pub fn open(source: Source, config: &ParquetConfig) -> Result<Self> {
        let path = source.path();
        let mut file = source.open(files::MAX_ARCHIVE).context(|| format!("cannot read {}", path.display()))?;
        let mut messages = Messages::new(&mut file, path).context(|| format!("cannot read {}", path.display()))?;
        let schema = messages.schema()?;
        let fields = schema.fields();
        let Chosen { image, integer_labels } = columns::choose(fields, config, path)?;
        let find = |name: &str| layout::find(fields, name).map_err(|error| error.context(format!("cannot read {}", path.display())));
        let (label, image) = (find(&config.label_column)?, find(&image)?);
        let id = config.id_column.as_deref().map(find).transpose()?;
        // The last of the buffers that are needed.
        let wanted = [Some(&label), id.as_ref(), Some(&image)].into_iter().flatten().map(|column| column.buffers.end).max().unwrap_or_default();
        let (mut batches, mut start) = (Vec::new(), 0u64);
        while let Some(batch) = messages.batch(start, wanted)? {
            start += batch.rows;
            batches.push(batch);
        }
        let class_names = schema.metadata().get("huggingface").and_then(|text| columns::class_names(text, &config.label_column));
        Ok(Self { source, batches, label, id, image, class_names, integer_labels })
    }

    /// Hands out each row with its label and its id, if there is a column for it.
    ///
    /// # Errors
    /// Columns that cannot be read, and what `take` gives.
    pub fn labels(&self, mut take: impl FnMut(u64, Option<String>, Option<String>) -> Result<()>) -> Result<()> {
        let broken = || format!("cannot read the labels of {}: the file is broken, fetch it again", self.source.path().display());
        let file = self.file()?;
        for batch in &self.batches {
            let labels = batch.array(&file, &self.label).context(broken)?;
            let ids = self.id.as_ref().map(|column| batch.array(&file, column)).transpose().context(broken)?;
            let known = |column: &Column, row| batch.is_known(&file, column, row).context(broken);
            for row in 0..batch.rows {
                let label = if known(&self.label, row)? { columns::text(&labels, row as usize) } else { None };
                let id = match (&self.id, &ids) {
                    (Some(column), Some(ids)) if known(column, row)? => columns::text(ids, row as usize),
                    _ => None,
                };
                take(batch.start + row, label, id)?;
            }
        }
        Ok(())
    }

    /// The bytes of a row's image; nothing where it has none.
    ///
    /// # Errors
    /// Bytes that cannot be read, more than an image may have.
    pub fn image(&self, row: u64) -> Result<Option<Vec<u8>>> {
        let broken = || format!("cannot read the image of row {row} of {}", self.source.path().display());
        let at = self.batches.partition_point(|batch| batch.start <= row);
        let batch = at.checked_sub(1).and_then(|at| self.batches.get(at)).filter(|batch| row < batch.start + batch.rows);
        let batch = batch.ok_or_else(|| Error::invalid(broken()))?;
        let file = self.file()?;
        batch.bytes(&file, &self.image, row - batch.start).context(broken)
    }

    fn file(&self) -> Result<Regular> {
        self.source.open(files::MAX_ARCHIVE).context(|| format!("cannot read {}", self.source.path().display()))
    }
}

impl Batch {
    /// Reads a part of a buffer.
    fn read(&self, file: &Regular, buffer: usize, offset: u64, length: u64) -> Result<Vec<u8>> {
        let (start, size) = self.buffers.get(buffer).copied().unwrap_or_default();
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(Error::invalid(format!("a buffer of {size} bytes is too short for its rows")));
        }
        Ok(file.read_known(start + offset, length as usize)?)
    }

    /// A column of text or integers, whatever is null of it.
    fn array(&self, file: &Regular, column: &Column) -> Result<ArrayRef> {
        let whole = |buffer: usize| self.read(file, buffer, 0, self.buffers.get(buffer).map_or(0, |(_, length)| *length)).map(Buffer::from_vec);
        let builder = ArrayData::builder(column.data_type.clone()).len(self.rows as usize).align_buffers(true);
        let values = column.buffers.clone().skip(1).map(whole).collect::<Result<Vec<_>>>()?;
        Ok(make_array(builder.buffers(values).build()?))
    }

    /// Whether neither a row of a column nor any struct around it is null.
    fn is_known(&self, file: &Regular, column: &Column, row: u64) -> Result<bool> {
        for validity in &column.validities {
            // A buffer is left out where nothing is null.
            if self.buffers.get(*validity).is_some_and(|(_, length)| *length > 0)
                && !bit_util::get_bit(&self.read(file, *validity, row / 8, 1)?, row as usize % 8)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A row of a column of bytes; nothing where it is null.
    fn bytes(&self, file: &Regular, column: &Column, row: u64) -> Result<Option<Vec<u8>>> {
        if !self.is_known(file, column, row)? {
            return Ok(None);
        }
        let offsets = column.buffers.start + 1;
        let (start, end) = if column.data_type == DataType::LargeBinary {
            let bytes = self.read(file, offsets, row * 8, 16)?;
            let (start, end) = bytes.split_at(8);
            (number(start), number(end))
        } else {
            let bytes = self.read(file, offsets, row * 4, 8)?;
            let (start, end) = bytes.split_at(4);
            (number(start), number(end))
        };
        let length = end.checked_sub(start).ok_or_else(|| Error::invalid("its offsets run backwards"))?;
        if length > files::MAX_IMAGE {
            return Err(Error::invalid(format!("the image has {length} bytes, more than the limit of {}", files::MAX_IMAGE)));
        }
        self.read(file, offsets + 1, start, length).map(Some)
    }
}

/// A number of up to eight bytes, the lowest first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The messages of a file, one after the other.
struct Messages<'f> {
    file: &'f mut Regular,
    path: &'f Path,
}

impl<'f> Messages<'f> {
    fn new(file: &'f mut Regular, path: &'f Path) -> Result<Self> {
        let begins_with_magic = file.length() >= 8 && file.read_known(0, 8)? == MAGIC;
        // Behind it zeros fill up to 8 bytes, or to as many as the writer likes.
        let start = if begins_with_magic {
            let padded = file.read_known(8, LARGEST_PADDING.min(file.length() - 8) as usize)?;
            8 + padded.iter().take_while(|byte| **byte == 0).count() as u64
        } else {
            0
        };
        file.seek(SeekFrom::Start(start))?;
        Ok(Self { file, path })
    }

    fn broken(&self) -> String {
        format!("{} is not an Arrow file or a broken one: save it again", self.path.display())
    }

    /// The next header; nothing at the end.
    fn header(&mut self) -> Result<Option<Vec<u8>>> {
        let at = self.file.stream_position()?;
        if at >= self.file.length() {
            return Ok(None);
        }
        let mut word = [0; 4];
        self.file.read_exact(&mut word).context(|| self.broken())?;
        // Before Arrow 0.15 the length stood alone.
        if word == [0xff; 4] {
            self.file.read_exact(&mut word).context(|| self.broken())?;
        }
        let length = u64::from(u32::from_le_bytes(word));
        if length == 0 {
            return Ok(None);
        }
        if length > LARGEST_HEADER {
            return Err(Error::config(self.broken()));
        }
        let mut header = vec![0; length as usize];
        self.file.read_exact(&mut header).context(|| self.broken())?;
        Ok(Some(header))
    }

    fn schema(&mut self) -> Result<Schema> {
        let broken = self.broken();
        let header = self.header()?.ok_or_else(|| Error::config(broken.clone()))?;
        let message = root_as_message(&header).map_err(|error| Error::config(format!("{broken}: {error}")))?;
        let schema = message.header_as_schema().ok_or_else(|| Error::config(broken))?;
        arrow_ipc::convert::try_fb_to_schema(schema).map_err(|error| Error::config(format!("{}: {error}", self.broken())))
    }

    /// The next batch, with its first `wanted` buffers; nothing at the end.
    fn batch(&mut self, start: u64, wanted: usize) -> Result<Option<Batch>> {
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            let message = root_as_message(&header).map_err(|error| Error::config(format!("{}: {error}", self.broken())))?;
            let (body, length) = (self.file.stream_position()?, u64::try_from(message.bodyLength()).map_err(|_| Error::config(self.broken()))?);
            let end = body.saturating_add(length);
            if end > self.file.length() {
                let (path, size) = (self.path.display(), self.file.length());
                return Err(Error::config(format!("{path} is truncated: a batch ends at byte {end}, the file at {size}: save it again")));
            }
            self.file.seek(SeekFrom::Start(end))?;
            // Dictionaries are of columns that are not wanted.
            if message.header_type() == MessageHeader::DictionaryBatch {
                continue;
            }
            let batch = message.header_as_record_batch().ok_or_else(|| Error::config(self.broken()))?;
            if batch.compression().is_some() {
                return Err(Error::config(format!(
                    "{} has compressed batches, which cannot be read: write it without, or as Parquet",
                    self.path.display()
                )));
            }
            let rows = u64::try_from(batch.length()).ok().filter(|rows| *rows <= 8 * length);
            let place = |buffer: &arrow_ipc::Buffer| {
                let (offset, size) = (u64::try_from(buffer.offset()).ok()?, u64::try_from(buffer.length()).ok()?);
                (offset.checked_add(size)? <= length).then_some((body + offset, size))
            };
            let buffers: Option<Vec<_>> = batch.buffers().into_iter().flatten().take(wanted).map(place).collect();
            let (Some(rows), Some(buffers)) = (rows, buffers) else { return Err(Error::config(self.broken())) };
            return Ok(Some(Batch { start, rows, buffers }));
        }
    }
}

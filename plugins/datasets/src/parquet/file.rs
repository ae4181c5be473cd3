//! One Parquet file: its schema, its labels, and blocks of its images.

use std::ops::Range;
use std::path::Path;

use arrow_array::ArrayRef;
use convert_formats::files::{self, Source};
use convert_sdk::{Error, Result, ResultExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetStatisticsPolicy};

use super::ParquetConfig;
use super::columns::{self, Chosen, column};
use super::metered::Metered;

/// About so many bytes of images are read at once.
const BLOCK_BYTES: u64 = 16 << 20;
/// A column of a row group in a store is read in one request if it has at most so many bytes; page by page if more.
const LARGEST_CHUNK: u64 = 64 << 20;

/// A file whose columns are as they should be.
#[derive(Debug)]
pub struct ParquetFile {
    pub source: Source,
    metadata: ArrowReaderMetadata,
    /// Where each row group begins, and behind them the number of rows.
    starts: Vec<u64>,
    /// The column of the image's bytes.
    image: String,
    /// The label's class names in the metadata that Hugging Face writes.
    pub class_names: Option<Vec<String>>,
    /// Whether labels are integers.
    pub integer_labels: bool,
}

impl ParquetFile {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that is no Parquet, a column that is missing or of another type.
    pub fn open(source: Source, config: &ParquetConfig) -> Result<Self> {
        let path = source.path();
        let broken = || format!("{} is not a Parquet file or a broken one: fetch it again", path.display());
        let file = source.open(files::MAX_ARCHIVE).context(|| format!("cannot read {}", path.display()))?;
        // The smallest and largest image of each row group would stay in memory.
        let options = ArrowReaderOptions::new().with_column_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let metadata = ArrowReaderMetadata::load(&Metered::with_end(file, &source).context(broken)?, options).context(broken)?;
        let Chosen { image, integer_labels } = columns::choose(metadata.schema().fields(), config, path)?;
        let mut starts = vec![0u64];
        for group in metadata.metadata().row_groups() {
            let rows = starts[starts.len() - 1].checked_add(group.num_rows().max(0) as u64);
            starts.push(rows.ok_or_else(|| Error::invalid(broken()))?);
        }
        let class_names = class_names(&metadata, &config.label_column);
        Ok(Self { source, metadata, starts, image, class_names, integer_labels })
    }

    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// Hands out each row with its label and its id, if there is a column for it.
    ///
    /// # Errors
    /// Columns that cannot be read, and what `take` gives.
    pub fn labels(&self, config: &ParquetConfig, mut take: impl FnMut(u64, Option<String>, Option<String>) -> Result<()>) -> Result<()> {
        let broken = || format!("cannot read the labels of {}: the file is broken, fetch it again", self.path().display());
        let names = [Some(config.label_column.as_str()), config.id_column.as_deref()];
        let reader = self.reader(names.into_iter().flatten(), 0..self.starts.len() - 1, |builder| builder.with_batch_size(8192))?;
        let mut row = 0;
        for batch in reader {
            let batch = batch.context(broken)?;
            let find = |name: &str| column(&batch, name).ok_or_else(|| Error::invalid(broken()));
            let (labels, ids) = (find(&config.label_column)?, config.id_column.as_deref().map(find).transpose()?);
            for at in 0..batch.num_rows() {
                take(row, columns::text(&labels, at), ids.as_ref().and_then(|ids| columns::text(ids, at)))?;
                row += 1;
            }
        }
        Ok(())
    }

    /// The rows that are read together with a row: those of its row group, or so many of them that their images take about 16 MiB.
    pub fn block_of(&self, row: u64) -> Range<u64> {
        let group = self.group_of(row);
        let (start, end) = (self.starts[group], self.starts[group + 1]);
        let columns = self.metadata.metadata().row_group(group).columns();
        let bytes = columns
            .iter()
            .filter(|column| column.column_path().string() == self.image)
            .fold(0u64, |sum, column| sum.saturating_add(column.uncompressed_size().max(0) as u64));
        // One request brings all of them.
        let bytes = if matches!(self.source, Source::Object(_)) && bytes <= LARGEST_CHUNK { 1 } else { bytes };
        let rows = BLOCK_BYTES.saturating_mul(end - start).div_ceil(bytes.max(1)).clamp(1, end - start);
        let first = start + (row - start) / rows * rows;
        first..(first + rows).min(end)
    }

    /// The images' bytes of a block of rows.
    ///
    /// # Errors
    /// A block that cannot be read.
    pub fn images(&self, block: &Range<u64>) -> Result<ArrayRef> {
        let broken = || format!("cannot read the images of rows {} to {} of {}", block.start, block.end - 1, self.path().display());
        let (group, count) = (self.group_of(block.start), (block.end - block.start) as usize);
        let before = (block.start - self.starts[group]) as usize;
        let selection = RowSelection::from(vec![RowSelector::skip(before), RowSelector::select(count)]);
        let mut reader = self
            .reader([self.image.as_str()], group..group + 1, |builder| {
                builder.with_row_groups(vec![group]).with_row_selection(selection).with_batch_size(count)
            })
            .context(broken)?;
        let batch = reader.next().transpose().context(broken)?.filter(|batch| batch.num_rows() == count);
        batch.and_then(|batch| column(&batch, &self.image)).ok_or_else(|| Error::invalid(broken()))
    }

    /// Where the columns of row groups lie, that are to be read as a whole: from which byte to before which. What a broken file claims beyond its end is left out, and refused when it
    /// is read.
    fn chunks(&self, projection: &ProjectionMask, groups: Range<usize>) -> Vec<Range<u64>> {
        let metadata = self.metadata.metadata();
        let columns = metadata.row_groups().get(groups).unwrap_or_default().iter().flat_map(|group| group.columns().iter().enumerate());
        let place = |(leaf, column): (usize, &ColumnChunkMetaData)| {
            let start = column.dictionary_page_offset().into_iter().chain([column.data_page_offset()]).min()?;
            let (start, length) = (u64::try_from(start).ok()?, u64::try_from(column.compressed_size()).ok()?);
            (projection.leaf_included(leaf) && length <= LARGEST_CHUNK).then_some(start..start.checked_add(length)?)
        };
        columns.filter_map(place).collect()
    }

    fn group_of(&self, row: u64) -> usize {
        self.starts.partition_point(|start| *start <= row) - 1
    }

    fn reader<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        groups: Range<usize>,
        choose: impl FnOnce(ParquetRecordBatchReaderBuilder<Metered>) -> ParquetRecordBatchReaderBuilder<Metered>,
    ) -> Result<ParquetRecordBatchReader> {
        let file = self.source.open(files::MAX_ARCHIVE).context(|| format!("cannot read {}", self.path().display()))?;
        let projection = ProjectionMask::columns(self.metadata.parquet_schema(), names);
        let file = match &self.source {
            Source::File(_) => Metered::new(file),
            Source::Object(object) => {
                Metered::with_parts(file, object, &self.chunks(&projection, groups)).context(|| format!("cannot read {}", self.path().display()))?
            }
        };
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone()).with_projection(projection);
        choose(builder).build().context(|| format!("cannot read {}", self.path().display()))
    }
}

fn class_names(metadata: &ArrowReaderMetadata, label: &str) -> Option<Vec<String>> {
    let of_file = metadata.metadata().file_metadata().key_value_metadata().into_iter().flatten();
    let of_file = of_file.filter(|entry| entry.key == "huggingface").find_map(|entry| entry.value.as_ref());
    columns::class_names(of_file.or_else(|| metadata.schema().metadata().get("huggingface"))?, label)
}

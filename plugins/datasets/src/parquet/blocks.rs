//! The blocks of images that were read last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow_array::ArrayRef;
use convert_sdk::Result;

use super::columns;
use super::file::ParquetFile;

/// So many blocks stay in memory: workers stand at neighbouring rows.
const KEPT: usize = 4;

/// A block, once it is read; others who want it wait for the one who reads it.
type Block = Arc<OnceLock<Result<ArrayRef>>>;

/// See [`Blocks::image`].
#[derive(Debug, Default)]
pub struct Blocks(Mutex<VecDeque<((u32, u64), Block)>>);

impl Blocks {
    /// The image of a row of the file with that number; nothing where it has none.
    ///
    /// # Errors
    /// A block that cannot be read.
    pub fn image(&self, number: u32, file: &ParquetFile, row: u64) -> Result<Option<Vec<u8>>> {
        let range = file.block_of(row);
        let block = self.block((number, range.start));
        let images = block.get_or_init(|| file.images(&range)).as_ref().map_err(Clone::clone)?;
        Ok(columns::bytes(images, (row - range.start) as usize).map(<[u8]>::to_vec))
    }

    /// The block of a key, the last used one first.
    fn block(&self, key: (u32, u64)) -> Block {
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = blocks.iter().position(|(known, _)| *known == key).and_then(|at| blocks.remove(at));
        let block = found.map_or_else(Block::default, |(_, block)| block);
        blocks.push_front((key, Arc::clone(&block)));
        blocks.truncate(KEPT);
        block
    }
}

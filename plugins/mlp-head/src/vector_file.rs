//! The vectors that a training made before it learns, in two files of the stage's folder, so that they need not fit in memory and an interrupted extraction continues.
//!
//! `vectors.f32` holds the vectors, row after row in little-endian 32-bit floats, in the order of the images. `vectors.jsonl` says what is in it: a first line with
//! the format, the training's fingerprint and the numbers a vector, then a line for each few hundred images, written when their vectors are on the disk. What comes
//! after the last whole line is cut off when the files are opened again.
//!
//! Rows are read by position and not through a mapping: both go through the page cache, but a file that is truncated under a mapping kills the process. In memory
//! are four bytes a vector and four an image.

mod index;

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use convert_sdk::tracing::{info, warn};
use convert_sdk::{Error, ErrorKind, Result, ResultExt};
use rayon::prelude::*;

use crate::views::ImageVectors;
use index::{Block, Header};

const FORMAT: u32 = 2;
const VECTORS: &str = "vectors.f32";
const INDEX: &str = "vectors.jsonl";
/// Images a line of the index: what a killed process loses at most.
const BLOCK: usize = 256;
/// Rows that one thread reads of a batch.
const ROWS: usize = 32;

/// The files, and what is known of them.
#[derive(Debug)]
pub struct VectorFile {
    vectors: File,
    index: File,
    path: PathBuf,
    width: usize,
    /// What is on the disk.
    stored: Block,
    /// What is not there yet, and its rows.
    pending: Block,
    rows: Vec<u8>,
}

impl VectorFile {
    /// Opens what an interrupted training of the same fingerprint left in `folder`, or begins anew.
    ///
    /// # Errors
    /// Files that cannot be made, and those of a newer version, which are left alone.
    pub fn open(folder: &Path, fingerprint: &str, width: usize) -> Result<Self> {
        let (path, index_path) = (folder.join(VECTORS), folder.join(INDEX));
        let open = |path: &Path| {
            let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            opened.context(|| format!("cannot open {}", path.display()))
        };
        let (vectors, index) = (open(&path)?, open(&index_path)?);
        let named = || format!("cannot read {}", index_path.display());
        let header = Header { format: FORMAT, fingerprint: fingerprint.to_owned(), width };
        let mut file = Self { vectors, index, path, width, stored: Block::default(), pending: Block::default(), rows: Vec::new() };
        let whole = file.read_index(&header).context(named)?;
        file.index.set_len(whole).context(named)?;
        file.vectors.set_len(file.end()).context(|| format!("cannot shorten {}", file.path.display()))?;
        if whole == 0 {
            file.append_line(&serde_json::to_string(&header)?)?;
        } else if file.images() > 0 {
            info!("continuing after {} images whose vectors are there already", file.images());
        }
        Ok(file)
    }

    /// Deletes the files of a folder.
    pub fn remove(folder: &Path) {
        for name in [INDEX, VECTORS] {
            if let Err(error) = std::fs::remove_file(folder.join(name))
                && error.kind() != std::io::ErrorKind::NotFound
            {
                warn!("cannot delete {}: {error}", folder.join(name).display());
            }
        }
    }

    /// Takes in the lines that are whole and whose vectors are there; the length of that part of the index, 0 where nothing of it is of use.
    fn read_index(&mut self, ours: &Header) -> Result<u64> {
        let there = self.vectors.metadata()?.len();
        let (length, mut seen) = (self.index.metadata()?.len(), 0);
        let mut reader = BufReader::new(self.index.try_clone()?);
        // What cannot be read just now is an error: taken for the end, it would be cut off.
        let mut next = |line: &mut Vec<u8>| -> std::io::Result<()> {
            line.clear();
            seen += reader.read_until(b'\n', line)? as u64;
            if !line.ends_with(b"\n") && seen < length { Err(std::io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
        };
        let mut line = Vec::new();
        next(&mut line)?;
        if line.is_empty() {
            return Ok(0);
        }
        let mut whole = line.len() as u64;
        // A newer version may have changed all but the first key.
        let format = serde_json::from_slice::<serde_json::Value>(&line).ok().and_then(|header| header["format"].as_u64());
        if let Some(format) = format.filter(|format| *format > u64::from(FORMAT)) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "a newer version wrote it (format {format}, this one knows {FORMAT}): continue with that version, or delete the file to begin anew"
                ),
            ));
        }
        if serde_json::from_slice::<Header>(&line).ok().as_ref() != Some(ours) {
            warn!("{} is of a training with other regions or settings: beginning anew", self.path.display());
            return Ok(0);
        }
        loop {
            next(&mut line)?;
            // Cut short, or not by us: as good as the end.
            let block = serde_json::from_slice::<Block>(&line).ok().filter(|block| line.ends_with(b"\n") && block.is_whole());
            let Some(block) = block else { break };
            if self.end() + block.labels.len() as u64 * self.row_bytes() > there {
                warn!("{} is truncated: the vectors from image {} on are made again", self.path.display(), self.images() + 1);
                break;
            }
            if !self.is_as_written(&block)? {
                warn!("{} is damaged: the vectors from image {} on are made again", self.path.display(), self.images() + 1);
                break;
            }
            self.stored.extend(block);
            whole += line.len() as u64;
        }
        Ok(whole)
    }

    /// Whether the block behind what is known, and its vectors, are as they were written.
    fn is_as_written(&self, block: &Block) -> std::io::Result<bool> {
        let mut rows = vec![0; block.labels.len() * self.row_bytes() as usize];
        self.vectors.read_exact_at(&mut rows, self.end())?;
        Ok(block.hash(&rows)? == block.blake3)
    }

    fn row_bytes(&self) -> u64 {
        (self.width * size_of::<f32>()) as u64
    }

    /// The length of the vectors on the disk.
    fn end(&self) -> u64 {
        self.stored.labels.len() as u64 * self.row_bytes()
    }

    /// Images that are done.
    pub fn images(&self) -> usize {
        self.stored.images.len() + self.pending.images.len()
    }

    /// Vectors of each image that is stored.
    pub fn rows_of_images(&self) -> &[u32] {
        &self.stored.images
    }

    /// The class of each stored vector.
    pub fn labels(&self) -> &[u32] {
        &self.stored.labels
    }

    /// Numbers a vector, d.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Regions that are missing because their masks left a view.
    pub fn lost(&self) -> u64 {
        self.stored.lost
    }

    /// Why images have no vector.
    pub fn unusable(&self) -> &[String] {
        &self.stored.unusable
    }

    /// The next image's vectors, or why it has none.
    ///
    /// # Errors
    /// As [`VectorFile::flush`].
    pub fn push(&mut self, vectors: Result<ImageVectors>) -> Result<()> {
        match vectors {
            Ok(vectors) => {
                self.pending.images.push(vectors.labels.len() as u32);
                self.pending.labels.extend(vectors.labels);
                self.pending.lost += vectors.lost;
                self.rows.extend(vectors.values.iter().flat_map(|value| value.to_le_bytes()));
            }
            Err(error) => {
                self.pending.images.push(0);
                self.pending.unusable.push(error.to_string());
            }
        }
        if self.pending.images.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    /// Stores what is not there yet.
    ///
    /// # Errors
    /// A disk that is full or gone; what was stored before stays of use.
    pub fn flush(&mut self) -> Result<()> {
        if self.pending.images.is_empty() {
            return Ok(());
        }
        let named = || format!("cannot write {}", self.path.display());
        self.vectors.write_all_at(&self.rows, self.end()).context(named)?;
        self.vectors.sync_data().context(named)?;
        self.pending.blake3 = self.pending.hash(&self.rows)?;
        self.append_line(&serde_json::to_string(&self.pending)?)?;
        self.rows.clear();
        self.stored.extend(std::mem::take(&mut self.pending));
        Ok(())
    }

    fn append_line(&mut self, line: &str) -> Result<()> {
        let named = || format!("cannot write {}", self.path.with_file_name(INDEX).display());
        let end = self.index.metadata().context(named)?.len();
        self.index.write_all_at(format!("{line}\n").as_bytes(), end).context(named)?;
        self.index.flush().context(named)?;
        self.index.sync_data().context(named)
    }

    /// The stored vectors of these numbers, `[numbers.len(), width]`, read by all threads of `pool`.
    ///
    /// # Errors
    /// A file that cannot be read or is truncated.
    pub fn gather(&self, numbers: &[u32], pool: &rayon::ThreadPool) -> Result<Vec<f32>> {
        let mut values = vec![0.0; numbers.len() * self.width];
        let some = |(numbers, values): (&[u32], &mut [f32])| {
            let mut bytes = vec![0; self.row_bytes() as usize];
            numbers.iter().zip(values.chunks_exact_mut(self.width)).try_for_each(|(number, row)| {
                self.vectors.read_exact_at(&mut bytes, u64::from(*number) * self.row_bytes())?;
                row.iter_mut().zip(bytes.as_chunks::<4>().0).for_each(|(value, bytes)| *value = f32::from_le_bytes(*bytes));
                Ok(())
            })
        };
        let read: std::io::Result<()> = pool.install(|| numbers.par_chunks(ROWS).zip(values.par_chunks_mut(ROWS * self.width)).try_for_each(some));
        read.context(|| self.unreadable())?;
        Ok(values)
    }

    /// Calls `each` with every stored vector in turn.
    ///
    /// # Errors
    /// As [`VectorFile::gather`].
    pub fn for_each(&self, mut each: impl FnMut(&[f32])) -> Result<()> {
        let mut reader = BufReader::with_capacity(1 << 20, AtStart { file: &self.vectors, at: 0 });
        let (mut bytes, mut row) = (vec![0; self.row_bytes() as usize], vec![0.0; self.width]);
        for _ in self.labels() {
            reader.read_exact(&mut bytes).context(|| self.unreadable())?;
            row.iter_mut().zip(bytes.as_chunks::<4>().0).for_each(|(value, bytes)| *value = f32::from_le_bytes(*bytes));
            each(&row);
        }
        Ok(())
    }

    fn unreadable(&self) -> String {
        format!("cannot read the vectors in {}; run again to make again what is missing", self.path.display())
    }
}

/// Reads a file from its start by position, whatever else reads it.
struct AtStart<'a> {
    file: &'a File,
    at: u64,
}

impl Read for AtStart<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read_at(bytes, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(image: u32) -> Result<ImageVectors> {
        match image % 5 {
            4 => Err(Error::invalid(format!("image {image} is broken"))),
            count => Ok(ImageVectors {
                labels: (0..count).collect(),
                values: (0..count * 3).map(|at| (image * 100 + at) as f32).collect(),
                lost: u64::from(count == 2),
            }),
        }
    }

    fn filled(folder: &Path, images: u32) -> VectorFile {
        let mut file = VectorFile::open(folder, "abc", 3).unwrap();
        for image in file.images() as u32..images {
            file.push(vectors(image)).unwrap();
        }
        file.flush().unwrap();
        file
    }

    fn bytes(folder: &Path) -> [Vec<u8>; 2] {
        [VECTORS, INDEX].map(|name| std::fs::read(folder.join(name)).unwrap())
    }

    #[test]
    fn rows_come_back_by_number_and_in_turn() {
        let folder = tempfile::tempdir().unwrap();
        let file = filled(folder.path(), 1000);
        assert_eq!((file.images(), file.labels().len(), file.lost(), file.unusable().len()), (1000, 1200, 200, 200));
        let mut expected: Vec<Vec<f32>> = Vec::new();
        for image in 0..1000 {
            expected.extend(vectors(image).unwrap_or_default().values.chunks(3).map(<[f32]>::to_vec));
        }
        let mut rows = Vec::new();
        file.for_each(|row| rows.push(row.to_vec())).unwrap();
        assert_eq!(rows, expected);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let numbers: Vec<u32> = (0..300).map(|at| at * 7 % 1200).collect();
        let gathered = file.gather(&numbers, &pool).unwrap();
        assert_eq!(gathered, numbers.iter().flat_map(|number| expected[*number as usize].clone()).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_cut_short_is_made_again_and_the_rest_is_kept() {
        let whole = tempfile::tempdir().unwrap();
        drop(filled(whole.path(), 1000));
        for (name, share, kept) in [(VECTORS, 0.6, 512), (VECTORS, 0.0, 0), (INDEX, 0.7, 512), (INDEX, 0.001, 0)] {
            let folder = tempfile::tempdir().unwrap();
            drop(filled(folder.path(), 1000));
            let file = OpenOptions::new().write(true).open(folder.path().join(name)).unwrap();
            file.set_len((file.metadata().unwrap().len() as f64 * share) as u64).unwrap();
            assert_eq!(VectorFile::open(folder.path(), "abc", 3).unwrap().images(), kept, "{name} {share}");
            drop(filled(folder.path(), 1000));
            assert!(bytes(folder.path()) == bytes(whole.path()), "{name} {share}");
        }
    }

    #[test]
    fn a_flipped_bit_costs_its_block_and_what_follows() {
        let whole = tempfile::tempdir().unwrap();
        drop(filled(whole.path(), 1000));
        for (name, share, kept) in [(VECTORS, 0.6, 512), (INDEX, 0.7, 512), (VECTORS, 0.0, 0)] {
            let folder = tempfile::tempdir().unwrap();
            drop(filled(folder.path(), 1000));
            let mut bytes_of_file = std::fs::read(folder.path().join(name)).unwrap();
            let at = (bytes_of_file.len() as f64 * share) as usize;
            bytes_of_file[at] ^= 1;
            std::fs::write(folder.path().join(name), bytes_of_file).unwrap();
            assert_eq!(VectorFile::open(folder.path(), "abc", 3).unwrap().images(), kept, "{name} {share}");
            drop(filled(folder.path(), 1000));
            assert!(bytes(folder.path()) == bytes(whole.path()), "{name} {share}");
        }
    }

    #[test]
    fn another_training_begins_anew_and_a_newer_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        drop(filled(folder.path(), 100));
        let file = VectorFile::open(folder.path(), "of another", 3).unwrap();
        assert_eq!((file.images(), file.vectors.metadata().unwrap().len()), (0, 0));
        std::fs::write(folder.path().join(INDEX), "{\"format\":3,\"of\":\"the future\"}\n").unwrap();
        std::fs::write(folder.path().join(VECTORS), "vectors").unwrap();
        let before = bytes(folder.path());
        let error = VectorFile::open(folder.path(), "abc", 3).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.to_string().contains("a newer version wrote it (format 3, this one knows 2)"), "{error}");
        assert_eq!(bytes(folder.path()), before);
        VectorFile::remove(folder.path());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

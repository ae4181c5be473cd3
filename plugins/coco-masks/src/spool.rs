//! Masks on disk, by image: what stays in memory is forty bytes a mask.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use convert_sdk::{Result, ResultExt};

use crate::segmentation::{from_bytes, to_bytes};
use convert_formats::coco::Segmentation;

/// A mask in the spool.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The annotation's id, or its place in the file from 1 where it has none.
    pub annotation: u64,
    /// The image's id.
    pub image: u64,
    /// The mask's own size; 0x0 for polygons.
    pub size: (u32, u32),
    /// The annotation's score; 1 where it has none.
    pub score: f32,
    length: u32,
    offset: u64,
}

/// A spool that is being filled.
#[derive(Debug)]
pub struct SpoolWriter {
    file: BufWriter<File>,
    entries: Vec<Entry>,
    offset: u64,
}

/// A spool that is read, from any thread.
#[derive(Debug)]
pub struct Spool {
    file: File,
    /// Sorted by image; of one image in the order of the file.
    entries: Vec<Entry>,
}

impl SpoolWriter {
    /// An unnamed file in a folder, gone with the process.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).context(|| format!("cannot make the folder {}", folder.display()))?;
        let file = tempfile::tempfile_in(folder).context(|| format!("cannot create a temporary file in {}", folder.display()))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), entries: Vec::new(), offset: 0 })
    }

    /// Adds a mask.
    ///
    /// # Errors
    /// A full disk.
    pub fn add(&mut self, annotation: Option<u64>, image: u64, score: f32, segmentation: &Segmentation) -> Result<()> {
        let bytes = to_bytes(segmentation);
        self.file.write_all(&bytes).context(|| "cannot write the masks to the cache folder".into())?;
        let annotation = annotation.unwrap_or(self.entries.len() as u64 + 1);
        self.entries.push(Entry {
            annotation,
            image,
            size: segmentation.size().unwrap_or_default(),
            score,
            length: bytes.len() as u32,
            offset: self.offset,
        });
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Ends the filling.
    ///
    /// # Errors
    /// A full disk.
    pub fn finish(mut self) -> Result<Spool> {
        self.entries.sort_by_key(|entry| entry.image);
        self.entries.shrink_to_fit();
        let file = self.file.into_inner().map_err(|error| error.into_error()).context(|| "cannot write the masks to the cache folder".into())?;
        Ok(Spool { file, entries: self.entries })
    }
}

impl Spool {
    /// All masks, by image.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The masks of an image, in the order of the file.
    pub fn of_image(&self, image: u64) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.image < image);
        let end = self.entries.partition_point(|entry| entry.image <= image);
        &self.entries[start..end]
    }

    /// The mask of an entry.
    ///
    /// # Errors
    /// A disk that cannot be read.
    pub fn read(&self, entry: &Entry) -> Result<Segmentation> {
        let mut bytes = vec![0; entry.length as usize];
        self.file.read_exact_at(&mut bytes, entry.offset).context(|| "cannot read the masks in the cache folder".into())?;
        from_bytes(&bytes)
    }
}

//! A COCO file that is written as a stream.

use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use convert_sdk::{LabelledSample, Mask, Result, ResultExt, Serialize, serde};

/// Holds nothing that grows with the dataset: images go to the output as they come, annotations to an unnamed file in the same folder, which is appended at the end.
#[derive(Debug)]
pub struct CocoFile {
    output: BufWriter<File>,
    annotations: BufWriter<File>,
    images: u64,
    annotation_count: u64,
}

impl CocoFile {
    /// Begins a file with its sections before the images.
    ///
    /// # Errors
    /// A folder or disk that cannot be written.
    pub fn create(path: &Path, info: &impl Serialize, categories: impl IntoIterator<Item: Serialize>) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let annotations = tempfile::tempfile_in(folder).context(|| format!("cannot create a temporary file in {}", folder.display()))?;
        let mut output = BufWriter::new(File::create(path).context(|| format!("cannot create {}", path.display()))?);
        output.write_all(b"{\"info\":")?;
        serde_json::to_writer(&mut output, info)?;
        output.write_all(b",\n\"licenses\":[],\n\"categories\":[")?;
        let mut count = 0;
        for category in categories {
            write_item(&mut output, &mut count, &category)?;
        }
        output.write_all(b"\n],\n\"images\":[")?;
        Ok(Self { output, annotations: BufWriter::new(annotations), images: 0, annotation_count: 0 })
    }

    /// The id of the image that comes next: the number that it has in the dataset's own file, else one that counts from 1.
    pub fn image_id(&self, sample: &LabelledSample<'_>) -> u64 {
        sample.number.unwrap_or(self.images + 1)
    }

    /// The id of the annotation that comes next; ids count from 1.
    pub fn next_annotation(&self) -> u64 {
        self.annotation_count + 1
    }

    /// Adds an image.
    pub fn add_image(&mut self, record: &impl Serialize) -> Result<()> {
        write_item(&mut self.output, &mut self.images, record)
    }

    /// Adds an annotation.
    pub fn add_annotation(&mut self, record: &impl Serialize) -> Result<()> {
        write_item(&mut self.annotations, &mut self.annotation_count, record)
    }

    /// Appends the annotations and ends the file.
    pub fn finish(&mut self) -> Result<()> {
        self.output.write_all(b"\n],\n\"annotations\":[")?;
        self.annotations.flush()?;
        let scratch = self.annotations.get_mut();
        scratch.seek(SeekFrom::Start(0))?;
        std::io::copy(scratch, &mut self.output)?;
        self.output.write_all(b"\n]}\n")?;
        self.output.flush()?;
        Ok(())
    }
}

/// Writes a value as one line, after a comma unless it is the first.
fn write_item(file: &mut BufWriter<File>, count: &mut u64, item: &impl Serialize) -> Result<()> {
    file.write_all(if *count == 0 { b"\n" } else { b",\n" })?;
    serde_json::to_writer(file, item)?;
    *count += 1;
    Ok(())
}

/// A mask in COCO's compressed code.
#[derive(Serialize)]
#[serde(crate = "serde")]
pub struct Segmentation {
    size: [u32; 2],
    counts: String,
}

impl From<&Mask> for Segmentation {
    fn from(mask: &Mask) -> Self {
        Self { size: [mask.height(), mask.width()], counts: mask.counts() }
    }
}

//! A COCO file, read once as a stream: its images are kept by name, its masks go to the spool.

use std::path::Path;

use convert_formats::coco::{self, CocoReader, Segmentation};
use convert_formats::label_sets::NameIndex;
use convert_sdk::{Error, Result, ResultExt, serde};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::spool::{Spool, SpoolWriter};

/// An image of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageRecord {
    /// Its id in the file.
    pub id: u64,
    /// Its width and height, the right way round; `None` where the file does not say.
    pub size: Option<(u32, u32)>,
}

/// A COCO file.
#[derive(Debug)]
pub struct CocoFile {
    images: Vec<ImageRecord>,
    names: NameIndex,
    /// The masks.
    pub spool: Spool,
    /// Images whose width and height are swapped in the file.
    pub swapped: usize,
}

#[derive(Deserialize)]
#[serde(crate = "serde")]
struct RawImage {
    id: u64,
    file_name: String,
    #[serde(default)]
    width: Option<u32>,
    #[serde(default)]
    height: Option<u32>,
}

#[derive(Deserialize)]
#[serde(crate = "serde")]
struct RawAnnotation {
    #[serde(default)]
    id: Option<u64>,
    image_id: u64,
    #[serde(default)]
    segmentation: Option<Segmentation>,
    #[serde(default)]
    score: Option<f32>,
    #[serde(default)]
    iscrowd: u8,
}

impl CocoFile {
    /// Reads a file; masks go to an unnamed file in `cache`. Crowds are left out unless asked for, annotations without a mask always.
    ///
    /// # Errors
    /// A file that cannot be read or is not a COCO file, an image or file name that comes twice, a score that is no number.
    pub fn read(path: &Path, cache: &Path, crowds: bool) -> Result<Self> {
        let mut contents = Contents { spool: SpoolWriter::new(cache)?, images: Vec::new(), names: NameIndex::default(), crowds, annotated: false };
        coco::read(path, &mut contents).context(|| format!("cannot read the masks of {}", path.display()))?;
        if contents.images.is_empty() || !contents.annotated {
            return Err(Error::config(format!("{} is not a COCO file with `images` and `annotations`", path.display())));
        }
        let Contents { spool, mut images, names, .. } = contents;
        let spool = spool.finish()?;
        let swapped = mend_sizes(&mut images, &spool);
        Ok(Self { images, names, spool, swapped })
    }

    /// The image of a sample: found by its whole name, or by the name without folder and extension where that is unambiguous.
    pub fn image(&self, sample: &str) -> Option<ImageRecord> {
        self.names.find(sample).map(|at| self.images[at])
    }

    /// How many images there are.
    pub fn images(&self) -> usize {
        self.images.len()
    }
}

/// Turns the sizes of images round whose masks say that they are swapped; how many these are.
fn mend_sizes(images: &mut [ImageRecord], spool: &Spool) -> usize {
    let mut swapped = 0;
    for image in images {
        let Some((width, height)) = image.size.filter(|(width, height)| width != height) else { continue };
        let mut sizes = spool.of_image(image.id).iter().map(|entry| entry.size).filter(|size| *size != (0, 0)).peekable();
        if sizes.peek().is_some() && sizes.all(|size| size == (height, width)) {
            image.size = Some((height, width));
            swapped += 1;
        }
    }
    swapped
}

/// What is read so far.
struct Contents {
    spool: SpoolWriter,
    images: Vec<ImageRecord>,
    names: NameIndex,
    crowds: bool,
    annotated: bool,
}

impl CocoReader for Contents {
    type Image = RawImage;
    type Annotation = RawAnnotation;
    type Category = IgnoredAny;

    fn begin(&mut self, section: &str) {
        self.annotated |= section == "annotations";
    }

    fn image(&mut self, raw: RawImage) -> Result<()> {
        let at = self.images.len();
        self.images.push(ImageRecord { id: raw.id, size: raw.width.zip(raw.height) });
        if self.names.insert(&raw.file_name, at) { Ok(()) } else { Err(Error::invalid(format!("two images are named `{}`", raw.file_name))) }
    }

    fn annotation(&mut self, raw: RawAnnotation) -> Result<()> {
        let Some(segmentation) = raw.segmentation.filter(|_| self.crowds || raw.iscrowd == 0) else { return Ok(()) };
        let score = raw.score.unwrap_or(1.0);
        if !score.is_finite() {
            return Err(Error::invalid(format!("an annotation of the image {} has the score {score}", raw.image_id)));
        }
        self.spool.add(raw.id, raw.image_id, score, &segmentation)
    }

    fn category(&mut self, _: IgnoredAny) -> Result<()> {
        Ok(())
    }
}

//! What of a COCO file is compared.

use std::path::Path;

use convert_formats::coco::{self, CocoReader, Segmentation};
use convert_sdk::Result;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// An entry of `images`.
#[derive(Debug, Deserialize)]
pub(super) struct ImageEntry {
    pub id: u64,
    pub file_name: String,
    pub width: u32,
    pub height: u32,
}

/// An entry of `annotations`, or of a list of results.
#[derive(Debug, Deserialize)]
pub(super) struct Annotation {
    pub image_id: u64,
    /// x, y, width, height.
    pub bbox: Option<[f64; 4]>,
    pub segmentation: Option<Segmentation>,
    pub score: Option<f64>,
    /// The proposer's own score, in files of the exporter `coco`, whose `score` is the labeler's.
    pub proposal_score: Option<f64>,
    #[serde(default)]
    pub iscrowd: u8,
}

/// The images of a file; none in a list of results.
pub(super) fn images(path: &Path, take: impl FnMut(ImageEntry) -> Result<()>) -> Result<()> {
    coco::read(path, &mut Images(take))
}

/// The annotations of a file, or of a list of results.
pub(super) fn annotations(path: &Path, take: impl FnMut(Annotation) -> Result<()>) -> Result<()> {
    coco::read(path, &mut Annotations(take))
}

struct Images<F>(F);

struct Annotations<F>(F);

macro_rules! reader {
    ($name:ident, $taken:ty, $image:ty, $annotation:ty, $taking:ident, $ignoring:ident) => {
        impl<F: FnMut($taken) -> Result<()>> CocoReader for $name<F> {
            type Image = $image;
            type Annotation = $annotation;
            type Category = IgnoredAny;

            fn $taking(&mut self, item: $taken) -> Result<()> {
                (self.0)(item)
            }
            fn $ignoring(&mut self, _: IgnoredAny) -> Result<()> {
                Ok(())
            }
            fn category(&mut self, _: IgnoredAny) -> Result<()> {
                Ok(())
            }
        }
    };
}

reader!(Images, ImageEntry, ImageEntry, IgnoredAny, image, annotation);
reader!(Annotations, Annotation, IgnoredAny, Annotation, annotation, image);

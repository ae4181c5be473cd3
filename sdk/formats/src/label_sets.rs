//! Image-level label sets as files hold them (method 8): the label files of the paper's authors, ReaL, ImageNetV2, COCO. Host and plugins read them through this module alone.

mod cooccurrence;
mod image_name;
mod json;
mod multilabel_tsv;
mod predictions;
mod truth;

pub use cooccurrence::{Cooccurrence, PairCount};
pub use image_name::{NameIndex, image_stem, validation_number};
pub use multilabel_tsv::{LabelledImage, read_multilabel_tsv};
pub use predictions::{PredictedImage, Predictions};
pub use truth::{Truth, TruthFormat};

use convert_sdk::{Error, Result};

/// Most classes that a file of labels may speak of: what counts by class takes memory by the highest index, not by the file's size.
pub const MAX_CLASSES: u32 = 1 << 20;
/// Most classes that one image truly shows: pairs of them are counted.
pub const MAX_IMAGE_CLASSES: usize = 1024;

/// A class index from a file whose class list is not known.
fn check_class(class: u64) -> Result<u32> {
    match u32::try_from(class) {
        Ok(class) if class < MAX_CLASSES => Ok(class),
        _ => Err(Error::invalid(format!("the class {class} is beyond the limit of {MAX_CLASSES} classes"))),
    }
}

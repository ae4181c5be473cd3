//! Image-level label sets as files hold them (SPEC 8): the label files of the paper's authors, ReaL, ImageNetV2, COCO. Host and plugins read them through this module alone.

mod cooccurrence;
mod image_name;
mod json;
mod multilabel_tsv;
mod predictions;
mod truth;

pub use cooccurrence::{Cooccurrence, PairCount};
pub use image_name::{image_stem, validation_number, NameIndex};
pub use multilabel_tsv::{read_multilabel_tsv, LabelledImage};
pub use predictions::{PredictedImage, Predictions};
pub use truth::{Truth, TruthFormat};

use serde::{Deserialize, Serialize};

use crate::{Image, Mask, Result};

/// One image of a dataset and its single label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sample {
    /// Unique in the dataset, the same in every run, such as `n01440764/ILSVRC2012_val_00000293.JPEG`. The run's order is the order of the ids.
    pub id: String,
    /// Index of the single label in [`Dataset::classes`].
    pub label: u32,
    /// A number that changes when the image's content does (its size and modification time, say); 0 when the dataset cannot know, [`Sample::MISSING`] when there is no file.
    pub revision: u64,
}

impl Sample {
    /// The revision of a sample whose image is not there although its folder is: the host records it as a bad sample. A sample of any other revision that cannot be
    /// read stops the run, since that may pass.
    pub const MISSING: u64 = 1;
}

/// An image as a dataset has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageData {
    /// An encoded file: JPEG, PNG, WebP, TIFF, BMP or GIF. The host decodes it.
    Encoded(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Decoded pixels.
    Pixels(Image<'static>),
}

/// One true object of an image, where a dataset knows the truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthObject {
    /// Index of its class.
    pub class: u32,
    /// Its visible part, if known, at the image's size.
    pub mask: Option<Mask>,
}

/// Role `dataset`: which samples there are, and their images on demand.
pub trait Dataset: Send + Sync {
    /// The class names; a label is an index into them.
    fn classes(&self) -> Vec<String>;

    /// All samples, in any order. The host holds them for the whole run (about 100 bytes each).
    fn samples(&self) -> Result<Vec<Sample>>;

    /// The image of a sample.
    fn image(&self, id: &str) -> Result<ImageData>;

    /// The numbers by which the dataset's own files know the classes, such as COCO's category ids, by class; none where they have no others than the indices.
    fn class_numbers(&self) -> Vec<u64> {
        Vec::new()
    }

    /// The number by which the dataset's own files know a sample, such as COCO's image id.
    fn sample_number(&self, _id: &str) -> Result<Option<u64>> {
        Ok(None)
    }

    /// The true objects of a sample, if this dataset knows them; the run's summary then scores the labels.
    fn truth(&self, _id: &str) -> Result<Option<Vec<TruthObject>>> {
        Ok(None)
    }
}

use serde::{Deserialize, Serialize};

use super::Work;
use crate::{Error, Image, Mask, Result};

/// A decoded image and the sample it belongs to.
#[derive(Clone, Debug)]
pub struct SampleImage<'a> {
    /// The sample's id.
    pub id: &'a str,
    /// The image at its full size.
    pub image: Image<'a>,
}

/// A named number that explains a mask, such as MaskCut's second eigenvalue; kept with the mask through all stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What it is, in the field's terms.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// A mask that may show an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// At any size: the host fits it to the image after the refiners.
    pub mask: Mask,
    /// How good the proposer thinks it is; higher is better, comparable within one configuration only. Finite.
    pub score: f32,
    /// Where it comes from, in numbers.
    pub measures: Vec<Measure>,
}

impl Proposal {
    /// A proposal without measures; an error when the score is not finite.
    pub fn new(mask: Mask, score: f32) -> Result<Self> {
        if !score.is_finite() {
            return Err(Error::numeric(format!("a proposal's score is {score}")));
        }
        Ok(Self { mask, score, measures: Vec::new() })
    }

    /// The same proposal with one more number.
    pub fn with_measure(mut self, name: &str, value: f64) -> Self {
        self.measures.push(Measure { name: name.into(), value });
        self
    }
}

/// Role `proposer`: masks that may show objects.
pub trait Proposer: Send + Sync {
    /// How many images one call should get: 1 unless the work on several images at once is cheaper (a GPU).
    fn batch_size(&self) -> usize {
        1
    }

    /// What an image costs.
    fn work(&self) -> Work {
        Work::default()
    }

    /// The proposals of each image, in the order of the images. After an error the host asks again image by image, so that only the bad one is skipped.
    fn propose(&self, images: &[SampleImage<'_>]) -> Result<Vec<Vec<Proposal>>>;

    /// What to offer somebody who points at the pixel in column `x` and row `y`, in any order: of these the host keeps the masks that have the pixel. The image's proposals,
    /// unless the proposer can do better where it is told the place. Asked by `convert view`, never in a run.
    fn propose_at(&self, image: &SampleImage<'_>, _x: u32, _y: u32) -> Result<Vec<Proposal>> {
        Ok(self.propose(std::slice::from_ref(image))?.concat())
    }
}

use serde::{Deserialize, Serialize};

use super::{Proposal, Work};
use crate::{LazyImage, Result};

/// What a refiner made of a proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refinement {
    /// It stays, with its mask changed or not.
    Keep(Proposal),
    /// It goes, for a reason that the run records.
    Drop {
        /// Why, in one line.
        reason: String,
    },
}

/// Role `refiner`: better masks, or fewer.
pub trait Refiner: Send + Sync {
    /// What an image costs whose proposals come from `before`, and what is left of them.
    fn work(&self, before: &Work) -> Work {
        before.masks_alone()
    }

    /// One answer for each of an image's proposals, in their order. A mask keeps its own size; a refiner that looks at pixels resizes the image to it.
    fn refine(&self, image: &LazyImage<'_>, proposals: &[Proposal]) -> Result<Vec<Refinement>>;
}

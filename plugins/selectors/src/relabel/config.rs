//! The plugin's section of a recipe, and what it comes to under a profile.

use std::borrow::Cow;
use std::path::PathBuf;

use convert_sdk::schemars::{Schema, SchemaGenerator, json_schema};
use convert_sdk::{Context, Deserialize, Error, InputFolder, JsonSchema, Result, config};

/// Keeps the regions whose part of a label map shows the image's label (paper 3.2).
///
/// A label map holds the best five classes of each of 15×15 places with their logits. ReLabel's maps of ImageNet are files; for any other
/// dataset `maps: own` makes such maps first: the labeler's head is trained on whole images with their labels and then asked about every place.
/// A region's mean logits over its pixels, with absent classes at 0, give its class probabilities by softmax. Under the profile
/// authors-code the mask is shrunk to the map instead, a region is kept when its best class reaches `threshold`, and trained with that class.
#[config(default)]
#[derive(Clone, Debug)]
pub struct RelabelFilterConfig {
    /// `own` (default), or the folder, on this machine or at an address such as `s3://bucket/maps`, of ReLabel's files: `FOLDER/wnid/stem.pt` for the sample `wnid/stem.JPEG`.
    pub maps: Maps,
    /// Which regions are kept; default `best` with own maps and `threshold` with files. The absolute threshold suits maps with the logit scale of ReLabel's.
    pub keep: Option<Keep>,
    /// With `keep: threshold`: a region is kept when its confidence is above this (authors-code: at least this); default 0.75. 0 keeps all.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f64,
    /// How often regions are chosen and the labeler is trained; default 3 with own maps, 1 with files. From the second round on, the labeler of the
    /// round before gives the confidences.
    #[schemars(range(min = 1, max = 20))]
    pub rounds: Option<u32>,
    /// Whether an image's kept regions with one label are merged to one training region; default false (paper), or true under the profile authors-code.
    pub merge_by_label: Option<bool>,
}

/// Where label maps come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(crate = "convert_sdk::serde", from = "PathBuf")]
pub enum Maps {
    /// Made from the dataset's own labels.
    #[default]
    Own,
    /// Files in a folder.
    Folder(InputFolder),
}

impl From<PathBuf> for Maps {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == OWN { Self::Own } else { Self::Folder(path.into()) }
    }
}

const OWN: &str = "own";

impl JsonSchema for Maps {
    fn schema_name() -> Cow<'static, str> {
        "Maps".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut folder = generator.subschema_for::<InputFolder>();
        folder.insert("x-address".into(), true.into());
        json_schema!({ "anyOf": [{ "const": OWN, "description": "Made from the dataset's own labels." }, folder] })
    }
}

/// Which regions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "convert_sdk::serde", rename_all = "kebab-case")]
#[schemars(crate = "convert_sdk::schemars")]
pub enum Keep {
    /// Those whose confidence passes `threshold` (the paper).
    Threshold,
    /// The region of each image that shows the image's label best, whatever its confidence.
    Best,
}

impl Default for RelabelFilterConfig {
    fn default() -> Self {
        Self { maps: Maps::Own, keep: None, threshold: 0.75, rounds: None, merge_by_label: None }
    }
}

/// Rounds with own maps (method 3).
const ROUNDS_OF_OWN_MAPS: u32 = 3;

impl RelabelFilterConfig {
    /// Ranges that the schema states, checked again for callers that are not the host.
    pub fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(Error::config(format!("threshold is {}: give a probability from 0 to 1", self.threshold)));
        }
        if self.rounds == Some(0) {
            return Err(Error::config("rounds must be at least 1"));
        }
        Ok(())
    }

    /// Which regions are kept.
    pub fn keep(&self) -> Keep {
        self.keep.unwrap_or(if self.maps == Maps::Own { Keep::Best } else { Keep::Threshold })
    }

    /// How often regions are chosen.
    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.maps == Maps::Own { ROUNDS_OF_OWN_MAPS } else { 1 })
    }

    /// Whether regions with one label are merged.
    pub fn merge_by_label(&self, context: &Context) -> bool {
        self.merge_by_label.unwrap_or(context.authors_code())
    }
}

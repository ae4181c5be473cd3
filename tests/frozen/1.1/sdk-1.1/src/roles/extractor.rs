use serde::{Deserialize, Serialize};

use crate::abi::message::packed;
use crate::{Error, Image, Result};

/// One feature vector a patch of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct FeatureMap {
    rows: u32,
    columns: u32,
    dimension: u32,
    #[serde(with = "packed")]
    values: Vec<f32>,
}

/// A feature map of the other side.
#[derive(Deserialize)]
struct Unchecked {
    rows: u32,
    columns: u32,
    dimension: u32,
    #[serde(with = "packed")]
    values: Vec<f32>,
}

impl TryFrom<Unchecked> for FeatureMap {
    type Error = String;
    fn try_from(map: Unchecked) -> Result<Self, String> {
        Self::new(map.rows, map.columns, map.dimension, map.values).map_err(|error| error.message)
    }
}

impl FeatureMap {
    /// Features of `rows` x `columns` patches, `dimension` numbers each, in row order.
    ///
    /// # Errors
    /// A number of values that does not fit.
    pub fn new(rows: u32, columns: u32, dimension: u32, values: Vec<f32>) -> Result<Self> {
        let expected = u64::from(rows) * u64::from(columns) * u64::from(dimension);
        if values.len() as u64 != expected {
            return Err(Error::invalid(format!(
                "features of {rows}x{columns} patches and {dimension} numbers need {expected} values, got {}",
                values.len()
            )));
        }
        Ok(Self { rows, columns, dimension, values })
    }

    /// Patches down the image, h'.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Patches across the image, w'.
    pub fn columns(&self) -> u32 {
        self.columns
    }

    /// Numbers a patch, d.
    pub fn dimension(&self) -> u32 {
        self.dimension
    }

    /// `[rows * columns, dimension]`, patch by patch in row order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// A line of what a plugin finds on this machine, for `convert doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about: one word of at most ten letters.
    pub name: String,
    /// What was found, in one line.
    pub value: String,
}

/// Role `extractor`: patch features of images, for `convert features`. No recipe has one: proposers and labelers bring their own backbones.
pub trait Extractor: Send + Sync {
    /// The features of each image, in their order.
    fn extract(&self, images: &[Image<'_>]) -> Result<Vec<FeatureMap>>;

    /// What it finds on this machine of the libraries and devices that it computes with, whatever device it was built for. Nothing by default.
    ///
    /// # Errors
    /// A machine that cannot be asked.
    fn diagnosis(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

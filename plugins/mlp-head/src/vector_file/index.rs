//! The lines of the index.

use convert_sdk::{Deserialize, Serialize};

/// The first line of the index.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "convert_sdk::serde")]
pub(super) struct Header {
    pub format: u32,
    pub fingerprint: String,
    pub width: usize,
}

/// A line of the index: some images.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(crate = "convert_sdk::serde")]
pub(super) struct Block {
    /// Vectors of each image.
    pub images: Vec<u32>,
    /// The class of each vector.
    pub labels: Vec<u32>,
    /// Regions that are missing because their masks left a view.
    pub lost: u64,
    /// Why images without a vector have none.
    pub unusable: Vec<String>,
    /// The BLAKE3 hash of the vectors' bytes and of this line without it.
    pub blake3: String,
}

impl Block {
    /// Whether its counts agree.
    pub fn is_whole(&self) -> bool {
        self.images.iter().map(|count| *count as usize).sum::<usize>() == self.labels.len()
    }

    /// Of the vectors' bytes and of all else.
    pub fn hash(&self, rows: &[u8]) -> std::io::Result<String> {
        let counts = (&self.images, &self.labels, self.lost, &self.unusable);
        Ok(blake3::Hasher::new().update(rows).update(&serde_json::to_vec(&counts)?).finalize().to_hex().to_string())
    }

    /// Takes in the images that follow.
    pub fn extend(&mut self, other: Block) {
        self.images.extend(other.images);
        self.labels.extend(other.labels);
        self.lost += other.lost;
        self.unusable.extend(other.unusable);
    }
}

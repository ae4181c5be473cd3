//! Probabilities and image-level label vectors.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A number in [0, 1], finite by construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Probability(f32);

impl Probability {
    /// Certainty.
    pub const ONE: Self = Self(1.0);

    /// The number; an error when it is not finite or outside [0, 1].
    pub fn new(value: f32) -> Result<Self> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(Error::invalid(format!("{value} is not a probability")))
        }
    }

    /// The number.
    pub fn get(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Probability {
    type Error = String;
    fn try_from(value: f32) -> Result<Self, String> {
        Self::new(value).map_err(|error| error.message)
    }
}

impl From<Probability> for f32 {
    fn from(value: Probability) -> Self {
        value.0
    }
}

/// A class index and its probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Index into the dataset's class names.
    pub class: u32,
    /// The class's probability.
    pub probability: Probability,
}

/// The labels of an image: a sparse vector over the classes, sorted by class, each class at most once, no zero entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<ClassScore>", into = "Vec<ClassScore>")]
pub struct LabelVector(Vec<ClassScore>);

impl LabelVector {
    /// Raises a class to at least this probability.
    pub fn raise(&mut self, class: u32, probability: Probability) {
        match self.0.binary_search_by_key(&class, |entry| entry.class) {
            Ok(at) if self.0[at].probability < probability => self.0[at].probability = probability,
            Ok(_) => {}
            Err(_) if probability.get() == 0.0 => {}
            Err(at) => self.0.insert(at, ClassScore { class, probability }),
        }
    }

    /// The probability of a class; 0 where there is no entry.
    pub fn get(&self, class: u32) -> f32 {
        self.0.binary_search_by_key(&class, |entry| entry.class).map_or(0.0, |at| self.0[at].probability.get())
    }

    /// The non-zero entries, by class.
    pub fn entries(&self) -> &[ClassScore] {
        &self.0
    }

    /// The classes above a threshold, by class.
    pub fn above(&self, threshold: f32) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().filter(move |entry| entry.probability.get() > threshold).map(|entry| entry.class)
    }
}

impl From<Vec<ClassScore>> for LabelVector {
    fn from(scores: Vec<ClassScore>) -> Self {
        let mut vector = Self::default();
        for entry in scores {
            vector.raise(entry.class, entry.probability);
        }
        vector
    }
}

impl From<LabelVector> for Vec<ClassScore> {
    fn from(vector: LabelVector) -> Self {
        vector.0
    }
}

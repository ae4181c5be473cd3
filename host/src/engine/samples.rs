//! The run's samples: sorted by id, cut into shards.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use convert_sdk::{Dataset, Sample};

use super::error::SamplesError;
use super::key::{Key, KeyBuilder, KeySettings};
use super::patience::patiently;
use crate::recipe::{Configured, Recipe};

/// The samples of a run in the order of their ids, and their classes. Held in memory for the whole run.
pub struct Samples {
    /// Sorted by id, ids unique.
    pub list: Vec<Sample>,
    /// Class names by index.
    pub classes: Vec<String>,
    /// The key of the dataset with exactly these samples.
    pub key: Key,
    shard_size: usize,
}

impl Samples {
    /// Lists a dataset. With `limit`, that many samples evenly spread over the sorted ids, so that a small run sees all classes.
    ///
    /// # Errors
    /// No samples, fewer than two classes, a repeated id, a label outside the classes.
    pub fn list(
        dataset: &dyn Dataset,
        configured: &Configured,
        limit: Option<usize>,
        shard_size: usize,
        settings: &KeySettings<'_>,
        cancel: &AtomicBool,
    ) -> Result<Self, SamplesError> {
        let classes = dataset.classes();
        let mut list =
            patiently(cancel, || "listing the dataset".into(), || dataset.samples()).map_err(|error| SamplesError::Dataset(error.into()))?;
        list.sort();
        if list.is_empty() {
            return Err(SamplesError::None);
        }
        if classes.len() < 2 {
            return Err(SamplesError::Classes(classes.len()));
        }
        if let Some(pair) = list.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(SamplesError::RepeatedId(pair[0].id.clone()));
        }
        if let Some(sample) = list.iter().find(|sample| sample.label as usize >= classes.len()) {
            return Err(SamplesError::Label { sample: sample.id.clone(), label: sample.label, classes: classes.len() });
        }
        if let Some(limit) = limit.filter(|limit| *limit < list.len()) {
            let count = list.len();
            list = (0..limit).map(|index| list[index * count / limit].clone()).collect();
        }
        let mut key = settings.with_plugin(KeyBuilder::new("samples"), configured)?.with("shard size", &shard_size.to_le_bytes());
        for class in &classes {
            key = key.with("class", class.as_bytes());
        }
        for sample in &list {
            key = key.with(&sample.id, &sample.label.to_le_bytes()).with("revision", &sample.revision.to_le_bytes());
        }
        Ok(Self { list, classes, key: key.finish(), shard_size })
    }

    /// Lists the samples of a recipe's dataset.
    ///
    /// # Errors
    /// As [`Samples::list`].
    pub fn of_recipe(
        dataset: &dyn Dataset,
        recipe: &Recipe,
        limit: Option<usize>,
        settings: &KeySettings<'_>,
        cancel: &AtomicBool,
    ) -> Result<Self, SamplesError> {
        let mut samples = Self::list(dataset, &recipe.dataset, limit, recipe.sections.shard_size, settings, cancel)?;
        if recipe.sections.exif_orientation {
            samples.key = KeyBuilder::new("upright samples").reads(&samples.key).finish();
        }
        Ok(samples)
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.list.len().div_ceil(self.shard_size)
    }

    /// The indices of a shard's samples.
    pub fn shard(&self, index: usize) -> Range<usize> {
        let start = index * self.shard_size;
        start..(start + self.shard_size).min(self.list.len())
    }

    /// The index of the sample with an id, among those of a shard.
    pub fn find(&self, shard: usize, id: &str) -> Option<usize> {
        let range = self.shard(shard);
        self.list[range.clone()].binary_search_by(|sample| sample.id.as_str().cmp(id)).ok().map(|at| range.start + at)
    }
}

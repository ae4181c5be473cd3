//! The pooled features of all training regions, by as many threads as the run allows.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use convert_sdk::{Context, Error, ErrorKind, Image, Result, TrainingSet};

use crate::config::{MlpHeadConfig, Mode};
use crate::features::FeatureSource;
use crate::pooling;
use crate::randomness::{Purpose, stream};

/// Names in a warning before it says how many more there are.
const NAMED: usize = 20;

/// Vectors to train on.
pub struct Examples {
    /// Numbers a vector, d.
    pub dimension: usize,
    /// `[labels.len(), dimension]`, row by row.
    pub values: Vec<f32>,
    /// The class of each vector.
    pub labels: Vec<i64>,
    /// The sample of each vector, and with one view the region in it.
    pub places: Vec<(usize, usize)>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// An image's vectors, view by view and region by region, each with its label.
type Vectors = Vec<(i64, Vec<f32>)>;

/// Where the features come from and how they are pooled.
pub struct Extraction<'a> {
    pub config: &'a MlpHeadConfig,
    pub context: &'a Context,
    pub features: &'a FeatureSource,
}

impl Extraction<'_> {
    /// The vectors of all samples in their order, whatever the number of threads. An image that cannot be used is left out with a warning.
    pub fn run(&self, set: &dyn TrainingSet) -> Result<Examples> {
        self.features.announce(set.len() * if self.views() > 1 { 2 } else { 1 });
        let results: Vec<Mutex<Option<Result<Vectors>>>> = (0..set.len()).map(|_| Mutex::new(None)).collect();
        let (next, done, stopped) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            while !stopped.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(place) = results.get(index) else { return };
                if self.context.cancelled() {
                    stopped.store(true, Ordering::Relaxed);
                    return;
                }
                let result = self.sample(set, index);
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                let position = done.fetch_add(1, Ordering::Relaxed) + 1;
                self.context.progress(position as u64, set.len() as u64, "pooling the features of the training regions");
            }
        };
        let threads = self.context.settings().threads.clamp(1, set.len().max(1));
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        if stopped.into_inner() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted while pooling the features of the training regions: run again to continue"));
        }
        self.collect(results.into_iter().map(|place| place.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Augmented training looks at every image once, for its statistics and for what cannot be read, and makes its own views afterwards.
    fn views(&self) -> u32 {
        match self.config.mode {
            Mode::PooledFeatures => self.config.views,
            Mode::Augmented => 1,
        }
    }

    fn collect(&self, results: impl Iterator<Item = Option<Result<Vectors>>>) -> Result<Examples> {
        let dimension = self.config.pooling.width(self.features.dimension());
        let mut examples = Examples { dimension, values: Vec::new(), labels: Vec::new(), places: Vec::new(), warnings: Vec::new() };
        let mut skipped = Vec::new();
        for (index, result) in results.enumerate() {
            match result.unwrap_or_else(|| Err(Error::invalid(format!("sample {index} was not read")))) {
                Ok(vectors) => {
                    for (at, (label, vector)) in vectors.into_iter().enumerate() {
                        examples.places.push((index, at));
                        examples.labels.push(label);
                        examples.values.extend(vector);
                    }
                }
                Err(error) if error.kind == ErrorKind::Config => return Err(error),
                Err(error) => skipped.push(error.to_string()),
            }
        }
        if examples.labels.is_empty() {
            return Err(match skipped.into_iter().next() {
                Some(first) => Error::invalid(first).context("none of the training images can be used, the first one because"),
                None => Error::invalid("there is no region to train on: the selector kept none, try another threshold"),
            });
        }
        examples.warnings.extend(skipped.iter().take(NAMED).map(|error| format!("not trained on: {error}")));
        if skipped.len() > NAMED {
            examples.warnings.push(format!("{} more images were not trained on", skipped.len() - NAMED));
        }
        examples.warnings.extend(self.classes_without_region(&examples.labels));
        Ok(examples)
    }

    fn classes_without_region(&self, labels: &[i64]) -> Option<String> {
        let classes = self.context.classes();
        let mut seen = vec![false; classes.len()];
        for label in labels {
            seen[*label as usize] = true; // below the number of classes: `sample` checked
        }
        let missing: Vec<&str> = classes.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(class, _)| class.as_str()).collect();
        if missing.is_empty() {
            return None;
        }
        let more = if missing.len() > NAMED { format!(" and {} more", missing.len() - NAMED) } else { String::new() };
        let named = missing[..missing.len().min(NAMED)].join(", ");
        Some(format!("{} of {} classes have no region to train on and will hardly be predicted: {named}{more}", missing.len(), classes.len()))
    }

    fn sample(&self, set: &dyn TrainingSet, index: usize) -> Result<Vectors> {
        let sample = set.get(index)?;
        let named = |error: Error| error.context(format!("sample {}", sample.id));
        let classes = self.context.classes().len();
        if let Some(region) = sample.regions.iter().find(|region| region.label as usize >= classes) {
            let message = format!("sample {} has a region of class {}, but there are only {classes} classes", sample.id, region.label);
            return Err(Error::config(message));
        }
        let image = &sample.image.get().map_err(named)?;
        let plain = &self.features.of(image).map_err(named)?;
        let flipped = match self.views() {
            1 => None,
            _ => Some(self.features.of(&mirror(image).map_err(named)?).map_err(named)?),
        };
        let threshold = self.config.training_coverage(self.context);
        let patches: Vec<_> = sample.regions.iter().map(|region| pooling::active_patches(region.mask.as_ref(), plain, threshold)).collect();
        let mut random = stream(self.context.settings().seed, Purpose::Patches, index as u64);
        let mut vectors = Vec::with_capacity(patches.len() * self.views() as usize);
        for view in 0..self.views() {
            for (region, patches) in sample.regions.iter().zip(&patches) {
                let vector = match &flipped {
                    _ if view == 0 => pooling::pool(plain, patches, self.config.pooling),
                    Some(flipped) if view % 2 == 1 => {
                        let patches = pooling::with_dropout(&pooling::mirrored(patches, plain.columns), self.config.patch_dropout, &mut random);
                        pooling::pool(flipped, &patches, self.config.pooling)
                    }
                    _ => pooling::pool(plain, &pooling::with_dropout(patches, self.config.patch_dropout, &mut random), self.config.pooling),
                };
                vectors.push((i64::from(region.label), vector));
            }
        }
        Ok(vectors)
    }
}

/// The image seen in a mirror: left and right swapped.
fn mirror(image: &Image<'_>) -> Result<Image<'static>> {
    let mut pixels = Vec::with_capacity(image.pixels().len());
    for row in image.pixels().chunks_exact(image.width() as usize * 3) {
        pixels.extend(row.as_chunks::<3>().0.iter().rev().flatten());
    }
    Image::new(image.width(), image.height(), pixels)
}

//! The vectors of a step: from a table that was made before training, or of fresh views of the images (paper B.1).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use convert_backbones::torch;
use convert_sdk::{Error, Result};
use tch::Tensor;

use crate::config::Mode;
use crate::extraction::Examples;
use crate::head::Standardisation;
use crate::randomness::{Purpose, stream};
use crate::training::Training;
use crate::{augment, pooling};

/// Where the vectors of a training come from.
pub struct Vectors<'a> {
    training: &'a Training<'a>,
    standardisation: Standardisation,
    examples: &'a Examples,
    /// All of them, standardised, and their labels; `None` when every epoch makes its own.
    table: Option<(Tensor, Tensor)>,
}

/// The vectors of a step.
pub struct Batch {
    /// `[n, width]`, standardised.
    pub inputs: Tensor,
    /// `[n]`
    pub labels: Tensor,
    /// Regions that are not in it because their mask left the view.
    pub lost: u64,
}

/// Where a thread leaves the vector of a view.
type Slot = Mutex<Option<Result<Option<Vec<f32>>>>>;

impl<'a> Vectors<'a> {
    pub fn new(training: &'a Training<'a>, standardisation: Standardisation, examples: &'a Examples) -> Result<Self> {
        let table = match training.config.mode {
            Mode::Augmented => None,
            Mode::PooledFeatures => {
                let vectors = torch(|| Tensor::f_from_slice(&examples.values)?.f_view([examples.labels.len() as i64, examples.dimension as i64]))?;
                Some((standardisation.apply(&vectors)?, torch(|| Tensor::f_from_slice(&examples.labels))?))
            }
        };
        Ok(Self { training, standardisation, examples, table })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.examples.labels.len()
    }

    /// Those with these numbers in an epoch; `None` when every region left its view.
    ///
    /// # Errors
    /// An image that can no longer be read.
    pub fn batch(&self, numbers: &[i64], epoch: u32) -> Result<Option<Batch>> {
        if let Some((vectors, labels)) = &self.table {
            let (inputs, labels) = torch(|| {
                let index = Tensor::f_from_slice(numbers)?;
                Ok((vectors.f_index_select(0, &index)?, labels.f_index_select(0, &index)?))
            })?;
            return Ok(Some(Batch { inputs, labels, lost: 0 }));
        }
        let views = self.views(numbers, epoch)?;
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for (number, vector) in numbers.iter().zip(views) {
            if let Some(vector) = vector {
                values.extend(vector);
                labels.push(self.examples.labels[*number as usize]);
            }
        }
        if labels.is_empty() {
            return Ok(None);
        }
        let inputs = torch(|| Tensor::f_from_slice(&values)?.f_view([labels.len() as i64, self.examples.dimension as i64]))?;
        let lost = (numbers.len() - labels.len()) as u64;
        Ok(Some(Batch { inputs: self.standardisation.apply(&inputs)?, labels: torch(|| Tensor::f_from_slice(&labels))?, lost }))
    }

    /// The vectors of fresh views, in the order of the numbers, whatever the number of threads.
    fn views(&self, numbers: &[i64], epoch: u32) -> Result<Vec<Option<Vec<f32>>>> {
        // Tensors may not be shared between threads, so these see the other parts alone.
        let (training, examples) = (self.training, self.examples);
        let results: Vec<Slot> = numbers.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((place, number)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                results.get(at).zip(numbers.get(at))
            } {
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(view(training, examples, *number as usize, epoch));
            }
        };
        let threads = training.context.settings().threads.clamp(1, numbers.len().max(1));
        std::thread::scope(|scope| {
            (1..threads).for_each(|_| {
                scope.spawn(work);
            });
            work();
        });
        let taken =
            |place: Slot| place.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(|| Err(Error::invalid("a view was not made")));
        results.into_iter().map(taken).collect()
    }
}

/// The vector of a region in its view of an epoch; `None` when its mask left the view.
fn view(training: &Training<'_>, examples: &Examples, number: usize, epoch: u32) -> Result<Option<Vec<f32>>> {
    let Training { config, context, features, set, .. } = training;
    let (sample, region) = examples.places[number];
    let sample = set.get(sample)?;
    let named = |error: Error| error.context(format!("sample {}", sample.id));
    let region = sample.regions.get(region).ok_or_else(|| named(Error::invalid("it has fewer regions than before")))?;
    let mut random = stream(context.settings().seed, Purpose::View, (u64::from(epoch) << 32) | number as u64);
    let image = &sample.image.get().map_err(named)?;
    let Some(view) = augment::view(image, region.mask.as_ref(), features.input_size(), &mut random).map_err(named)? else { return Ok(None) };
    let features = features.compute(&view.image).map_err(named)?;
    let patches = pooling::active_patches(view.mask.as_ref(), &features, config.training_coverage(context));
    let patches = pooling::with_dropout(&patches, config.patch_dropout, &mut random);
    Ok(Some(pooling::pool(&features, &patches, config.pooling)))
}

//! A head on its way through its epochs.

use convert_backbones::torch;
use convert_sdk::tracing::debug;
use convert_sdk::{EpochRecord, Error, ErrorKind, Result};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::config::Mode;
use crate::progress::{Part, Progress};
use crate::randomness::{Purpose, stream};
use crate::settings::HeadSettings;
use crate::sgd::{Sgd, Step};
use crate::task::Training;
use crate::vector_file::VectorFile;
use crate::views::{Views, Wanted};

/// The vectors of a step.
#[derive(Default)]
struct Batch {
    values: Vec<f32>,
    labels: Vec<u32>,
}

/// What an epoch adds up.
#[derive(Default)]
struct Sums {
    loss: f64,
    right: i64,
    count: i64,
}
/// What all heads of a training learn from.
pub struct Learning<'a> {
    pub training: &'a Training<'a>,
    pub views: Views<'a>,
    pub sgd: Sgd<'a>,
    pub vectors: &'a VectorFile,
    pub fingerprint: &'a str,
    /// Epochs of all heads, for the bar.
    pub epochs: u64,
}

/// A head on its way.
pub struct Course<'a> {
    pub learning: &'a Learning<'a>,
    pub settings: &'a HeadSettings,
    /// The rows of the vectors that it learns from.
    pub rows: Vec<u32>,
    /// Epochs that other heads had before.
    pub before: u64,
}
impl Course<'_> {
    /// All epochs that are left.
    pub fn run(&self, mut progress: Progress) -> Result<Progress> {
        let Learning { training, views, fingerprint, .. } = self.learning;
        let trial = matches!(progress.part(), Part::Trial { .. });
        while progress.epoch < self.settings.epochs {
            if training.context.cancelled() {
                if !trial {
                    progress.save(training.folder, fingerprint)?;
                }
                return Err(Error::new(
                    ErrorKind::Interrupted,
                    format!("interrupted after epoch {} of the training: run again to continue", progress.epoch),
                ));
            }
            let record = self.epoch(&mut progress)?;
            progress.epoch += 1;
            let message = format!("epoch {}: loss {:.4}, accuracy {:.3}", record.epoch, record.loss, record.accuracy);
            if trial {
                continue;
            }
            training.context.progress(self.before + u64::from(progress.epoch), self.learning.epochs, &message);
            progress.curve.push(record);
            if progress.is_best() {
                Progress::export(&[&progress], training, views.form, self.settings, 1.0, "best.safetensors")?;
            }
            if progress.epoch.is_multiple_of(training.config.checkpoint_every) || progress.epoch == self.settings.epochs {
                progress.save(training.folder, fingerprint)?;
            }
        }
        Ok(progress)
    }

    fn epoch(&self, progress: &mut Progress) -> Result<EpochRecord> {
        let training = self.learning.training;
        let number = (u64::from(progress.part().number()) << 32) | u64::from(progress.epoch);
        let mut random = stream(training.context.settings().seed, Purpose::Epoch, number);
        let mut sums = Sums::default();
        match training.config.mode {
            Mode::PooledFeatures => self.pooled(progress, &mut random, &mut sums)?,
            Mode::Augmented => self.augmented(progress, &mut random, &mut sums)?,
        }
        let epoch = progress.epoch + 1;
        if sums.count == 0 {
            return Err(Error::numeric(format!("in epoch {epoch} every region's mask left its view: the masks are too small to train on")));
        }
        Ok(EpochRecord { epoch, loss: sums.loss / sums.count as f64, accuracy: sums.right as f64 / sums.count as f64 })
    }

    /// Every vector once, in batches of equal size but for the last.
    fn pooled(&self, progress: &mut Progress, random: &mut ChaCha8Rng, sums: &mut Sums) -> Result<()> {
        let Learning { vectors, sgd, .. } = self.learning;
        let labels = vectors.labels();
        let mut order = self.rows.clone();
        order.shuffle(random);
        let batches = order.chunks((self.settings.batch_size as usize).min(order.len()).max(1));
        let steps = batches.len();
        for (step, numbers) in batches.enumerate() {
            let values = vectors.gather(numbers, sgd.pool)?;
            let batch = Batch { values, labels: numbers.iter().map(|number| labels[*number as usize]).collect() };
            self.step(progress, batch, (step, steps), random, sums)?;
        }
        Ok(())
    }

    /// A fresh view of every image once; the regions of an image are in one batch.
    fn augmented(&self, progress: &mut Progress, random: &mut ChaCha8Rng, sums: &mut Sums) -> Result<()> {
        let (context, regions) = (self.learning.training.context, self.learning.vectors.rows_of_images());
        let mut order: Vec<u32> = (0..regions.len() as u32).filter(|image| regions[*image as usize] > 0).collect();
        order.shuffle(random);
        let ends = packed(order.iter().map(|image| regions[*image as usize]), self.settings.batch_size);
        let (epoch, steps) = (progress.epoch, ends.len());
        let (mut step, mut batch) = (0, Batch::default());
        self.learning.views.pass(&order, Wanted::Epoch(epoch), |at, vectors| {
            // An epoch is a pass of the backbone over all images: too long to wait for its end.
            if context.cancelled() {
                let message = format!("interrupted in epoch {} of the training: run again to continue from its last checkpoint", epoch + 1);
                return Err(Error::new(ErrorKind::Interrupted, message));
            }
            let vectors = vectors?;
            progress.lost_views += vectors.lost;
            batch.values.extend(vectors.values);
            batch.labels.extend(vectors.labels);
            if at + 1 == ends[step] {
                let message = self.step(progress, std::mem::take(&mut batch), (step, steps), random, sums)?;
                step += 1;
                let steps = steps as u64;
                context.progress((self.before + u64::from(epoch)) * steps + step as u64, self.learning.epochs * steps, &message);
            }
            Ok(())
        })
    }

    /// One step of so many; what there is to say of it. Nothing where every region left its view.
    fn step(&self, progress: &mut Progress, batch: Batch, (step, steps): (usize, usize), random: &mut ChaCha8Rng, sums: &mut Sums) -> Result<String> {
        let (epoch, count) = (progress.epoch + 1, batch.labels.len() as i64);
        let rate = self.settings.rate_after(f64::from(progress.epoch) + (step + 1) as f64 / steps as f64);
        if count == 0 {
            return Ok(format!("step {} of epoch {epoch}: no region", step + 1));
        }
        let sgd = &self.learning.sgd;
        let (inputs, labels) = torch(|| {
            let labels: Vec<i64> = batch.labels.iter().map(|label| i64::from(*label)).collect();
            let on = |tensor: Tensor| if sgd.device == Device::Cpu { Ok(tensor) } else { tensor.f_to_device(sgd.device) };
            Ok((on(Tensor::f_from_slice(&batch.values)?.f_view([count, -1])?)?, on(Tensor::f_from_slice(&labels)?)?))
        })?;
        let inputs = progress.standardisation.apply(&inputs)?;
        let step_of = Step { settings: self.settings, rate };
        let (loss, right) = sgd.step(&progress.head, &progress.momenta, &inputs, &labels, &step_of, random)?;
        if !loss.is_finite() {
            return Err(Error::numeric(format!(
                "the loss is {loss} in step {} of epoch {epoch} at learning rate {rate:.4}: lower learning_rate or raise warmup_epochs",
                step + 1
            )));
        }
        sums.loss += loss * count as f64;
        sums.right += right;
        sums.count += count;
        let message = format!("step {} of epoch {epoch}: loss {loss:.4}, accuracy {:.3}", step + 1, right as f64 / count as f64);
        debug!("{message}");
        Ok(message)
    }
}

/// Where the batches end when images of so many regions are filled into batches of at most `size` regions, in their order; one with more is a batch of its own.
fn packed(regions: impl Iterator<Item = u32>, size: u32) -> Vec<usize> {
    let (mut ends, mut filled, mut images) = (Vec::new(), 0, 0);
    for count in regions {
        if filled > 0 && filled + count > size {
            ends.push(images);
            filled = 0;
        }
        filled += count;
        images += 1;
    }
    if images > 0 {
        ends.push(images);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regions_of_an_image_stay_together() {
        assert_eq!(packed([1, 2, 1, 3, 9, 1, 1].into_iter(), 4), [3, 4, 5, 7]);
        assert_eq!(packed([1; 7].into_iter(), 3), [3, 6, 7]);
        assert_eq!(packed([].into_iter(), 3), [] as [usize; 0]);
    }
}

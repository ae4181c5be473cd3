//! Training: cross-entropy, SGD with Nesterov momentum, linear warm-up and cosine (paper B.1), on the run's device or all its threads, resumable with equal bits.

use convert_backbones::{device, torch};
use convert_sdk::tracing::{debug, info};
use convert_sdk::{EpochRecord, Error, ErrorKind, Result, ResultExt, TrainingReport};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::config::{MlpHeadConfig, Mode, Regions};
use crate::extraction::extract;
use crate::progress::{Progress, finish};
use crate::randomness::{Purpose, stream};
use crate::sgd::Sgd;
use crate::task::Training;
use crate::vector_file::VectorFile;
use crate::views::{Views, Wanted};

/// Changes with what training computes, so that no training continues one that computed something else.
const METHOD: u32 = 2;

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

/// What the training set comes to.
struct Survey {
    /// A hash of everything that the training's result depends on, but for the pixels and the weights, whose content is the host's to watch.
    fingerprint: String,
    /// How many regions there are.
    regions: u64,
    /// Whether a region is not a whole image. A training on whole images is for label maps, which look at whole images too.
    masks: bool,
}

/// What an epoch works with.
struct Epoch<'a> {
    training: &'a Training<'a>,
    views: Views<'a>,
    sgd: Sgd<'a>,
    vectors: &'a VectorFile,
}

impl Training<'_> {
    /// Trains, or continues what an interrupted call left in the folder.
    pub fn run(&self) -> Result<TrainingReport> {
        if self.set.is_empty() {
            return Err(Error::invalid("there is no region to train on: the selector kept none, try another threshold"));
        }
        std::fs::create_dir_all(self.folder).map_err(Error::from).context(|| format!("cannot make the folder {}", self.folder.display()))?;
        let Survey { fingerprint, regions, masks } = self.survey()?;
        let form = self.config.form(if masks { self.config.regions } else { Regions::Mask }, self.features.has_class_token())?;
        let resumed = (0..self.config.heads).map(|number| Progress::resumed(self.folder, number, &fingerprint)).collect::<Result<Vec<_>>>()?;
        let done = |progress: &Option<Progress>| progress.as_ref().is_some_and(|progress| progress.epoch >= self.config.epochs);
        if resumed.iter().all(done) {
            return finish(&resumed.into_iter().flatten().collect::<Vec<_>>(), self, &form);
        }
        let (config, context) = (self.config, self.context);
        let (device, threads) = (device(context)?, context.settings().threads.max(1));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("training-{index}")).build();
        let pool = pool.context(|| format!("cannot start {threads} threads"))?;
        let views = Views { config, context, features: self.features, form: &form, set: self.set, pool: &pool };
        let mut vectors = VectorFile::open(self.folder, &fingerprint, form.width(self.features.dimension()))?;
        let warnings = extract(&views, &mut vectors, regions)?;
        let parameters = config.parameters(vectors.width(), context);
        let (rows, width) = (vectors.labels().len(), vectors.width());
        let sgd = Sgd { pool: &pool, device, momentum: config.momentum, weight_decay: config.weight_decay, dropout: config.dropout(context) };
        let epoch = Epoch { training: self, views, sgd, vectors: &vectors };
        let mut heads = Vec::with_capacity(resumed.len());
        for (number, resumed) in (0..).zip(resumed) {
            let mut progress = match resumed {
                Some(progress) => progress,
                None => Progress::begin(self, number, &vectors, warnings.clone())?,
            };
            let which = if config.heads > 1 { format!("head {} of {}", number + 1, config.heads) } else { "a head".to_owned() };
            info!("training {which} of {parameters} parameters on {rows} vectors of {width} numbers from epoch {} on", progress.epoch + 1);
            progress = progress.on(device)?;
            self.epochs(&mut progress, &epoch, &fingerprint)?;
            heads.push(progress);
        }
        finish(&heads, self, &form)
    }

    fn epochs(&self, progress: &mut Progress, epoch: &Epoch<'_>, fingerprint: &str) -> Result<()> {
        while progress.epoch < self.config.epochs {
            if self.context.cancelled() {
                progress.save(self.folder, fingerprint)?;
                return Err(Error::new(
                    ErrorKind::Interrupted,
                    format!("interrupted after epoch {} of the training: run again to continue", progress.epoch),
                ));
            }
            let record = epoch.run(progress)?;
            progress.epoch += 1;
            let message = format!("epoch {}: loss {:.4}, accuracy {:.3}", record.epoch, record.loss, record.accuracy);
            let (epochs, heads) = (u64::from(self.config.epochs), u64::from(self.config.heads));
            self.context.progress(u64::from(progress.number()) * epochs + u64::from(progress.epoch), heads * epochs, &message);
            progress.curve.push(record);
            if progress.is_best() {
                Progress::export(&[&*progress], self, epoch.views.form, "best.safetensors")?;
            }
            if progress.epoch.is_multiple_of(self.config.checkpoint_every) || progress.epoch == self.config.epochs {
                progress.save(self.folder, fingerprint)?;
            }
        }
        Ok(())
    }

    /// What the training's result depends on, for the reader of a checkpoint.
    pub fn settings(&self) -> serde_json::Value {
        let config = self.config;
        let mut settings = serde_json::json!({
            "profile": self.context.settings().profile, "seed": self.context.settings().seed, "mode": config.mode, "views": config.views, "pooling": config.pooling,
            "patch_dropout": config.patch_dropout, "coverage": config.training_coverage(self.context), "standardize": config.standardize,
            "hidden": config.hidden, "hidden_layers": config.hidden_layers(self.context), "dropout": config.dropout(self.context),
            "epochs": config.epochs, "learning_rate": config.learning_rate, "warmup_epochs": config.warmup_epochs,
            "momentum": config.momentum, "weight_decay": config.weight_decay, "batch_size": config.batch_size,
        });
        if let (Some(settings), true) = (settings.as_object_mut(), config.regions != Regions::Mask) {
            settings.insert("regions".into(), serde_json::json!(config.regions));
            settings.insert("crop_scale".into(), config.crop_scale.into());
            settings.insert("crop_pooling".into(), serde_json::json!(config.crop_pooling));
            settings.insert("crop_size".into(), config.crop_size.into());
        }
        settings
    }

    /// A look at all regions.
    fn survey(&self) -> Result<Survey> {
        let backbone = &self.config.backbone;
        let features = format!(
            "{METHOD} {:?} {:?}",
            self.config.request(),
            (backbone.family, backbone.heads, backbone.precision, backbone.mean, backbone.std, backbone.patch_size)
        );
        let mut hash = blake3::Hasher::new();
        hash.update(self.settings().to_string().as_bytes()).update(features.as_bytes());
        for class in self.context.classes() {
            hash.update(&(class.len() as u64).to_le_bytes()).update(class.as_bytes());
        }
        let (mut regions, mut masks) = (0, false);
        for index in 0..self.set.len() {
            let sample = match self.set.get(index) {
                Ok(sample) => sample,
                Err(error) if crate::views::stops(&error) => return Err(error),
                Err(_) => continue, // the extraction names it
            };
            hash.update(&(sample.id.len() as u64).to_le_bytes()).update(sample.id.as_bytes());
            for region in &sample.regions {
                let (width, height, runs) = region.mask.as_ref().map_or((0, 0, &[][..]), |mask| (mask.width(), mask.height(), mask.runs()));
                let size = [region.label, width, height, runs.len() as u32];
                for number in size.iter().chain(runs) {
                    hash.update(&number.to_le_bytes());
                }
            }
            regions += sample.regions.len() as u64;
            masks |= sample.regions.iter().any(|region| region.mask.is_some());
        }
        Ok(Survey { fingerprint: hash.finalize().to_hex().to_string(), regions, masks })
    }
}

impl Epoch<'_> {
    fn run(&self, progress: &mut Progress) -> Result<EpochRecord> {
        let number = (u64::from(progress.number()) << 32) | u64::from(progress.epoch);
        let mut random = stream(self.training.context.settings().seed, Purpose::Epoch, number);
        let mut sums = Sums::default();
        match self.training.config.mode {
            Mode::PooledFeatures => self.pooled(progress, &mut random, &mut sums)?,
            Mode::Augmented => self.augmented(progress, &mut random, &mut sums)?,
        }
        let epoch = progress.epoch + 1;
        if sums.count == 0 {
            return Err(Error::numeric(format!("in epoch {epoch} every region's mask left its view: the masks are too small to train on")));
        }
        Ok(EpochRecord { epoch, loss: sums.loss / sums.count as f64, accuracy: sums.right as f64 / sums.count as f64 })
    }

    /// Every vector of the file once, in batches of equal size but for the last.
    fn pooled(&self, progress: &mut Progress, random: &mut ChaCha8Rng, sums: &mut Sums) -> Result<()> {
        let labels = self.vectors.labels();
        let mut order: Vec<u32> = (0..labels.len() as u32).collect();
        order.shuffle(random);
        let batches = order.chunks((self.training.config.batch_size as usize).min(order.len()));
        let steps = batches.len();
        for (step, numbers) in batches.enumerate() {
            let values = self.vectors.gather(numbers, self.sgd.pool)?;
            let batch = Batch { values, labels: numbers.iter().map(|number| labels[*number as usize]).collect() };
            self.step(progress, batch, (step, steps), random, sums)?;
        }
        Ok(())
    }

    /// A fresh view of every image once; the regions of an image are in one batch.
    fn augmented(&self, progress: &mut Progress, random: &mut ChaCha8Rng, sums: &mut Sums) -> Result<()> {
        let (config, context, regions) = (self.training.config, self.training.context, self.vectors.rows_of_images());
        let mut order: Vec<u32> = (0..regions.len() as u32).filter(|image| regions[*image as usize] > 0).collect();
        order.shuffle(random);
        let ends = packed(order.iter().map(|image| regions[*image as usize]), config.batch_size);
        let (epoch, steps) = (progress.epoch, ends.len());
        let (mut step, mut batch) = (0, Batch::default());
        self.views.pass(&order, Wanted::Epoch(epoch), |at, vectors| {
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
                let epochs_done = u64::from(progress.number()) * u64::from(config.epochs) + u64::from(epoch);
                let all = u64::from(config.heads) * u64::from(config.epochs) * steps as u64;
                context.progress(epochs_done * steps as u64 + step as u64, all, &message);
            }
            Ok(())
        })
    }

    /// One step of so many; what there is to say of it. Nothing where every region left its view.
    fn step(&self, progress: &mut Progress, batch: Batch, (step, steps): (usize, usize), random: &mut ChaCha8Rng, sums: &mut Sums) -> Result<String> {
        let (epoch, count) = (progress.epoch + 1, batch.labels.len() as i64);
        let rate = learning_rate(self.training.config, f64::from(progress.epoch) + (step + 1) as f64 / steps as f64);
        if count == 0 {
            return Ok(format!("step {} of epoch {epoch}: no region", step + 1));
        }
        let (inputs, labels) = torch(|| {
            let labels: Vec<i64> = batch.labels.iter().map(|label| i64::from(*label)).collect();
            let on = |tensor: Tensor| if self.sgd.device == Device::Cpu { Ok(tensor) } else { tensor.f_to_device(self.sgd.device) };
            Ok((on(Tensor::f_from_slice(&batch.values)?.f_view([count, -1])?)?, on(Tensor::f_from_slice(&labels)?)?))
        })?;
        let inputs = progress.standardisation.apply(&inputs)?;
        let (loss, right) = self.sgd.step(&progress.head, &progress.momenta, &inputs, &labels, rate, random)?;
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

/// The learning rate after a number of epochs, counted in fractions: linear up, then a cosine down to 0.
fn learning_rate(config: &MlpHeadConfig, epochs: f64) -> f64 {
    let (total, warmup) = (f64::from(config.epochs), f64::from(config.warmup_epochs.min(config.epochs)));
    if epochs <= warmup {
        return config.learning_rate * epochs / warmup;
    }
    let share = (epochs - warmup) / (total - warmup);
    config.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_height_and_falls_to_nothing() {
        let config = MlpHeadConfig { epochs: 20, warmup_epochs: 5, learning_rate: 0.4, ..Default::default() };
        for (epochs, expected) in [(1.0, 0.08), (5.0, 0.4), (12.5, 0.2), (20.0, 0.0)] {
            assert!((learning_rate(&config, epochs) - expected).abs() < 1e-12, "{epochs}");
        }
        assert!((learning_rate(&MlpHeadConfig { epochs: 3, ..config }, 3.0) - 0.4).abs() < 1e-12);
    }

    #[test]
    fn the_regions_of_an_image_stay_together() {
        assert_eq!(packed([1, 2, 1, 3, 9, 1, 1].into_iter(), 4), [3, 4, 5, 7]);
        assert_eq!(packed([1; 7].into_iter(), 3), [3, 6, 7]);
        assert_eq!(packed([].into_iter(), 3), [] as [usize; 0]);
    }
}

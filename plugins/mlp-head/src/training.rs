//! Training: cross-entropy, SGD with Nesterov momentum, linear warm-up and cosine (paper B.1), on the run's device or all its threads, resumable with equal bits.

use std::collections::HashSet;

use convert_backbones::{device, torch};
use convert_sdk::tracing::{debug, info};
use convert_sdk::{EpochRecord, Error, ErrorKind, Result, ResultExt, TrainingReport};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::auto;
use crate::config::{Calibration, HeadChoice, Mode, Regions};
use crate::extraction::extract;
use crate::folds::{Fold, Folds, Measured, temperatures};
use crate::outcome::Outcome;
use crate::progress::{Part, Progress};
use crate::randomness::{Purpose, stream};
use crate::regions::Form;
use crate::settings::HeadSettings;
use crate::sgd::{Sgd, Step};
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
    /// The id of each image.
    ids: Vec<String>,
    /// Classes with a region.
    classes: usize,
}

/// What all heads of a training learn from.
struct Learning<'a> {
    training: &'a Training<'a>,
    views: Views<'a>,
    sgd: Sgd<'a>,
    vectors: &'a VectorFile,
    fingerprint: &'a str,
    /// Epochs of all heads, for the bar.
    epochs: u64,
}

/// A head on its way.
struct Course<'a> {
    learning: &'a Learning<'a>,
    settings: &'a HeadSettings,
    /// The rows of the vectors that it learns from.
    rows: Vec<u32>,
    /// Epochs that other heads had before.
    before: u64,
}

impl Training<'_> {
    /// Trains, or continues what an interrupted call left in the folder.
    pub fn run(&self) -> Result<TrainingReport> {
        if self.set.is_empty() {
            return Err(Error::invalid("there is no region to train on: the selector kept none, try another threshold"));
        }
        std::fs::create_dir_all(self.folder).map_err(Error::from).context(|| format!("cannot make the folder {}", self.folder.display()))?;
        let survey = self.survey()?;
        let fingerprint = survey.fingerprint.as_str();
        let form = self.config.form(if survey.masks { self.config.regions } else { Regions::Mask }, self.features.has_class_token())?;
        let folds = self.folds(&survey);
        let parts: Vec<Part> = (0..self.config.heads).map(Part::Head).chain((0..folds.count).map(Part::Fold)).collect();
        let resumed = parts.iter().map(|part| Progress::resumed(self.folder, *part, fingerprint)).collect::<Result<Vec<_>>>()?;
        let mut outcome = Outcome::resumed(self.folder, fingerprint)?;
        if let Some(outcome) = outcome.as_ref().filter(|outcome| outcome.whole)
            && resumed.iter().all(|progress| progress.as_ref().is_some_and(|progress| progress.epoch >= outcome.settings.epochs))
        {
            return self.finish(resumed.into_iter().flatten().collect(), outcome, &form);
        }
        let (config, context) = (self.config, self.context);
        let (device, threads) = (device(context)?, context.settings().threads.max(1));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("training-{index}")).build();
        let pool = pool.context(|| format!("cannot start {threads} threads"))?;
        let views = Views { config, context, features: self.features, form: &form, set: self.set, pool: &pool };
        let mut vectors = VectorFile::open(self.folder, fingerprint, form.width(self.features.dimension()))?;
        let warnings = extract(&views, &mut vectors, survey.regions)?;
        let sgd = Sgd { pool: &pool, device };
        let mut learning = Learning { training: self, views, sgd, vectors: &vectors, fingerprint, epochs: 0 };
        let mut known = match outcome.take() {
            Some(outcome) => outcome,
            None => learning.begin(&survey, folds)?,
        };
        known.save(self.folder)?;
        learning.epochs = u64::from(known.settings.epochs) * parts.len() as u64;
        let folds_of_rows = of_rows(&survey.ids, &vectors, folds);
        let mut heads: Vec<Progress> = Vec::with_capacity(parts.len());
        for (part, resumed) in parts.into_iter().zip(resumed) {
            let progress = match resumed {
                Some(progress) => progress,
                None => Progress::begin(self, part, &known.settings, &vectors, warnings.clone())?,
            };
            let rows = match part {
                Part::Fold(fold) => rows_where(&folds_of_rows, |of_row| of_row != fold),
                _ => rows_where(&folds_of_rows, |_| true),
            };
            learning.say(part, &known.settings, rows.len(), progress.epoch);
            let before = heads.len() as u64 * u64::from(known.settings.epochs);
            heads.push(Course { learning: &learning, settings: &known.settings, rows, before }.run(progress.on(device)?)?);
        }
        if !known.whole {
            let of_folds = heads.iter().filter_map(|progress| match progress.part() {
                Part::Fold(fold) => Some((progress, rows_where(&folds_of_rows, |of_row| of_row == fold))),
                _ => None,
            });
            let of_folds: Vec<Fold<'_>> = of_folds
                .map(|(progress, rows)| Fold { head: &progress.head, standardisation: &progress.standardisation, rows })
                .collect();
            if config.calibration == Calibration::Temperature && folds.count > 0 {
                (known.temperature, _) = Measured::of(&of_folds, &temperatures(), &vectors, &learning.sgd)?.best_temperature();
                info!("logits are divided by {:.3}, which suits the regions held out best", known.temperature);
            }
            known.held_out = Measured::of(&of_folds, &[known.temperature], &vectors, &learning.sgd)?.held_out(folds.count);
            known.whole = true;
            known.save(self.folder)?;
        }
        self.finish(heads, &known, &form)
    }

    /// The folds of this training: none where each view is fresh, since each would take passes of the backbone of its own; and none where classes have too few images.
    fn folds(&self, survey: &Survey) -> Folds {
        let possible = self.config.mode == Mode::PooledFeatures && survey.has_enough();
        Folds { count: if possible { self.config.folds } else { 0 } }
    }

    /// Writes the trained heads as they predict, and deletes the vectors, which nobody needs any more. The learning curve is the mean of theirs.
    fn finish(&self, heads: Vec<Progress>, outcome: &Outcome, form: &Form) -> Result<TrainingReport> {
        let (of_folds, heads): (Vec<Progress>, Vec<Progress>) = heads.into_iter().partition(|progress| matches!(progress.part(), Part::Fold(_)));
        let export = |heads: &[Progress], name| {
            Progress::export(&heads.iter().collect::<Vec<_>>(), self, form, &outcome.settings, outcome.temperature, name)
        };
        let checkpoint = export(&heads, "head.safetensors")?;
        if of_folds.len() > 1 {
            export(&of_folds, FOLDS)?;
        }
        let Some(first) = heads.first() else { return Err(Error::config("heads must be at least 1")) };
        let mut warnings: Vec<String> = first.warnings.iter().chain(&outcome.warnings).cloned().collect();
        let lost: u64 = heads.iter().map(|head| head.lost_views).sum();
        if lost > 0 {
            let epochs: u32 = heads.iter().map(|head| head.epoch).sum();
            warnings.push(format!("{lost} views in {epochs} epochs were skipped because the region's mask had left them"));
        }
        VectorFile::remove(self.folder);
        let mean = |at: usize, of: fn(&EpochRecord) -> f64| heads.iter().filter_map(|head| head.curve.get(at)).map(of).sum::<f64>() / heads.len() as f64;
        let record = |(at, record): (usize, &EpochRecord)| EpochRecord {
            epoch: record.epoch,
            loss: mean(at, |record| record.loss),
            accuracy: mean(at, |record| record.accuracy),
        };
        let curve = first.curve.iter().enumerate().map(record).collect();
        Ok(TrainingReport { checkpoint, curve, warnings, lost: first.lost.clone(), held_out: outcome.held_out.clone() })
    }

    /// What the training's result depends on.
    fn settings(&self) -> serde_json::Value {
        let config = self.config;
        let mut settings = serde_json::json!({
            "profile": self.context.settings().profile, "seed": self.context.settings().seed, "mode": config.mode, "views": config.views, "pooling": config.pooling,
            "patch_dropout": config.patch_dropout, "coverage": config.training_coverage(self.context), "standardize": config.standardize,
            "head": config.head, "folds": config.folds, "calibration": config.calibration,
        });
        let of_head = match config.head {
            HeadChoice::Paper => serde_json::json!(HeadSettings::of(config, self.context)),
            HeadChoice::Auto => serde_json::json!({ "hidden": config.hidden }),
        };
        let crops = serde_json::json!({
            "regions": config.regions, "crop_scale": config.crop_scale, "crop_pooling": config.crop_pooling, "crop_size": config.crop_size
        });
        if let Some(settings) = settings.as_object_mut() {
            let crops = crops.as_object().filter(|_| config.regions != Regions::Mask);
            settings.extend(of_head.as_object().into_iter().chain(crops).flatten().map(|(key, value)| (key.clone(), value.clone())));
        }
        settings
    }

    /// The same for the reader of a checkpoint, with what was decided in training.
    pub fn described(&self, head: &HeadSettings, temperature: f64) -> serde_json::Value {
        let mut described = self.settings();
        if let (Some(described), Some(head)) = (described.as_object_mut(), serde_json::json!(head).as_object()) {
            described.extend(head.clone());
            described.insert("temperature".into(), temperature.into());
        }
        described
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
        let (mut regions, mut masks, mut ids, mut classes) = (0, false, Vec::with_capacity(self.set.len()), HashSet::new());
        for index in 0..self.set.len() {
            let sample = match self.set.get(index) {
                Ok(sample) => sample,
                Err(error) if crate::views::stops(&error) => return Err(error),
                Err(_) => {
                    // The extraction names it.
                    ids.push(String::new());
                    continue;
                }
            };
            hash.update(&(sample.id.len() as u64).to_le_bytes()).update(sample.id.as_bytes());
            for region in &sample.regions {
                let (width, height, runs) = region.mask.as_ref().map_or((0, 0, &[][..]), |mask| (mask.width(), mask.height(), mask.runs()));
                let size = [region.label, width, height, runs.len() as u32];
                for number in size.iter().chain(runs) {
                    hash.update(&number.to_le_bytes());
                }
                classes.insert(region.label);
            }
            regions += sample.regions.len() as u64;
            masks |= sample.regions.iter().any(|region| region.mask.is_some());
            ids.push(sample.id);
        }
        Ok(Survey { fingerprint: hash.finalize().to_hex().to_string(), regions, masks, ids, classes: classes.len() })
    }
}

impl Survey {
    /// Whether classes have images enough that some can be held out.
    fn has_enough(&self) -> bool {
        self.ids.len() as f64 >= auto::LEAST_IMAGES_A_CLASS * self.classes as f64
    }
}

/// The file with the heads of the folds, beside the checkpoint.
pub const FOLDS: &str = "folds.safetensors";

/// The fold of each vector.
fn of_rows(ids: &[String], vectors: &VectorFile, folds: Folds) -> Vec<u32> {
    let of_images = ids.iter().zip(vectors.rows_of_images());
    of_images.flat_map(|(id, rows)| std::iter::repeat_n(folds.of_image(id), *rows as usize)).collect()
}

fn rows_where(folds_of_rows: &[u32], wanted: impl Fn(u32) -> bool) -> Vec<u32> {
    (0..).zip(folds_of_rows).filter(|(_, fold)| wanted(**fold)).map(|(row, _)| row).collect()
}

impl Learning<'_> {
    /// What is decided before the heads are trained.
    fn begin(&self, survey: &Survey, folds: Folds) -> Result<Outcome> {
        let (config, context) = (self.training.config, self.training.context);
        let mut outcome = Outcome {
            fingerprint: self.fingerprint.to_owned(),
            settings: HeadSettings::of(config, context),
            tried: Vec::new(),
            temperature: 1.0,
            held_out: None,
            warnings: Vec::new(),
            whole: folds.count == 0,
        };
        let regions = self.vectors.labels().len() as u64;
        if folds.count == 0 && config.folds > 0 && config.mode == Mode::PooledFeatures {
            outcome.warnings.push(format!(
                "{} images of {} classes are too few to hold some out: the accuracy on new regions is not known",
                survey.ids.len(),
                survey.classes
            ));
        }
        if config.head == HeadChoice::Auto {
            outcome.settings = auto::without_trying(regions, config.hidden);
            if survey.has_enough() {
                outcome.tried = self.choose(&survey.ids, regions)?;
            }
            if let Some(best) = outcome.tried.first() {
                outcome.settings = best.settings.clone();
            }
            info!("head: auto takes {}", outcome.settings.describe());
        }
        Ok(outcome)
    }

    /// Every candidate of `head: auto`, best first.
    fn choose(&self, ids: &[String], regions: u64) -> Result<Vec<auto::Tried>> {
        let parts = of_rows(ids, self.vectors, Folds { count: auto::PARTS });
        let asked = if regions < auto::ENOUGH { auto::PARTS } else { 1 };
        auto::choose(auto::candidates(regions, self.training.config.hidden), |candidate, settings| {
            let mut heads = Vec::new();
            for without in 0..asked {
                let part = Part::Trial { candidate: candidate as u32, without };
                let progress = Progress::begin(self.training, part, settings, self.vectors, Vec::new())?.on(self.sgd.device)?;
                let rows = rows_where(&parts, |part| part != without);
                heads.push((Course { learning: self, settings, rows, before: 0 }.run(progress)?, rows_where(&parts, |part| part == without)));
            }
            let folds: Vec<Fold<'_>> =
                heads.iter().map(|(progress, rows)| Fold { head: &progress.head, standardisation: &progress.standardisation, rows: rows.clone() }).collect();
            Measured::of(&folds, &temperatures(), self.vectors, &self.sgd)
        })
    }

    /// Says which head is trained now.
    fn say(&self, part: Part, settings: &HeadSettings, rows: usize, epochs_done: u32) {
        let config = self.training.config;
        let widths = settings.widths(self.vectors.width(), self.training.context.classes().len());
        let parameters: i64 = widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        let which = match part {
            Part::Fold(_) if config.folds == 1 => "a head to measure".to_owned(),
            Part::Fold(fold) => format!("the head of fold {} of {}", fold + 1, config.folds),
            Part::Head(number) if config.heads > 1 => format!("head {} of {}", number + 1, config.heads),
            _ => "a head".to_owned(),
        };
        info!("training {which} of {parameters} parameters on {rows} vectors of {} numbers from epoch {} on", self.vectors.width(), epochs_done + 1);
    }
}

impl Course<'_> {
    /// All epochs that are left.
    fn run(&self, mut progress: Progress) -> Result<Progress> {
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

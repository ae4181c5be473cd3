//! Training: cross-entropy, SGD with Nesterov momentum, linear warm-up and cosine (paper B.1), one thread, resumable with equal bits.

use std::path::{Path, PathBuf};

use convert_backbones::torch;
use convert_sdk::tracing::{debug, info, warn};
use convert_sdk::{Context, EpochRecord, Error, ErrorKind, Result, ResultExt, TrainingReport, TrainingSet};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Reduction, TchError, Tensor};

use crate::checkpoint::{self, Contents, Description, State};
use crate::config::{MlpHeadConfig, Mode};
use crate::extraction::{Examples, Extraction};
use crate::features::FeatureSource;
use crate::head::{Head, Standardisation};
use crate::randomness::{Purpose, stream};
use crate::vectors::Vectors;

/// One training.
pub struct Training<'a> {
    pub config: &'a MlpHeadConfig,
    pub context: &'a Context,
    pub features: &'a FeatureSource,
    pub set: &'a dyn TrainingSet,
    pub folder: &'a Path,
}

/// What changes from step to step.
struct Progress {
    epoch: u32,
    head: Head,
    /// Momentum of each parameter.
    momentum: Vec<Tensor>,
    standardisation: Standardisation,
    curve: Vec<EpochRecord>,
    warnings: Vec<String>,
    lost_views: u64,
}

impl Training<'_> {
    /// Trains, or continues what an interrupted call left in the folder.
    pub fn run(&self) -> Result<TrainingReport> {
        if self.set.is_empty() {
            return Err(Error::invalid("there is no region to train on: the selector kept none, try another threshold"));
        }
        std::fs::create_dir_all(self.folder).map_err(Error::from).context(|| format!("cannot make the folder {}", self.folder.display()))?;
        let fingerprint = self.fingerprint()?;
        let resumed = self.resumed(&fingerprint)?;
        if let Some(progress) = resumed.as_ref().filter(|progress| progress.epoch >= self.config.epochs) {
            return self.finish(progress);
        }
        let extraction = Extraction { config: self.config, context: self.context, features: self.features };
        let examples = extraction.run(self.set)?;
        let mut progress = match resumed {
            Some(progress) => progress,
            None => self.begin(&examples)?,
        };
        info!("training on {} vectors of {} numbers from epoch {} on", examples.labels.len(), examples.dimension, progress.epoch + 1);
        self.epochs(&mut progress, &examples, &fingerprint)?;
        self.finish(&progress)
    }

    fn begin(&self, examples: &Examples) -> Result<Progress> {
        let mut widths = vec![examples.dimension as i64];
        widths.extend((0..self.config.hidden_layers(self.context)).map(|_| i64::from(self.config.hidden)));
        widths.push(self.context.classes().len() as i64);
        let head = Head::random(&widths, self.context.settings().seed)?;
        let momentum = head.parameters().into_iter().map(|parameter| torch(|| parameter.f_zeros_like())).collect::<Result<_>>()?;
        let standardisation = Standardisation::of(examples, self.config.standardize)?;
        Ok(Progress { epoch: 0, head, momentum, standardisation, curve: Vec::new(), warnings: examples.warnings.clone(), lost_views: 0 })
    }

    fn epochs(&self, progress: &mut Progress, examples: &Examples, fingerprint: &str) -> Result<()> {
        let vectors = Vectors::new(self, progress.standardisation.handles(), examples)?;
        while progress.epoch < self.config.epochs {
            if self.context.cancelled() {
                self.save(progress, fingerprint)?;
                return Err(Error::new(
                    ErrorKind::Interrupted,
                    format!("interrupted after epoch {} of the training: run again to continue", progress.epoch),
                ));
            }
            let record = self.epoch(progress, &vectors)?;
            progress.epoch += 1;
            let message = format!("epoch {}: loss {:.4}, accuracy {:.3}", record.epoch, record.loss, record.accuracy);
            self.context.progress(u64::from(progress.epoch), u64::from(self.config.epochs), &message);
            progress.curve.push(record);
            let lowest = progress.curve.iter().all(|earlier| earlier.loss >= progress.curve[progress.curve.len() - 1].loss);
            if lowest {
                self.export(progress, "best.safetensors")?;
            }
            if progress.epoch.is_multiple_of(self.config.checkpoint_every) || progress.epoch == self.config.epochs {
                self.save(progress, fingerprint)?;
            }
        }
        Ok(())
    }

    fn epoch(&self, progress: &mut Progress, vectors: &Vectors<'_>) -> Result<EpochRecord> {
        let mut random = stream(self.context.settings().seed, Purpose::Epoch, u64::from(progress.epoch));
        let mut order: Vec<i64> = (0..vectors.count() as i64).collect();
        order.shuffle(&mut random);
        let size = (self.config.batch_size as usize).min(order.len());
        let steps = order.len().div_ceil(size);
        let (mut loss_sum, mut right, mut count) = (0.0, 0, 0);
        for (step, batch) in order.chunks(size).enumerate() {
            // An augmented epoch is a pass of the backbone over all images: too long to wait for its end.
            if self.config.mode == Mode::Augmented && self.context.cancelled() {
                let message = format!("interrupted in epoch {} of the training: run again to continue from its last checkpoint", progress.epoch + 1);
                return Err(Error::new(ErrorKind::Interrupted, message));
            }
            let rate = learning_rate(self.config, f64::from(progress.epoch) + (step + 1) as f64 / steps as f64);
            let Some(batch) = vectors.batch(batch, progress.epoch)? else { continue };
            let taken = batch.labels.size()[0];
            let (loss, hits) = torch(|| self.step(progress, &batch.inputs, &batch.labels, rate, &mut random))?;
            if !loss.is_finite() {
                return Err(Error::numeric(format!(
                    "the loss is {loss} in step {} of epoch {} at learning rate {rate:.4}: lower learning_rate or raise warmup_epochs",
                    step + 1,
                    progress.epoch + 1
                )));
            }
            progress.lost_views += batch.lost;
            loss_sum += loss * taken as f64;
            right += hits;
            count += taken;
            let message = format!("step {} of epoch {}: loss {loss:.4}, accuracy {:.3}", step + 1, progress.epoch + 1, hits as f64 / taken as f64);
            debug!("{message}");
            if self.config.mode == Mode::Augmented {
                let done = u64::from(progress.epoch) * steps as u64 + step as u64 + 1;
                self.context.progress(done, u64::from(self.config.epochs) * steps as u64, &message);
            }
        }
        if count == 0 {
            return Err(Error::numeric(format!(
                "in epoch {} every region's mask left its view: the masks are too small to train on",
                progress.epoch + 1
            )));
        }
        Ok(EpochRecord { epoch: progress.epoch + 1, loss: loss_sum / count as f64, accuracy: right as f64 / count as f64 })
    }

    /// One step of SGD with Nesterov momentum as PyTorch has it; the batch's mean loss and how many of it are right.
    fn step(&self, progress: &mut Progress, input: &Tensor, target: &Tensor, rate: f64, random: &mut ChaCha8Rng) -> Result<(f64, i64), TchError> {
        let dropout = self.config.dropout(self.context);
        let (loss, logits, gradients) = tch::with_grad(|| {
            let parameters = progress.head.parameters();
            for parameter in &parameters {
                let _ = parameter.f_set_requires_grad(true)?;
            }
            let logits = progress.head.forward(input, |values| dropped(values, dropout, random))?;
            let loss = logits.f_cross_entropy_loss(target, None::<&Tensor>, Reduction::Mean, -100, 0.0)?;
            let gradients = Tensor::f_run_backward(&[&loss], &parameters, false, false)?;
            Ok::<_, TchError>((loss.f_detach()?, logits.f_detach()?, gradients))
        })?;
        for ((parameter, gradient), momentum) in progress.head.parameters().into_iter().zip(&gradients).zip(&mut progress.momentum) {
            let mut parameter = parameter.f_detach()?; // the same memory
            let gradient = gradient.f_add(&parameter.f_mul_scalar(self.config.weight_decay)?)?;
            let _ = momentum.f_mul_scalar_(self.config.momentum)?.f_add_(&gradient)?;
            let change = gradient.f_add(&momentum.f_mul_scalar(self.config.momentum)?)?;
            let _ = parameter.f_sub_(&change.f_mul_scalar(rate)?)?;
        }
        let right = logits.f_argmax(1, false)?.f_eq_tensor(target)?.f_sum(Kind::Int64)?.f_int64_value(&[])?;
        Ok((loss.f_double_value(&[])?, right))
    }

    fn finish(&self, progress: &Progress) -> Result<TrainingReport> {
        let path = self.export(progress, "head.safetensors")?;
        let mut warnings = progress.warnings.clone();
        if progress.lost_views > 0 {
            let (lost, epochs) = (progress.lost_views, progress.epoch);
            warnings.push(format!("{lost} views in {epochs} epochs were skipped because the region's mask had left them"));
        }
        Ok(TrainingReport { checkpoint: path, curve: progress.curve.clone(), warnings })
    }

    /// Writes the head as it predicts.
    fn export(&self, progress: &Progress, name: &str) -> Result<PathBuf> {
        let head = progress.standardisation.folded_into(&progress.head)?;
        let path = self.folder.join(name);
        let description = Description {
            classes: self.context.classes().to_vec(),
            family: self.config.backbone.family.name().into(),
            feature: self.config.feature.name().into(),
            layer: self.config.layer,
            input_size: self.config.input_size,
            pooling: self.config.pooling,
            training: self.settings(),
        };
        Contents { tensors: checkpoint::named_tensors("", head.parameters()), metadata: description }.write(&path)?;
        Ok(path)
    }

    fn save(&self, progress: &Progress, fingerprint: &str) -> Result<()> {
        let mut tensors = checkpoint::named_tensors("model.", progress.head.parameters());
        tensors.append(&mut checkpoint::named_tensors("momentum.", &progress.momentum));
        tensors.insert("standardisation.mean".into(), progress.standardisation.mean.shallow_clone());
        tensors.insert("standardisation.scale".into(), progress.standardisation.scale.shallow_clone());
        let curve: Vec<f64> = progress.curve.iter().flat_map(|record| [record.loss, record.accuracy]).collect();
        tensors.insert("curve".into(), torch(|| Tensor::f_from_slice(&curve)?.f_view([-1, 2]))?);
        let metadata = State {
            fingerprint: fingerprint.to_owned(),
            epoch: progress.epoch,
            warnings: progress.warnings.clone(),
            lost_views: progress.lost_views,
        };
        Contents { tensors, metadata }.write(&self.folder.join("last.safetensors"))
    }

    /// What an interrupted training of the same kind left; one of another kind, or a broken file, is begun anew.
    fn resumed(&self, fingerprint: &str) -> Result<Option<Progress>> {
        let path = self.folder.join("last.safetensors");
        if !path.exists() {
            return Ok(None);
        }
        match self.read_progress(&path, fingerprint) {
            Ok(Some(progress)) => Ok(Some(progress)),
            Ok(None) => {
                warn!("{} is of a training with other regions or settings: beginning anew", path.display());
                Ok(None)
            }
            Err(error) => {
                warn!("{error}: beginning anew");
                Ok(None)
            }
        }
    }

    fn read_progress(&self, path: &Path, fingerprint: &str) -> Result<Option<Progress>> {
        let file = checkpoint::read(path)?;
        let state: State = serde_json::from_str(file.metadata.as_deref().unwrap_or_default())?;
        if state.fingerprint != fingerprint {
            return Ok(None);
        }
        let head = checkpoint::head_among(&file.tensors, "model.")?;
        let momentum = checkpoint::head_among(&file.tensors, "momentum.")?;
        let find = |name: &str| {
            file.tensors.get(name).map(Tensor::shallow_clone).ok_or_else(|| Error::invalid(format!("tensor {name} is missing in {}", path.display())))
        };
        let curve: Vec<f64> = torch(|| Vec::try_from(&find("curve").map_err(|error| TchError::FileFormat(error.to_string()))?.f_view([-1])?))?;
        let records = curve.chunks_exact(2).zip(1..).map(|(pair, epoch)| EpochRecord { epoch, loss: pair[0], accuracy: pair[1] });
        Ok(Some(Progress {
            epoch: state.epoch,
            momentum: momentum.parameters().into_iter().map(Tensor::shallow_clone).collect(),
            head,
            standardisation: Standardisation { mean: find("standardisation.mean")?, scale: find("standardisation.scale")? },
            curve: records.collect(),
            warnings: state.warnings,
            lost_views: state.lost_views,
        }))
    }

    fn settings(&self) -> serde_json::Value {
        let config = self.config;
        serde_json::json!({
            "profile": self.context.settings().profile, "seed": self.context.settings().seed, "mode": config.mode, "views": config.views, "pooling": config.pooling,
            "patch_dropout": config.patch_dropout, "coverage": config.training_coverage(self.context), "standardize": config.standardize,
            "hidden": config.hidden, "hidden_layers": config.hidden_layers(self.context), "dropout": config.dropout(self.context),
            "epochs": config.epochs, "learning_rate": config.learning_rate, "warmup_epochs": config.warmup_epochs,
            "momentum": config.momentum, "weight_decay": config.weight_decay, "batch_size": config.batch_size,
        })
    }

    /// A hash of everything that the training's result depends on, but for the pixels and the weights, whose content is the host's to watch.
    fn fingerprint(&self) -> Result<String> {
        let backbone = &self.config.backbone;
        let features = format!(
            "{:?} {:?}",
            self.config.request(),
            (backbone.family, backbone.heads, backbone.precision, backbone.mean, backbone.std, backbone.patch_size)
        );
        let mut hash = blake3::Hasher::new();
        hash.update(self.settings().to_string().as_bytes()).update(features.as_bytes());
        for class in self.context.classes() {
            hash.update(&(class.len() as u64).to_le_bytes()).update(class.as_bytes());
        }
        for index in 0..self.set.len() {
            let Ok(sample) = self.set.get(index) else { continue }; // the extraction names it
            hash.update(&(sample.id.len() as u64).to_le_bytes()).update(sample.id.as_bytes());
            for region in &sample.regions {
                let (width, height, runs) = region.mask.as_ref().map_or((0, 0, &[][..]), |mask| (mask.width(), mask.height(), mask.runs()));
                let size = [region.label, width, height, runs.len() as u32];
                for number in size.iter().chain(runs) {
                    hash.update(&number.to_le_bytes());
                }
            }
        }
        Ok(hash.finalize().to_hex().to_string())
    }
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

/// Each number is 0 with a probability, in steps of 1/65,536, and the others are raised so that the mean stays.
fn dropped(values: Tensor, probability: f64, random: &mut ChaCha8Rng) -> Result<Tensor, TchError> {
    if probability == 0.0 {
        return Ok(values);
    }
    let limit = (probability * 65_536.0) as u16;
    let kept = 1.0 / (1.0 - f32::from(limit) / 65_536.0);
    let mut bytes = vec![0; values.numel() * 2];
    random.fill_bytes(&mut bytes);
    let mask: Vec<f32> = bytes.as_chunks::<2>().0.iter().map(|pair| if u16::from_le_bytes(*pair) < limit { 0.0 } else { kept }).collect();
    values.f_mul(&Tensor::f_from_slice(&mask)?.f_view(values.size().as_slice())?)
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
    fn dropout_zeroes_its_share_and_keeps_the_mean() {
        let ones = Tensor::ones([100, 100], (Kind::Float, tch::Device::Cpu));
        let dropped = dropped(ones, 0.25, &mut stream(3, Purpose::Epoch, 0)).unwrap();
        let kept = dropped.count_nonzero(None).int64_value(&[]);
        assert!((7_300..7_700).contains(&kept), "{kept}");
        assert!((dropped.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.03);
    }
}

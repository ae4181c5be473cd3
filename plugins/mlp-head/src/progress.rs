//! What a training has come to, and its files: `last.safetensors` after each epoch or some, `best.safetensors` and `head.safetensors` to predict with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convert_backbones::torch;
use convert_sdk::tracing::warn;
use convert_sdk::{EpochRecord, Error, Result, ResultExt};
use tch::{Device, TchError, Tensor};

use crate::checkpoint::{self, Contents, Description, State};
use crate::head::{Head, Standardisation};
use crate::regions::Form;
use crate::settings::HeadSettings;
use crate::task::Training;
use crate::vector_file::VectorFile;

/// Which of the heads of a training it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One of those that predict together.
    Head(u32),
    /// The one that is trained without a fold.
    Fold(u32),
    /// One that is tried without a part of the images, and forgotten.
    Trial { candidate: u32, without: u32 },
}

impl Part {
    /// Tells its random numbers from those of the others.
    pub fn number(self) -> u32 {
        match self {
            Self::Head(number) => number,
            Self::Fold(number) => (1 << 16) | number,
            Self::Trial { candidate, without } => (2 << 16) | (candidate << 8) | without,
        }
    }

    /// The file from which its training continues.
    fn file(self) -> String {
        match self {
            Self::Head(0) => "last.safetensors".to_owned(),
            Self::Head(number) => format!("last-{number}.safetensors"),
            Self::Fold(number) => format!("fold-{number}.safetensors"),
            Self::Trial { candidate, without } => format!("trial-{candidate}-{without}.safetensors"),
        }
    }
}

/// What changes from step to step.
pub struct Progress {
    /// Which head it is.
    part: Part,
    /// Epochs done.
    pub epoch: u32,
    pub head: Head,
    /// Momentum of each parameter.
    pub momenta: Vec<Tensor>,
    pub standardisation: Standardisation,
    pub curve: Vec<EpochRecord>,
    pub warnings: Vec<String>,
    pub lost_views: u64,
    pub lost: Vec<String>,
}

impl Progress {
    /// Before the first epoch.
    pub fn begin(training: &Training<'_>, part: Part, settings: &HeadSettings, vectors: &VectorFile, warnings: Vec<String>) -> Result<Self> {
        let (config, context) = (training.config, training.context);
        let widths = settings.widths(vectors.width(), context.classes().len());
        let head = Head::random(&widths, context.settings().seed, part.number())?;
        let momenta = head.parameters().into_iter().map(|parameter| torch(|| parameter.f_zeros_like())).collect::<Result<_>>()?;
        let standardisation = Standardisation::of(vectors, config.standardize)?;
        Ok(Self { part, epoch: 0, head, momenta, standardisation, curve: Vec::new(), warnings, lost_views: 0, lost: vectors.unusable().to_vec() })
    }

    /// The same on a device.
    pub fn on(self, device: Device) -> Result<Self> {
        let momenta = self.momenta.iter().map(|momentum| torch(|| momentum.f_to_device(device))).collect::<Result<_>>()?;
        Ok(Self { head: self.head.on(device)?, momenta, standardisation: self.standardisation.on(device)?, ..self })
    }

    /// Which head it is.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Whether no epoch of the first head before was better than the last.
    pub fn is_best(&self) -> bool {
        self.part == Part::Head(0) && self.curve.last().is_some_and(|last| self.curve.iter().all(|earlier| earlier.loss >= last.loss))
    }

    /// Writes heads as they predict, at a temperature.
    pub fn export(heads: &[&Self], training: &Training<'_>, form: &Form, settings: &HeadSettings, temperature: f64, name: &str) -> Result<PathBuf> {
        let mut tensors = BTreeMap::new();
        for (at, progress) in heads.iter().enumerate() {
            let head = progress.standardisation.on(Device::Cpu)?.folded_into(&progress.head.on(Device::Cpu)?.cooled(temperature)?)?;
            tensors.append(&mut checkpoint::named_tensors(&checkpoint::prefix(at), head.parameters()));
        }
        let path = training.folder.join(name);
        let config = training.config;
        let description = Description {
            classes: training.context.classes().to_vec(),
            family: training.features.family().name().into(),
            feature: config.feature.name().into(),
            layer: config.layer,
            input_size: config.input_size,
            pooling: config.pooling,
            regions: form.regions(),
            crop_size: (!form.crop.is_empty()).then_some(config.crop_size),
            crop_pooling: form.crop.clone(),
            training: training.described(settings, temperature),
        };
        Contents { tensors, metadata: description }.write(&path)?;
        Ok(path)
    }

    /// Writes what an interrupted training continues from.
    pub fn save(&self, folder: &Path, fingerprint: &str) -> Result<()> {
        let mut tensors = checkpoint::named_tensors("model.", self.head.parameters());
        tensors.append(&mut checkpoint::named_tensors("momentum.", &self.momenta));
        tensors.insert("standardisation.mean".into(), self.standardisation.mean.shallow_clone());
        tensors.insert("standardisation.scale".into(), self.standardisation.scale.shallow_clone());
        let curve: Vec<f64> = self.curve.iter().flat_map(|record| [record.loss, record.accuracy]).collect();
        tensors.insert("curve".into(), torch(|| Tensor::f_from_slice(&curve)?.f_view([-1, 2]))?);
        let metadata = State {
            fingerprint: fingerprint.to_owned(),
            epoch: self.epoch,
            warnings: self.warnings.clone(),
            lost_views: self.lost_views,
            lost: self.lost.clone(),
        };
        Contents { tensors, metadata }.write(&folder.join(self.part.file()))
    }

    /// What an interrupted training of the same kind left; one of another kind, or a broken file, is begun anew.
    ///
    /// # Errors
    /// A file that is there and cannot be read: a disk that fails must not cost the epochs that it holds.
    pub fn resumed(folder: &Path, part: Part, fingerprint: &str) -> Result<Option<Self>> {
        let path = folder.join(part.file());
        if !path.try_exists().context(|| format!("cannot look at {}", path.display()))? {
            return Ok(None);
        }
        match Self::read(&path, part, fingerprint) {
            Ok(Some(progress)) => Ok(Some(progress)),
            Ok(None) => {
                warn!("{} is of a training with other regions or settings: beginning anew", path.display());
                Ok(None)
            }
            Err(error) if crate::views::stops(&error) => Err(error),
            Err(error) => {
                warn!("{error}: beginning anew");
                Ok(None)
            }
        }
    }

    fn read(path: &Path, part: Part, fingerprint: &str) -> Result<Option<Self>> {
        let file = checkpoint::read(path)?;
        let state: State =
            serde_json::from_str(file.metadata.as_deref().unwrap_or_default()).context(|| format!("cannot read {}", path.display()))?;
        if state.fingerprint != fingerprint {
            return Ok(None);
        }
        let head = checkpoint::head_among(&file.tensors, "model.")?;
        let momenta = checkpoint::head_among(&file.tensors, "momentum.")?;
        let find = |name: &str| {
            file.tensors.get(name).map(Tensor::shallow_clone).ok_or_else(|| Error::invalid(format!("tensor {name} is missing in {}", path.display())))
        };
        let curve: Vec<f64> = torch(|| Vec::try_from(&find("curve").map_err(|error| TchError::FileFormat(error.to_string()))?.f_view([-1])?))?;
        let records = curve.chunks_exact(2).zip(1..).map(|(pair, epoch)| EpochRecord { epoch, loss: pair[0], accuracy: pair[1] });
        Ok(Some(Self {
            part,
            epoch: state.epoch,
            momenta: momenta.parameters().into_iter().map(Tensor::shallow_clone).collect(),
            head,
            standardisation: Standardisation { mean: find("standardisation.mean")?, scale: find("standardisation.scale")? },
            curve: records.collect(),
            warnings: state.warnings,
            lost_views: state.lost_views,
            lost: state.lost,
        }))
    }
}

//! Prediction with a trained head.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use convert_backbones::Family;
use convert_sdk::tracing::warn;
use convert_sdk::{Context, Error, ErrorKind, Image, LabelMap, LabelModel, Prediction, PredictionInput, RegionVectors, Result, ResultExt};
use serde_json::json;

use crate::checkpoint::{self, Description};
use crate::config::{MlpHeadConfig, Regions};
use crate::features::FeatureSource;
use crate::folds::Folds;
use crate::head::{Ensemble, Head};
use crate::label_maps;
use crate::regions::{AskedImage, Form, RegionReader};
use crate::training::FOLDS;

/// A trained head and its backbone.
pub struct MlpHeadModel {
    features: Arc<FeatureSource>,
    form: Form,
    crop_scale: f64,
    coverage: f32,
    /// A tensor may move between threads but not be shared, so each call takes its own handles to the same memory.
    head: Mutex<Ensemble>,
    /// Where the heads of the folds lie, if there are some, and these once somebody asked for them.
    folds: PathBuf,
    heads_of_folds: OnceLock<Mutex<Vec<Head>>>,
}

impl MlpHeadModel {
    /// Reads a checkpoint; a bare PyTorch state without this plugin's metadata is taken by its shapes.
    ///
    /// # Errors
    /// A head for another number of classes, another width of features, or other features than the config's.
    pub fn load(path: &Path, config: &MlpHeadConfig, context: &Context, features: Arc<FeatureSource>) -> Result<Self> {
        let named = || format!("cannot use the checkpoint {}", path.display());
        let file = checkpoint::read(path)?;
        let head = checkpoint::heads_among(&file.tensors).context(named)?;
        let (mut regions, mut crop_pooling) = (config.regions, None);
        if let Some(text) = file.metadata {
            let description: Description =
                serde_json::from_str(&text).map_err(|error| Error::invalid(format!("its metadata cannot be read: {error}"))).context(named)?;
            check_description(&description, config, features.family(), context).context(named)?;
            (regions, crop_pooling) = (description.regions, Some(description.crop_pooling));
        }
        let form = Form::new(config, regions, features.has_class_token()).context(named)?;
        if let Some(theirs) = crop_pooling.filter(|theirs| *theirs != form.crop) {
            let message = format!("it was trained on crop_pooling: {}, but the config asks for {}", json!(theirs), json!(form.crop));
            return Err(Error::invalid(message)).context(named);
        }
        check_shape(&head, context.classes().len(), form.width(features.dimension())).context(named)?;
        Ok(Self {
            features,
            form,
            crop_scale: config.crop_scale,
            coverage: config.prediction_coverage(),
            head: Mutex::new(head),
            folds: path.with_file_name(FOLDS),
            heads_of_folds: OnceLock::new(),
        })
    }
}

fn check_shape(head: &Ensemble, classes: usize, dimension: usize) -> Result<()> {
    if head.outputs() != classes {
        return Err(Error::invalid(format!(
            "it knows {} classes, but the dataset has {classes}: take the checkpoint of this dataset, or train",
            head.outputs()
        )));
    }
    if head.inputs() != dimension {
        return Err(Error::invalid(format!(
            "it takes vectors of {} numbers, but the backbone gives {dimension}: take the backbone it was trained with",
            head.inputs()
        )));
    }
    Ok(())
}

fn check_description(description: &Description, config: &MlpHeadConfig, family: Family, context: &Context) -> Result<()> {
    let ours = (family.name(), config.feature.name(), config.layer);
    let theirs = (description.family.as_str(), description.feature.as_str(), description.layer);
    if ours != theirs {
        let text = |(family, feature, layer): (&str, &str, Option<u32>)| {
            format!("{feature} of {family}, {}", layer.map_or("last layer".into(), |layer| format!("layer {layer}")))
        };
        return Err(Error::invalid(format!("it was trained on the features {}, but the config asks for {}", text(theirs), text(ours))));
    }
    // A head on whole images looks at those, whatever the config says of regions.
    if description.regions != Regions::Mask && description.regions != config.regions {
        let (theirs, ours) = (json!(description.regions), json!(config.regions));
        return Err(Error::invalid(format!("it was trained on regions: {theirs}, but the config asks for {ours}")));
    }
    if let Some(size) = description.crop_size.filter(|size| *size != config.crop_size) {
        return Err(Error::invalid(format!("it was trained on crops of {size} pixels, but the config's crop_size is {}", config.crop_size)));
    }
    if let Some((index, (theirs, ours))) = description.classes.iter().zip(context.classes()).enumerate().find(|(_, (theirs, ours))| theirs != ours) {
        warn!("the checkpoint calls class {index} {theirs:?}, the dataset {ours:?}: its labels may mean something else");
    }
    Ok(())
}

impl MlpHeadModel {
    fn head(&self) -> Ensemble {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).handles()
    }

    /// The heads of the folds.
    ///
    /// # Errors
    /// That there are none; files that cannot be read.
    fn heads_of_folds(&self) -> Result<Vec<Head>> {
        if self.heads_of_folds.get().is_none() {
            let named = || format!("cannot use {}", self.folds.display());
            if !self.folds.try_exists().context(named)? {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "no images were held out in several folds: set `label.config.folds: 5` and run the recipe again",
                ));
            }
            let heads = checkpoint::heads_among(&checkpoint::read(&self.folds)?.tensors).context(named)?;
            let (ours, theirs) = (self.head(), (heads.inputs(), heads.outputs()));
            if theirs != (ours.inputs(), ours.outputs()) {
                return Err(Error::invalid("its heads are of another form than the checkpoint's")).context(named);
            }
            let _ = self.heads_of_folds.set(Mutex::new(heads.into_heads()));
        }
        let heads = self.heads_of_folds.get().map(|heads| heads.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(heads.iter().flat_map(|heads| heads.iter().map(Head::handles)).collect())
    }

    /// Does something with each image's vectors: that of the whole image first, then those of its regions.
    fn with_vectors<T: Send>(&self, batch: &[PredictionInput<'_>], of: impl Fn(&str, Vec<Vec<f32>>) -> Result<T> + Sync) -> Result<Vec<T>> {
        let reader = RegionReader { features: &self.features, form: &self.form, crop_scale: self.crop_scale, coverage: self.coverage };
        let mut asked = self.features.map(batch.iter().collect(), |input: &PredictionInput<'_>| {
            let masks: Vec<_> = std::iter::once(None).chain(input.regions.iter().map(|region| Some(&region.mask))).collect();
            reader.ask(&input.image, &masks)
        })?;
        self.features.answer(&mut asked.iter_mut().flat_map(AskedImage::asked_mut).collect::<Vec<_>>())?;
        let asked = asked.into_iter().zip(batch).map(|(asked, input)| (input.id, asked)).collect();
        self.features.map(asked, |(id, asked): (&str, AskedImage)| of(id, asked.vectors(&self.form, &self.features)?))
    }
}

impl LabelModel for MlpHeadModel {
    fn batch_size(&self) -> usize {
        self.features.batch_size()
    }

    fn predict(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        self.with_vectors(batch, |_, vectors| {
            let head = self.head();
            predicted(&vectors, |vector| head.probabilities(vector))
        })
    }

    fn predict_held_out(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        let count = self.heads_of_folds()?.len() as u32;
        self.with_vectors(batch, |id, vectors| {
            let (heads, fold) = (self.heads_of_folds()?, Folds { count }.of_image(id));
            let head = heads.get(fold as usize).ok_or_else(|| Error::invalid(format!("there is no head of fold {fold}")))?;
            predicted(&vectors, |vector| head.probabilities(vector))
        })
    }

    fn vectors(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<RegionVectors>> {
        self.with_vectors(batch, |_, vectors| {
            let mut all = vectors.into_iter();
            let global = all.next().ok_or_else(|| Error::numeric("there is no vector of the whole image"))?;
            Ok(RegionVectors { global, masks: all.collect() })
        })
    }

    fn maps(&self, images: &[Image<'_>]) -> Result<Vec<LabelMap>> {
        let (Some(pooling), []) = (self.form.whole, self.form.crop.as_slice()) else {
            let message = "a head that was trained on crops makes no label maps: one on whole images does, and so does regions: mask";
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let features = self.features.of_each(&images.iter().collect::<Vec<_>>())?;
        self.features.map(features, |features| label_maps::of(&features, &self.head(), pooling))
    }
}

/// The prediction from an image's vectors, region by region, so that the bytes depend on no other.
fn predicted(vectors: &[Vec<f32>], probabilities: impl Fn(&[f32]) -> Result<Vec<f32>>) -> Result<Prediction> {
    let mut all = vectors.iter().map(|vector| probabilities(vector));
    let global = all.next().unwrap_or_else(|| Err(Error::numeric("there is no vector of the whole image")))?;
    Ok(Prediction { global, masks: all.collect::<Result<_>>()? })
}

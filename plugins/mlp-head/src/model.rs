//! Prediction with a trained head.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use convert_backbones::{Family, Features};
use convert_sdk::tracing::warn;
use convert_sdk::{Context, Error, Image, LabelMap, LabelModel, Prediction, PredictionInput, Result, ResultExt};

use crate::checkpoint::{self, Description};
use crate::config::{MlpHeadConfig, Pooling};
use crate::features::FeatureSource;
use crate::head::Head;
use crate::{label_maps, pooling};

/// A trained head and its backbone.
pub struct MlpHeadModel {
    features: Arc<FeatureSource>,
    coverage: f32,
    pooling: Pooling,
    /// A tensor may move between threads but not be shared, so each call takes its own handles to the same memory.
    head: Mutex<Head>,
}

impl MlpHeadModel {
    /// Reads a checkpoint; a bare PyTorch state without this plugin's metadata is taken by its shapes.
    ///
    /// # Errors
    /// A head for another number of classes, another width of features, or other features than the config's.
    pub fn load(path: &Path, config: &MlpHeadConfig, context: &Context, features: Arc<FeatureSource>) -> Result<Self> {
        let named = || format!("cannot use the checkpoint {}", path.display());
        let file = checkpoint::read(path)?;
        let head = checkpoint::head_among(&file.tensors, "").context(named)?;
        check_shape(&head, context.classes().len(), config.pooling.width(features.dimension())).context(named)?;
        if let Some(text) = file.metadata {
            let description: Description =
                serde_json::from_str(&text).map_err(|error| Error::invalid(format!("its metadata cannot be read: {error}"))).context(named)?;
            check_description(&description, config, features.family(), context).context(named)?;
        }
        Ok(Self { features, coverage: config.prediction_coverage(), pooling: config.pooling, head: Mutex::new(head) })
    }
}

fn check_shape(head: &Head, classes: usize, dimension: usize) -> Result<()> {
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
    if let Some((index, (theirs, ours))) = description.classes.iter().zip(context.classes()).enumerate().find(|(_, (theirs, ours))| theirs != ours) {
        warn!("the checkpoint calls class {index} {theirs:?}, the dataset {ours:?}: its labels may mean something else");
    }
    Ok(())
}

impl MlpHeadModel {
    fn head(&self) -> Head {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).handles()
    }
}

impl LabelModel for MlpHeadModel {
    fn batch_size(&self) -> usize {
        self.features.batch_size()
    }

    fn predict(&self, batch: &[PredictionInput<'_>]) -> Result<Vec<Prediction>> {
        let features = self.features.of_each(&batch.iter().map(|input| &input.image).collect::<Vec<_>>())?;
        // Region by region, so that the bytes depend on no other.
        self.features.map(batch.iter().zip(features).collect(), |(input, features): (&PredictionInput<'_>, Features)| {
            let (head, grid) = (self.head(), (features.rows, features.columns));
            let of_patches = |patches: &[usize]| head.probabilities(&pooling::pool(&features, patches, self.pooling));
            let global = of_patches(&pooling::active_patches(None, grid, self.coverage))?;
            let of_mask = |mask| of_patches(&pooling::active_patches(Some(mask), grid, self.coverage));
            Ok(Prediction { global, masks: input.regions.iter().map(|region| of_mask(&region.mask)).collect::<Result<_>>()? })
        })
    }

    fn maps(&self, images: &[Image<'_>]) -> Result<Vec<LabelMap>> {
        let features = self.features.of_each(&images.iter().collect::<Vec<_>>())?;
        self.features.map(features, |features| label_maps::of(&features, &self.head(), self.pooling))
    }
}

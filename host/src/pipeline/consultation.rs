//! A recipe's models asked about single images, beside any run: nothing is locked, and nothing of a run is written.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use convert_sdk::{
    ClassScore, Dataset, Image, ImageData, LabelModel, Labeler, LazyImage, Mask, PredictionInput, Proposal, Proposer, Refinement, Refiner, Region,
    Result as PluginResult, SampleImage,
};

use super::action::Action;
use super::error::PipelineError;
use super::host_side::HostSide;
use super::labeler::checkpoint_for;
use super::plan::Plan;
use super::session::{Machine, Planning, Prepared, context, prepare, refused};
use super::steps::sparse;
use crate::engine::images::{self, Decoding};
use crate::engine::patiently;
use crate::errors::PluginError;
use crate::recipe::{Configured, Recipe};

/// The source of regions that a person drew.
pub const DRAWN: &str = "drawn";

/// A recipe, its dataset and, once they are asked for, its models.
pub struct Consultation {
    recipe: Recipe,
    dataset: Box<dyn Dataset>,
    /// The names of the classes. The samples are let go: a million take a few hundred megabytes.
    pub classes: Vec<String>,
    plan: Plan,
    host: Arc<HostSide>,
    device: String,
    threads: usize,
    cancel: Arc<AtomicBool>,
    labeler: OnceLock<Box<dyn Labeler>>,
    model: OnceLock<Box<dyn LabelModel>>,
    proposers: OnceLock<Vec<Configuration>>,
}

/// A proposal configuration at work.
struct Configuration {
    name: String,
    proposer: Box<dyn Proposer>,
    refiners: Vec<Box<dyn Refiner>>,
}

/// What the labeler says of an image and of regions of it.
pub struct Opinion {
    /// Of the whole image, best first.
    pub global: Vec<ClassScore>,
    /// Of each region, best first.
    pub regions: Vec<Vec<ClassScore>>,
}

impl Consultation {
    /// Opens the dataset of a recipe; of its samples the `limit` that the run had.
    ///
    /// # Errors
    /// What is wrong with recipe or dataset.
    pub fn open(recipe: Recipe, limit: Option<usize>, device: &str, threads: usize, cancel: Arc<AtomicBool>) -> Result<Self, PipelineError> {
        let Prepared { dataset, samples, plan, .. } = prepare(&recipe, &Planning { limit, device, rescan: false, cancel: &cancel })?;
        let host = Arc::new(HostSide::new(Arc::clone(&cancel)));
        let (labeler, model, proposers) = Default::default();
        let classes = samples.classes;
        Ok(Self { recipe, dataset, classes, plan, host, device: device.to_owned(), threads, cancel, labeler, model, proposers })
    }

    /// The image of a sample as the dataset has it.
    ///
    /// # Errors
    /// What the dataset says.
    pub fn file(&self, sample: &str) -> PluginResult<ImageData> {
        patiently(&self.cancel, || sample.to_owned(), || self.dataset.image(sample))
    }

    /// The decoded image of a sample.
    ///
    /// # Errors
    /// As [`Consultation::file`]; what is not an image.
    pub fn image(&self, sample: &str) -> PluginResult<Image<'static>> {
        match self.file(sample)? {
            ImageData::Pixels(image) => Ok(image),
            ImageData::Encoded(bytes) => self.decode(&bytes),
        }
    }

    /// The image in a file, decoded as the recipe says.
    ///
    /// # Errors
    /// What is not an image.
    pub fn decode(&self, file: &[u8]) -> PluginResult<Image<'static>> {
        images::decode(file, Decoding { exif_orientation: self.recipe.sections.exif_orientation })
    }

    /// Whether a file, shown as it is, has its pixels where the run has them.
    pub fn shows_as_decoded(&self, file: &[u8]) -> bool {
        self.recipe.sections.exif_orientation || !images::is_turned(file)
    }

    /// Loads the labeler's model, so that the first answer does not wait for it.
    ///
    /// # Errors
    /// That nothing was trained yet; what the labeler says.
    pub fn model(&self) -> Result<&dyn LabelModel, PipelineError> {
        if let Some(model) = self.model.get() {
            return Ok(model.as_ref());
        }
        let step =
            self.plan.last(|round| Action::Predict { round }).ok_or(PipelineError::MissingStep(Action::Predict { round: self.plan.needs.rounds }))?;
        let checkpoint = checkpoint_for(&self.recipe, &self.plan, step)?;
        let configured = &self.recipe.label;
        if self.labeler.get().is_none() {
            let labeler = self.build(configured, |config, context| configured.plugin.builder.labeler(config, context))?;
            let _ = self.labeler.set(labeler);
        }
        let Some(labeler) = self.labeler.get() else { return Err(PipelineError::MissingStep(step.action)) };
        let model = configured.built(|_| labeler.load(&checkpoint)).map_err(|error| refused(&self.recipe, configured, error))?;
        Ok(self.model.get_or_init(|| model).as_ref())
    }

    /// What the labeler says of an image and of regions of it, masks of the image's size.
    ///
    /// # Errors
    /// As [`Consultation::model`].
    pub fn opinion(&self, id: &str, image: &Image<'_>, masks: &[Mask]) -> Result<Opinion, PipelineError> {
        let model = self.model()?;
        let region = |mask: &Mask| Region { mask: mask.clone(), source: DRAWN.into(), score: 1.0, measures: Vec::new() };
        let regions: Vec<Region> = masks.iter().map(region).collect();
        let image = Image::new(image.width(), image.height(), image.pixels()).map_err(PluginError)?;
        let predictions = model.predict(&[PredictionInput { id, image, regions: &regions }]).map_err(PluginError)?;
        let Some(prediction) = predictions.into_iter().next() else {
            return Err(PluginError(convert_sdk::Error::invalid("the labeler gave no prediction for the image")).into());
        };
        let classes = self.classes.len();
        let sparse = |probabilities: &Vec<f32>| sparse(probabilities, classes).map_err(PluginError);
        Ok(Opinion { global: sparse(&prediction.global)?, regions: prediction.masks.iter().map(sparse).collect::<Result<_, _>>()? })
    }

    /// The regions of an image that the recipe's configurations propose at a point, with the configurations' names, smallest first.
    ///
    /// # Errors
    /// What proposers and refiners say.
    pub fn at_point(&self, id: &str, image: &Image<'_>, x: u32, y: u32) -> Result<Vec<(String, Proposal)>, PipelineError> {
        let mut found = Vec::new();
        for configuration in self.proposers()? {
            let lent = Image::new(image.width(), image.height(), image.pixels()).map_err(PluginError)?;
            let proposals = configuration.proposer.propose(&[SampleImage { id, image: lent }]).map_err(PluginError)?;
            let mut proposals = proposals.into_iter().next().unwrap_or_default();
            for refiner in &configuration.refiners {
                if proposals.is_empty() {
                    break;
                }
                let lazy = LazyImage::new(|| Image::new(image.width(), image.height(), image.pixels().to_vec()));
                let refined = refiner.refine(&lazy, &proposals).map_err(PluginError)?;
                proposals =
                    refined.into_iter().filter_map(|refinement| if let Refinement::Keep(kept) = refinement { Some(kept) } else { None }).collect();
            }
            for proposal in proposals {
                let mask = proposal.mask.fit_to(image.width(), image.height()).map_err(PluginError)?;
                if contains(&mask, x, y) {
                    found.push((configuration.name.clone(), Proposal { mask, ..proposal }));
                }
            }
        }
        found.sort_by_key(|(_, proposal)| proposal.mask.area());
        found.dedup_by(|one, other| one.1.mask == other.1.mask);
        Ok(found)
    }

    fn proposers(&self) -> Result<&[Configuration], PipelineError> {
        if let Some(proposers) = self.proposers.get() {
            return Ok(proposers);
        }
        let recipe = &self.recipe;
        let configuration = |(name, configured): &(String, Configured)| {
            let wanted = recipe.refine.iter().filter(|(_, only)| only.as_ref().is_none_or(|names| names.contains(name)));
            let refiner =
                |(configured, _): &(Configured, _)| self.build(configured, |config, context| configured.plugin.builder.refiner(config, context));
            Ok(Configuration {
                name: name.clone(),
                proposer: self.build(configured, |config, context| configured.plugin.builder.proposer(config, context))?,
                refiners: wanted.map(refiner).collect::<Result<_, PipelineError>>()?,
            })
        };
        let proposers = recipe.proposals.iter().map(configuration).collect::<Result<Vec<_>, PipelineError>>()?;
        Ok(self.proposers.get_or_init(|| proposers))
    }

    fn build<T>(&self, configured: &Configured, build: impl FnOnce(&str, &convert_sdk::Context) -> PluginResult<T>) -> Result<T, PipelineError> {
        let machine = Machine { classes: &self.classes, device: &self.device, threads: self.threads, rescan: false };
        let context = context(&self.recipe, configured, Arc::clone(&self.host), machine);
        configured.built(|config| build(config, &context)).map_err(|error| refused(&self.recipe, configured, error))
    }
}

/// Whether a mask has the pixel in column `x` and row `y`.
fn contains(mask: &Mask, x: u32, y: u32) -> bool {
    let at = u64::from(x) * u64::from(mask.height()) + u64::from(y);
    let (mut end, mut inside) = (0, false);
    for run in mask.runs() {
        end += u64::from(*run);
        if at < end {
            return inside;
        }
        inside = !inside;
    }
    false
}

//! A recipe's models asked about single images, beside any run: nothing is locked, and nothing of a run is written.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use convert_sdk::{
    ClassScore, Dataset, Image, ImageData, LabelModel, Labeler, LazyImage, Mask, PredictionInput, Proposal, Proposer, Refinement, Refiner, Region,
    Result as PluginResult, SampleImage,
};

use super::action::Action;
use super::error::PipelineError;
use super::exports::FinishedStages;
use super::host_side::HostSide;
use super::labeler::Checkpoint;
use super::session::{Machine, Planning, Prepared, context, open_dataset, prepare, refused};
use super::steps::sparse;
use crate::engine::images::{self, Decoding};
use crate::engine::{Stage, patiently};
use crate::errors::PluginError;
use crate::recipe::{Configured, Recipe};

/// The source of regions that a person drew.
pub const DRAWN: &str = "drawn";

/// Of masks whose IoU is above this one is offered.
const SAME: f64 = 0.9;

/// A recipe, its dataset and, once they are asked for, its models.
pub struct Consultation {
    recipe: Recipe,
    dataset: Box<dyn Dataset>,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// Not known of a run that an earlier convert made.
    checkpoint: Option<Checkpoint>,
    host: Arc<HostSide>,
    machine: Asked,
    labeler: OnceLock<Box<dyn Labeler>>,
    model: OnceLock<Box<dyn LabelModel>>,
    proposers: OnceLock<Vec<Configuration>>,
}

/// What the models are asked on.
pub struct Asked {
    /// `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// For a labeler.
    pub threads: usize,
    /// Set by Ctrl-C.
    pub cancel: Arc<AtomicBool>,
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
    /// Asks what a run of the recipe asks, on `limit` samples if it is given.
    ///
    /// # Errors
    /// What is wrong with recipe or dataset.
    pub fn of_recipe(recipe: Recipe, limit: Option<usize>, machine: Asked) -> Result<Self, PipelineError> {
        let planning = Planning { limit, device: &machine.device, rescan: false, cancel: &machine.cancel };
        let Prepared { dataset, samples, plan, .. } = prepare(&recipe, &planning)?;
        let step = plan.last(|round| Action::Predict { round }).ok_or(PipelineError::MissingStep(Action::Predict { round: plan.needs.rounds }))?;
        let checkpoint = Checkpoint::of_step(&recipe, &plan, step)?;
        Ok(Self::new(recipe, dataset, samples.classes, Some(checkpoint), machine))
    }

    /// Asks what a finished run asked. Its dataset is opened, and its samples are not listed: of a million that takes time and a few hundred megabytes.
    ///
    /// # Errors
    /// What is wrong with the dataset.
    pub fn of_run(recipe: Recipe, classes: Vec<String>, stages: &FinishedStages, machine: Asked) -> Result<Self, PipelineError> {
        let trained = stages.training.as_deref().and_then(|id| Stage::of_id(&recipe.store, &recipe.work_dir, id)).map(Checkpoint::Trained);
        let checkpoint = trained.or_else(|| recipe.checkpoint.clone().map(Checkpoint::Given));
        let dataset = open_dataset(&recipe, false, &machine.cancel)?;
        Ok(Self::new(recipe, dataset, classes, checkpoint, machine))
    }

    fn new(recipe: Recipe, dataset: Box<dyn Dataset>, classes: Vec<String>, checkpoint: Option<Checkpoint>, machine: Asked) -> Self {
        let host = Arc::new(HostSide::new(Arc::clone(&machine.cancel)));
        let (labeler, model, proposers) = Default::default();
        Self { recipe, dataset, classes, checkpoint, host, machine, labeler, model, proposers }
    }

    /// The image of a sample as the dataset has it.
    ///
    /// # Errors
    /// What the dataset says.
    pub fn file(&self, sample: &str) -> PluginResult<ImageData> {
        patiently(&self.machine.cancel, || sample.to_owned(), || self.dataset.image(sample))
    }

    /// The decoded image of a sample.
    ///
    /// # Errors
    /// As [`Consultation::file`]; what is not an image.
    pub fn image(&self, sample: &str) -> PluginResult<Image<'static>> {
        self.decoded(sample, None)
    }

    /// The image of a sample for a picture whose longer side is at most so many pixels; it may be larger.
    ///
    /// # Errors
    /// As [`Consultation::image`].
    pub fn small_image(&self, sample: &str, longest: u32) -> PluginResult<Image<'static>> {
        self.decoded(sample, Some(longest))
    }

    fn decoded(&self, sample: &str, longest: Option<u32>) -> PluginResult<Image<'static>> {
        match self.file(sample)? {
            ImageData::Pixels(image) => Ok(image),
            ImageData::Encoded(bytes) => images::decode(&bytes, Decoding { longest, ..self.decoding() }),
        }
    }

    fn decoding(&self) -> Decoding {
        Decoding { exif_orientation: self.recipe.sections.exif_orientation, longest: None }
    }

    /// The image in a file, decoded as the recipe says.
    ///
    /// # Errors
    /// What is not an image.
    pub fn decode(&self, file: &[u8]) -> PluginResult<Image<'static>> {
        images::decode(file, self.decoding())
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
        let checkpoint = self.checkpoint.as_ref().ok_or(PipelineError::TrainingNotNoted)?.file()?;
        let configured = &self.recipe.label;
        let labeler = match self.labeler.get() {
            Some(labeler) => labeler,
            None => {
                let labeler = self.build(configured, |config, context| configured.plugin.builder.labeler(config, context))?;
                self.labeler.get_or_init(|| labeler)
            }
        };
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

    /// The regions of an image that the recipe's configurations propose at a point, with the configurations' names, smallest first. What the refiners would drop in a run is
    /// among them: here a person decides.
    ///
    /// # Errors
    /// What proposers and refiners say.
    pub fn at_point(&self, id: &str, image: &Image<'_>, x: u32, y: u32) -> Result<Vec<(String, Proposal)>, PipelineError> {
        let (mut kept, mut dropped) = (Vec::new(), Vec::new());
        for configuration in self.proposers()? {
            let lent = Image::new(image.width(), image.height(), image.pixels()).map_err(PluginError)?;
            let mut proposals = configuration.proposer.propose_at(&SampleImage { id, image: lent }, x, y).map_err(PluginError)?;
            let named = |proposal| (configuration.name.clone(), proposal);
            for refiner in &configuration.refiners {
                if proposals.is_empty() {
                    break;
                }
                let lazy = LazyImage::new(|| Image::new(image.width(), image.height(), image.pixels().to_vec()));
                let mut left = Vec::with_capacity(proposals.len());
                for (refinement, before) in refiner.refine(&lazy, &proposals).map_err(PluginError)?.into_iter().zip(proposals) {
                    match refinement {
                        Refinement::Keep(proposal) => left.push(proposal),
                        Refinement::Drop { .. } => dropped.push(named(before)),
                    }
                }
                proposals = left;
            }
            kept.extend(proposals.into_iter().map(named));
        }
        let mut found: Vec<(String, Proposal)> = Vec::new();
        for (name, proposal) in kept.into_iter().chain(dropped) {
            let mask = proposal.mask.fit_to(image.width(), image.height()).map_err(PluginError)?;
            let same = |(_, other): &(String, Proposal)| other.mask.iou(&mask).is_ok_and(|iou| iou > SAME);
            if contains(&mask, x, y) && !found.iter().any(same) {
                found.push((name, Proposal { mask, ..proposal }));
            }
        }
        found.sort_by_key(|(_, proposal)| proposal.mask.area());
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
        let machine = Machine { classes: &self.classes, device: &self.machine.device, threads: self.machine.threads, rescan: false };
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

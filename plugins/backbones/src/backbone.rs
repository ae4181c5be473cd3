//! The one type that plugins use, whatever the family.

use convert_sdk::{Context, Error, Image, Result, ResultExt};
use rayon::prelude::*;

use crate::config::{BackboneConfig, FeatureRequest, Precision};
use crate::family::Family;
use crate::features::{FeatureTensor, Features};
use crate::module::Module;
use crate::patch_stats::PatchStats;
use crate::vit::Vit;

/// Images that a device other than the CPU gets at once.
const DEVICE_BATCH: usize = 16;

/// A loaded backbone. Calls from several threads run in parallel, each on one thread, and give the same bytes in any order and grouping.
#[derive(Debug)]
pub struct Backbone {
    model: Model,
    /// Threads for what is done on the CPU of a device's batch. On a CPU each call stays on its own.
    pool: Option<rayon::ThreadPool>,
}

#[derive(Debug)]
enum Model {
    PatchStats(PatchStats),
    Vit(Box<Vit>),
    Module(Box<Module>),
}

impl Backbone {
    /// Loads and checks what the config names.
    ///
    /// # Errors
    /// Keys that do not fit the family; weights that cannot be read, lack a tensor, or hold one of a wrong shape or with a number that is not finite.
    pub fn load(config: &BackboneConfig, context: &Context) -> Result<Self> {
        let model = match config.family {
            Family::Auto if config.weights.is_none() => Model::PatchStats(PatchStats::new(config)?),
            Family::PatchStats => Model::PatchStats(PatchStats::new(config)?),
            Family::Auto | Family::Dinov1 | Family::Dinov2 | Family::Dinov3 => Model::Vit(Box::new(Vit::load(config, context)?)),
            Family::Torchscript => Model::Module(Box::new(Module::load(config, context)?)),
        };
        let backbone = Self { model, pool: None };
        if !backbone.batches() {
            return Ok(backbone);
        }
        let threads = context.settings().threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|at| format!("device-{at}")).build();
        Ok(Self { pool: Some(pool.context(|| format!("cannot start {threads} threads"))?), ..backbone })
    }

    /// Its family: never auto.
    pub fn family(&self) -> Family {
        match &self.model {
            Model::PatchStats(_) => Family::PatchStats,
            Model::Vit(vit) => vit.family(),
            Model::Module(_) => Family::Torchscript,
        }
    }

    /// Whether its device works on several images at once.
    fn batches(&self) -> bool {
        match &self.model {
            Model::PatchStats(_) => false,
            Model::Vit(vit) => vit.batches(),
            Model::Module(module) => module.batches(),
        }
    }

    /// What `work` makes of each item, in their order: on a CPU one after the other, since other threads are at other images then; beside a device by as many threads as
    /// the run has, since its batch waits for all of them.
    ///
    /// # Errors
    /// The first error of an item.
    pub fn map<T: Send, R: Send>(&self, items: Vec<T>, work: impl Fn(T) -> Result<R> + Sync) -> Result<Vec<R>> {
        match &self.pool {
            Some(pool) => pool.install(|| items.into_par_iter().map(&work).collect()),
            None => items.into_iter().map(&work).collect(),
        }
    }

    /// The patch's side in pixels.
    pub fn patch_size(&self) -> u32 {
        match &self.model {
            Model::PatchStats(stats) => stats.patch_size(),
            Model::Vit(vit) => vit.patch_size(),
            Model::Module(module) => module.patch_size(),
        }
    }

    /// How many numbers a patch has, d, for a request that [`Backbone::check`] accepts.
    pub fn dimension(&self, request: &FeatureRequest) -> usize {
        match &self.model {
            Model::PatchStats(_) => PatchStats::dimension(request.kind),
            Model::Vit(vit) => vit.dimension(),
            Model::Module(module) => module.dimension(request),
        }
    }

    /// Whether its features have a class token.
    pub fn has_class_token(&self) -> bool {
        matches!(self.model, Model::Vit(_))
    }

    /// The numbers of its matrix products, with `auto` resolved for its device; a torchscript module has its own, which this calls fp32.
    pub fn precision(&self) -> Precision {
        match &self.model {
            Model::PatchStats(_) | Model::Module(_) => Precision::Fp32,
            Model::Vit(vit) => vit.precision(),
        }
    }

    /// Bytes of weights that it holds in the memory of its device.
    pub fn memory(&self) -> u64 {
        match &self.model {
            Model::PatchStats(_) => 0,
            Model::Vit(vit) => vit.memory(),
            Model::Module(module) => module.memory(),
        }
    }

    /// Whether this backbone can give what is asked for.
    ///
    /// # Errors
    /// An input size that the patch does not divide, a layer that is not there, a kind that the family does not have.
    pub fn check(&self, request: &FeatureRequest) -> Result<()> {
        let (size, patch) = (request.input_size, self.patch_size());
        if size == 0 || !size.is_multiple_of(patch) {
            let nearest = (f64::from(size) / f64::from(patch)).round().max(1.0) as u32 * patch;
            return Err(Error::config(format!(
                "input_size {size} is not a multiple of the backbone's patch size {patch}: {nearest} is the nearest that is"
            )));
        }
        match &self.model {
            Model::PatchStats(_) => PatchStats::check(request),
            Model::Vit(vit) => vit.check(request),
            Model::Module(module) => module.check(request),
        }
    }

    /// How many images one call should get: more than one where the device works on several at once.
    pub fn batch_size(&self) -> usize {
        if self.batches() { DEVICE_BATCH } else { 1 }
    }

    /// Multiplications and additions for one image, for a request that [`Backbone::check`] accepts; 0 where they are not known.
    pub fn flops(&self, request: &FeatureRequest) -> u64 {
        match &self.model {
            Model::PatchStats(_) | Model::Module(_) => 0,
            Model::Vit(vit) => vit.operations(request),
        }
    }

    /// The features of each image, in their order. Images are resized to S×S by Pillow's LANCZOS (method 1.1). On a CPU they are computed one at a time,
    /// so that how they are grouped never changes a byte; on another device together.
    ///
    /// # Errors
    /// As [`Backbone::check`], and features that are not finite.
    pub fn features(&self, images: &[Image<'_>], request: &FeatureRequest) -> Result<Vec<Features>> {
        let parts = images.chunks(self.batch_size()).map(|batch| self.tensor(batch, request)?.to_features());
        Ok(parts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// The features of images all at once, left where they are computed. As [`Backbone::features`] in all else.
    ///
    /// # Errors
    /// As [`Backbone::features`], and no images.
    pub fn tensor(&self, images: &[Image<'_>], request: &FeatureRequest) -> Result<FeatureTensor> {
        self.check(request)?;
        let side = request.input_size;
        let resized = self.map(images.iter().collect(), |image| image.resize_lanczos(side, side))?;
        let features = match &self.model {
            Model::PatchStats(stats) => stats.features(&resized, request.kind)?,
            Model::Vit(vit) => vit.features(&resized, request)?,
            Model::Module(module) => module.features(&resized, request)?,
        };
        features.check()?;
        Ok(features)
    }
}

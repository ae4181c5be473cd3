//! From an image to the vectors of its regions: plain, or in random views.

use convert_backbones::Features;
use convert_sdk::{Context, Error, ErrorKind, Image, Result, TrainingRegion, TrainingSample, TrainingSet};
use rand_chacha::ChaCha8Rng;

use crate::augment::{self, Seen};
use crate::config::MlpHeadConfig;
use crate::features::{Asked, FeatureSource};
use crate::pooling;
use crate::randomness::{Purpose, stream};

/// Which views of an image are wanted.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    /// The plain image and all its patches, then so many random views: those of the first epochs.
    PlainAnd(u32),
    /// The random view of an epoch.
    Epoch(u32),
}

/// The views of an image; once their features are known, they can be pooled.
#[derive(Debug)]
pub struct ImageViews {
    /// The sample's id.
    pub id: String,
    /// Those that show a region.
    pub views: Vec<View>,
    /// Regions that are missing because their masks left a view.
    pub lost: u64,
}

/// A view and the regions in it.
#[derive(Debug)]
pub struct View {
    pub features: Asked,
    /// The class and the patches of each, at least one.
    regions: Vec<(u32, Vec<usize>)>,
}

/// The vectors of an image, view by view and region by region.
#[derive(Debug, Default, PartialEq)]
pub struct ImageVectors {
    /// The class of each.
    pub labels: Vec<u32>,
    /// `[labels.len(), width]`, row by row.
    pub values: Vec<f32>,
    /// Regions that are missing because their masks left a view.
    pub lost: u64,
}

/// What makes views and vectors. Everything depends on the seed, the image's number and the number of the view, and on no other image.
#[derive(Clone, Copy)]
pub struct Views<'a> {
    pub config: &'a MlpHeadConfig,
    pub context: &'a Context,
    pub features: &'a FeatureSource,
    pub set: &'a dyn TrainingSet,
    /// The threads of the run.
    pub pool: &'a rayon::ThreadPool,
}

/// Whether an error says nothing about the image: then the training stops, and continues from here when it is called again.
pub fn stops(error: &Error) -> bool {
    use ErrorKind::{Config, Device, Interrupted, Io, OutOfMemory, Unsupported};
    matches!(error.kind, Config | Device | Interrupted | Io | OutOfMemory | Unsupported)
}

impl Views<'_> {
    /// The views of an image, decoded once for all of them and all its regions.
    ///
    /// # Errors
    /// What reading the sample and its image gives, behind the sample's id.
    pub fn of(&self, index: usize, wanted: Wanted) -> Result<ImageViews> {
        let sample = self.set.get(index)?;
        let named = |error: Error| error.context(format!("sample {}", sample.id));
        self.check_classes(&sample)?;
        let mut made = ImageViews { id: sample.id.clone(), views: Vec::new(), lost: 0 };
        let image = &sample.image.get().map_err(named)?;
        let fresh = match wanted {
            Wanted::PlainAnd(fresh) => {
                made.views.push(self.plain(image, &sample.regions).map_err(named)?);
                0..fresh
            }
            Wanted::Epoch(epoch) => epoch..epoch + 1,
        };
        for number in fresh {
            let mut random = stream(self.context.settings().seed, Purpose::View, (u64::from(number) << 32) | index as u64);
            let view = self.fresh(image, &sample.regions, &mut random).map_err(named)?;
            made.lost += (sample.regions.len() - view.as_ref().map_or(0, |view| view.regions.len())) as u64;
            made.views.extend(view);
        }
        Ok(made)
    }

    fn check_classes(&self, sample: &TrainingSample<'_>) -> Result<()> {
        let classes = self.context.classes().len();
        match sample.regions.iter().find(|region| region.label as usize >= classes) {
            Some(region) => {
                let (id, label) = (&sample.id, region.label);
                Err(Error::config(format!("sample {id} has a region of class {label}, but there are only {classes} classes")))
            }
            None => Ok(()),
        }
    }

    fn grid(&self) -> (usize, usize) {
        (self.features.side(), self.features.side())
    }

    fn plain(&self, image: &Image<'_>, regions: &[TrainingRegion]) -> Result<View> {
        let threshold = self.config.training_coverage(self.context);
        let patches = |region: &TrainingRegion| (region.label, pooling::active_patches(region.mask.as_ref(), self.grid(), threshold));
        Ok(View { features: self.features.ask(image)?, regions: regions.iter().map(patches).collect() })
    }

    /// A random view, in which each region loses some patches of its own; `None` where no region is left.
    fn fresh(&self, image: &Image<'_>, regions: &[TrainingRegion], random: &mut ChaCha8Rng) -> Result<Option<View>> {
        let masks: Vec<_> = regions.iter().map(|region| region.mask.as_ref()).collect();
        let Some(view) = augment::view(image, &masks, self.features.input_size(), random)? else { return Ok(None) };
        let threshold = self.config.training_coverage(self.context);
        let mut left = Vec::with_capacity(regions.len());
        for (region, seen) in regions.iter().zip(&view.regions) {
            let mask = match seen {
                Seen::Lost => continue,
                Seen::Whole => None,
                Seen::Mask(mask) => Some(mask),
            };
            let patches = pooling::active_patches(mask, self.grid(), threshold);
            left.push((region.label, pooling::with_dropout(patches, self.config.patch_dropout, random)));
        }
        // It comes once: the cache is left alone.
        Ok(Some(View { features: Asked::Image(view.image, None), regions: left }))
    }

    /// The vectors of views, whose features are computed one view at a time where they are not known yet.
    ///
    /// # Errors
    /// What the backbone says, behind the sample's id.
    pub fn vectors(&self, views: ImageViews) -> Result<ImageVectors> {
        let mut vectors = ImageVectors { lost: views.lost, ..ImageVectors::default() };
        for View { features, regions } in views.views {
            let features: Features = self.features.one(features).map_err(|error| error.context(format!("sample {}", views.id)))?;
            for (label, patches) in regions {
                vectors.labels.push(label);
                vectors.values.extend(pooling::pool(&features, &patches, self.config.pooling));
            }
        }
        Ok(vectors)
    }
}

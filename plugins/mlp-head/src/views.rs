//! From an image to the vectors of its regions: plain, or in random views.

use convert_sdk::{Context, Error, ErrorKind, Image, Result, TrainingRegion, TrainingSample, TrainingSet};
use rand_chacha::ChaCha8Rng;

use crate::augment::{self, Seen};
use crate::config::MlpHeadConfig;
use crate::features::{Asked, FeatureSource, Part};
use crate::pooling;
use crate::randomness::{Purpose, stream};
use crate::regions::{AskedCrop, AskedImage, AskedRegion, Form, RegionReader};

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
    pub asked: AskedImage,
    /// The class of each region, at least one.
    labels: Vec<u32>,
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
    /// What a region's vector is made of.
    pub form: &'a Form,
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
            made.lost += (sample.regions.len() - view.as_ref().map_or(0, |view| view.labels.len())) as u64;
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

    fn reader(&self) -> RegionReader<'_> {
        let coverage = self.config.training_coverage(self.context);
        RegionReader { features: self.features, form: self.form, crop_scale: self.config.crop_scale, coverage }
    }

    fn plain(&self, image: &Image<'_>, regions: &[TrainingRegion]) -> Result<View> {
        let masks: Vec<_> = regions.iter().map(|region| region.mask.as_ref()).collect();
        Ok(View { asked: self.reader().ask(image, &masks)?, labels: regions.iter().map(|region| region.label).collect() })
    }

    /// A random view, in which each region loses some patches of its own; `None` where no region is left.
    fn fresh(&self, image: &Image<'_>, regions: &[TrainingRegion], random: &mut ChaCha8Rng) -> Result<Option<View>> {
        let masks: Vec<_> = regions.iter().map(|region| region.mask.as_ref()).collect();
        let (whole, seen) = match self.form.whole {
            None => (None, regions.iter().map(|_| Seen::Whole).collect()),
            Some(_) => match augment::view(image, &masks, self.features.input_size(Part::Whole), random)? {
                None => return Ok(None),
                Some(view) => (Some(once(view.image, Part::Whole)), view.regions),
            },
        };
        let mut left = View { asked: AskedImage { whole, regions: Vec::new() }, labels: Vec::new() };
        for (region, seen) in regions.iter().zip(&seen) {
            let Some(patches) = self.seen_patches(seen, Part::Whole, random) else { continue };
            let crop = self.fresh_crop(image, region, random)?;
            if crop.is_none() && !self.form.crop.is_empty() {
                continue;
            }
            left.asked.regions.push(AskedRegion { patches, crop });
            left.labels.push(region.label);
        }
        Ok((!left.labels.is_empty()).then_some(left))
    }

    /// The patches of a region that a view shows, less those that it loses; `None` where the view does not show it.
    fn seen_patches(&self, seen: &Seen, part: Part, random: &mut ChaCha8Rng) -> Option<Vec<usize>> {
        let mask = match seen {
            Seen::Lost => return None,
            Seen::Whole => None,
            Seen::Mask(mask) => Some(mask),
        };
        Some(pooling::with_dropout(self.reader().patches(mask, part), self.config.patch_dropout, random))
    }

    /// A random view of a region's crop; `None` where it does not show the region, or the form wants no crop.
    fn fresh_crop(&self, image: &Image<'_>, region: &TrainingRegion, random: &mut ChaCha8Rng) -> Result<Option<AskedCrop>> {
        if self.form.crop.is_empty() {
            return Ok(None);
        }
        let size = self.features.input_size(Part::Crop);
        let view = match self.reader().crop(image, region.mask.as_ref())? {
            Some((crop, mask)) => augment::view(&crop, &[Some(&mask)], size, random)?,
            None => augment::view(image, &[None], size, random)?,
        };
        let Some(view) = view else { return Ok(None) };
        let patches = view.regions.first().and_then(|seen| self.seen_patches(seen, Part::Crop, random));
        Ok(patches.map(|patches| AskedCrop { asked: once(view.image, Part::Crop), patches }))
    }

    /// The vectors of views, whose features are computed one view at a time where they are not known yet.
    ///
    /// # Errors
    /// What the backbone says, behind the sample's id.
    pub fn vectors(&self, views: ImageViews) -> Result<ImageVectors> {
        let mut vectors = ImageVectors { lost: views.lost, ..ImageVectors::default() };
        for View { asked, labels } in views.views {
            vectors.labels.extend(labels);
            let of_regions = asked.vectors(self.form, self.features).map_err(|error| error.context(format!("sample {}", views.id)))?;
            vectors.values.extend(of_regions.into_iter().flatten());
        }
        Ok(vectors)
    }
}

/// An image that comes once: the cache is left alone.
fn once(image: Image<'static>, part: Part) -> Asked {
    Asked::Image { image, part, file: None }
}

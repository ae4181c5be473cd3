//! The features of images: from the backbone, or from the cache that an earlier call filled.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use convert_backbones::{Backbone, Family, FeatureRequest, Features};
use convert_sdk::tracing::{info, warn};
use convert_sdk::{Context, Error, ErrorKind, Image, Result, ResultExt};

use crate::cached_files::{key, prepare, write};
use crate::config::{MlpHeadConfig, Regions};

/// What of an image the backbone looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, at `input_size`.
    Whole,
    /// A region's crop, at `crop_size`.
    Crop,
}

/// What is asked of the backbone for a part, and where the answers are kept.
#[derive(Debug)]
struct Question {
    request: FeatureRequest,
    cache: Option<PathBuf>,
}

/// The backbone and what is asked of it, behind the cache if the config wants one.
///
/// A cached entry is found by the image's pixels, so that the same image under another name, in another stage or another round is found too.
#[derive(Debug)]
pub struct FeatureSource {
    backbone: Backbone,
    whole: Question,
    crop: Question,
    /// The cache's folders that this run has written into.
    prepared: Mutex<HashSet<PathBuf>>,
    /// Images that the backbone asks for at once.
    batch_size: usize,
    /// Images that it gets at once: fewer where the device's memory did not do.
    at_once: AtomicUsize,
}

/// Features that are known, or the image that they are asked of.
#[derive(Debug)]
pub enum Asked {
    /// There they are.
    Known(Features),
    /// An image of S×S pixels, what it shows, and the file that is to keep its features.
    Image { image: Image<'static>, part: Part, file: Option<PathBuf> },
}

impl Asked {
    /// The features, once the backbone has answered.
    ///
    /// # Errors
    /// It has not.
    pub fn known(self) -> Result<Features> {
        match self {
            Self::Known(features) => Ok(features),
            Self::Image { .. } => Err(Error::numeric("the backbone gave no features")),
        }
    }

    /// The image, where the features are not known.
    fn unknown(&self, of: Part) -> Option<&Image<'static>> {
        match self {
            Self::Image { image, part, .. } if *part == of => Some(image),
            _ => None,
        }
    }
}

impl FeatureSource {
    /// Loads and checks the backbone.
    ///
    /// # Errors
    /// As [`Backbone::load`] and [`Backbone::check`]; weights that cannot be read for the cache's key.
    pub fn open(config: &MlpHeadConfig, context: &Context) -> Result<Self> {
        let backbone = Backbone::load(&config.backbone, context)?;
        let question = |request: FeatureRequest| {
            let cache = match config.cache {
                true => Some(context.settings().cache_folder.join(format!("features-{}", key(config, &request, context)?))),
                false => None,
            };
            Ok::<_, Error>(Question { request, cache })
        };
        backbone.check(&config.request())?;
        if config.regions != Regions::Mask {
            backbone.check(&config.crop_request()).context(|| "crop_size".to_owned())?;
        }
        let (whole, crop) = (question(config.request())?, question(config.crop_request())?);
        let batch_size = backbone.batch_size().max(1);
        Ok(Self { backbone, whole, crop, prepared: Mutex::default(), batch_size, at_once: AtomicUsize::new(batch_size) })
    }

    fn question(&self, part: Part) -> &Question {
        match part {
            Part::Whole => &self.whole,
            Part::Crop => &self.crop,
        }
    }

    /// Numbers a patch, d.
    pub fn dimension(&self) -> usize {
        self.backbone.dimension(&self.whole.request)
    }

    /// The backbone's family.
    pub fn family(&self) -> Family {
        self.backbone.family()
    }

    /// Whether there is a class token.
    pub fn has_class_token(&self) -> bool {
        self.backbone.has_class_token()
    }

    /// Floating-point operations of the backbone for a part of an image.
    pub fn flops(&self, part: Part) -> u64 {
        self.backbone.flops(&self.question(part).request)
    }

    /// Bytes of the device's memory that the backbone holds; 0 while it is not known.
    pub fn memory(&self) -> u64 {
        self.backbone.memory()
    }

    /// The side in pixels, S, that a part is resized to.
    pub fn input_size(&self, part: Part) -> u32 {
        self.question(part).request.input_size
    }

    /// The same as if the backbone took so many images at once.
    #[cfg(test)]
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        Self { batch_size, at_once: AtomicUsize::new(batch_size), ..self }
    }

    /// Images that one call of [`FeatureSource::answer`] should get: 1 where several cost as much as one after the other, and threads may call at the same time.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Patches along a side of the grid.
    pub fn side(&self, part: Part) -> usize {
        (self.input_size(part) / self.backbone.patch_size()) as usize
    }

    /// Says how much disk the features of so many images or crops take, before any is computed.
    pub fn announce(&self, count: usize, part: Part) {
        if let Some(folder) = &self.question(part).cache {
            let bytes = count as f64 * (self.numbers(part) * size_of::<f32>()) as f64;
            let what = if part == Part::Whole { "images" } else { "crops" };
            info!("the features of {count} {what} will take {} in {}, less what is there already", describe(bytes), folder.display());
        }
    }

    /// How many numbers the cache keeps of a part: its patches, and of a crop the class token behind them.
    fn numbers(&self, part: Part) -> usize {
        let vectors = self.side(part) * self.side(part) + usize::from(self.keeps_class_token(part));
        vectors * self.dimension()
    }

    fn keeps_class_token(&self, part: Part) -> bool {
        part == Part::Crop && self.has_class_token()
    }

    /// The features of several whole images; on a device all at once.
    ///
    /// # Errors
    /// As [`Backbone::features`]; which image is at fault is not known then.
    pub fn of_each(&self, images: &[&Image<'_>]) -> Result<Vec<Features>> {
        let mut asked = self.map(images.to_vec(), |image| self.ask(image, Part::Whole))?;
        self.answer(&mut asked.iter_mut().collect::<Vec<_>>())?;
        asked.into_iter().map(Asked::known).collect()
    }

    /// As [`Backbone::map`].
    ///
    /// # Errors
    /// The first error of an item.
    pub fn map<T: Send, R: Send>(&self, items: Vec<T>, work: impl Fn(T) -> Result<R> + Sync) -> Result<Vec<R>> {
        self.backbone.map(items, work)
    }

    /// Looks an image, or a crop of one, up in the cache; one that is not there is resized to S×S. Needs no device.
    ///
    /// # Errors
    /// An image that cannot be resized.
    pub fn ask(&self, image: &Image<'_>, part: Part) -> Result<Asked> {
        let file = self.question(part).cache.as_ref().map(|folder| {
            let mut hash = blake3::Hasher::new();
            hash.update(&image.width().to_le_bytes()).update(&image.height().to_le_bytes()).update(image.pixels());
            let name = hash.finalize().to_hex();
            // Two digits as folder: a million files in one are slow to list.
            folder.join(&name[..2]).join(format!("{}.f32", &name[2..]))
        });
        if let Some(features) = file.as_deref().and_then(|file| self.read(file, part)) {
            return Ok(Asked::Known(features));
        }
        let side = self.input_size(part);
        Ok(Asked::Image { image: image.resize_lanczos(side, side)?, part, file })
    }

    /// Makes all of them known. Where the device's memory does not do for several images at once, half as many are taken from there on.
    ///
    /// # Errors
    /// As [`Backbone::features`]; which of several images is at fault is not known then.
    pub fn answer(&self, asked: &mut [&mut Asked]) -> Result<()> {
        [Part::Whole, Part::Crop].into_iter().try_for_each(|part| self.answer_part(asked, part))
    }

    fn answer_part(&self, asked: &mut [&mut Asked], part: Part) -> Result<()> {
        let request = &self.question(part).request;
        let features = {
            let unknown = asked.iter().filter_map(|asked| asked.unknown(part));
            let images = unknown.map(|image| Image::new(image.width(), image.height(), image.pixels())).collect::<Result<Vec<_>>>()?;
            in_parts(&images, &self.at_once, |images| self.backbone.features(images, request))?
        };
        let unknown = asked.iter_mut().filter(|asked| asked.unknown(part).is_some());
        for (asked, features) in unknown.zip(features) {
            let grid = (features.rows, features.columns, features.dimension);
            if grid != (self.side(part), self.side(part), self.dimension()) {
                let (side, dimension) = (self.side(part), self.dimension());
                return Err(Error::numeric(format!("the backbone gave features of the form {grid:?} instead of ({side}, {side}, {dimension})")));
            }
            if let Asked::Image { file: Some(file), .. } = &**asked
                && let Err(error) = self.keep(file, &features, part)
            {
                warn!("cannot keep features in {}: {error}", file.display());
            }
            **asked = Asked::Known(features);
        }
        Ok(())
    }

    /// Keeps the features of a part of an image in the cache.
    fn keep(&self, file: &Path, features: &Features, part: Part) -> std::io::Result<()> {
        let folder = file.parent().unwrap_or(file);
        if !lock(&self.prepared).contains(folder) {
            prepare(folder)?;
            lock(&self.prepared).insert(folder.to_owned());
        }
        let class_token = features.class_token.iter().flatten().filter(|_| self.keeps_class_token(part));
        write(file, features.values.iter().chain(class_token))
    }

    /// The features of a file; `None` where it is not there or not whole.
    fn read(&self, file: &Path, part: Part) -> Option<Features> {
        let bytes = fs::read(file).ok()?;
        let (side, dimension) = (self.side(part), self.dimension());
        let (values, hash) = bytes.split_at_checked(self.numbers(part) * size_of::<f32>())?;
        if hash != blake3::hash(values).as_bytes() {
            warn!("{} is damaged or of an earlier version: its features are computed again", file.display());
            return None;
        }
        let mut values: Vec<f32> = values.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let class_token = self.keeps_class_token(part).then(|| values.split_off(side * side * dimension));
        Some(Features { rows: side, columns: side, dimension, values, class_token })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The answers to all items, asked for in parts of at most `at_once`, which is halved each time that the memory does not do for several.
fn in_parts<I, T>(items: &[I], at_once: &AtomicUsize, ask: impl Fn(&[I]) -> Result<Vec<T>>) -> Result<Vec<T>> {
    let mut answers = Vec::with_capacity(items.len());
    while let Some(rest) = items.get(answers.len()..).filter(|rest| !rest.is_empty()) {
        let part = &rest[..at_once.load(Ordering::Relaxed).min(rest.len())];
        match ask(part) {
            Ok(some) if some.len() == part.len() => answers.extend(some),
            Ok(some) => return Err(Error::numeric(format!("the backbone gave features of {} images instead of {}", some.len(), part.len()))),
            Err(error) if error.kind == ErrorKind::OutOfMemory && part.len() > 1 => {
                let half = part.len() / 2;
                warn!("{error}: from here on the backbone gets {half} images at once instead of {}", part.len());
                at_once.store(half, Ordering::Relaxed);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(answers)
}

/// Bytes as people say them.
pub fn describe(bytes: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB")];
    match UNITS.iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", bytes / size),
        None => format!("{:.0} kB", bytes / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::Settings;

    #[test]
    fn cached_features_are_the_computed_ones_and_a_broken_file_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { cache_folder: folder.path().to_owned(), ..Context::for_tests(&["a", "b"]).settings().clone() };
        let context = Context::new(settings, Context::for_tests(&[]).host().clone());
        let config = |cache| MlpHeadConfig { input_size: 32, cache, ..Default::default() };
        let image = Image::new(40, 30, (0..3600).map(|at| (at * 7 % 251) as u8).collect::<Vec<u8>>()).unwrap();
        let plain = FeatureSource::open(&config(false), &context).unwrap().of_each(&[&image]).unwrap();
        let cached = FeatureSource::open(&config(true), &context).unwrap();
        assert_eq!(cached.of_each(&[&image]).unwrap(), plain);
        let files = || {
            let inner = |path: PathBuf| fs::read_dir(path).unwrap().flatten().map(|entry| entry.path());
            inner(folder.path().to_owned()).flat_map(inner).flat_map(inner).collect::<Vec<_>>()
        };
        let [file] = files().try_into().unwrap();
        let whole = fs::read(&file).unwrap();
        assert_eq!(whole.len(), plain[0].values.len() * 4 + blake3::OUT_LEN);
        assert_eq!(cached.of_each(&[&image]).unwrap(), plain);
        let mut flipped = whole.clone();
        flipped[1234] ^= 0x10;
        for broken in [&whole[..whole.len() - 4], &flipped] {
            fs::write(&file, broken).unwrap();
            assert_eq!(cached.of_each(&[&image]).unwrap(), plain);
            assert_eq!(fs::read(&file).unwrap(), whole);
        }
    }

    #[test]
    fn sizes_are_said_in_words() {
        assert_eq!([describe(6.2e5), describe(9.03e8), describe(5.4e12)], ["620 kB", "903.0 MB", "5.4 TB"]);
    }

    #[test]
    fn too_little_memory_halves_what_is_asked_for_until_it_does() {
        let at_once = AtomicUsize::new(16);
        let ask = |most: usize| {
            move |part: &[usize]| match part.len() > most {
                true => Err(Error::new(ErrorKind::OutOfMemory, "the device has no memory left")),
                false => Ok(part.to_vec()),
            }
        };
        let items: Vec<usize> = (0..37).collect();
        assert_eq!(in_parts(&items, &at_once, ask(5)).unwrap(), items);
        assert_eq!(at_once.load(Ordering::Relaxed), 4);
        assert_eq!(in_parts(&items, &at_once, ask(0)).unwrap_err().kind, ErrorKind::OutOfMemory);
        assert_eq!(at_once.load(Ordering::Relaxed), 1);
        assert!(in_parts(&items, &at_once, |_: &[usize]| Ok(Vec::<usize>::new())).is_err());
    }
}

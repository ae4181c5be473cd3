//! `convert review export` and `import`: a run's images to annotation tools and back.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use convert_formats::exchange::{self, AnnotatedRegion, Annotation, REGION, SharedImage, SharedRegion};
use convert_formats::label_sets::NameIndex;
use convert_formats::reviews::{Action, Event, ImageReviews, LabelState, REVIEWS, ReviewFile, Reviews};
use convert_sdk::{Error, LabelledSample, Mask, ResultExt};

use super::super::export::reviews_of;
use super::super::writable;
use crate::cli::ExchangeFormat;
use crate::command_name;
use crate::engine::replace_file;
use crate::errors::{FileError, PluginError};
use crate::failure::Failure;
use crate::pipeline::{HandedOn, PipelineError, Session};

/// The queue of images that were drawn for export.
const RANDOM: &str = convert_formats::reviews::RANDOM;

/// What is to be written.
pub struct Export<'a> {
    /// How.
    pub format: ExchangeFormat,
    /// Where.
    pub output: &'a Path,
    /// The reviews; the run's own by default.
    pub reviews: Option<&'a Path>,
    /// So many images besides those that were reviewed.
    pub random: usize,
    /// What their drawing depends on.
    pub seed: u64,
}

/// What is to be read.
pub struct Import<'a> {
    /// The tool's file.
    pub file: &'a Path,
    /// Its form; found out by default.
    pub format: Option<ExchangeFormat>,
    /// Where the reviews go; the run's own by default.
    pub reviews: Option<&'a Path>,
    /// Who did it, where the file does not say.
    pub who: Option<&'a str>,
    /// How the images came up, where the file does not say.
    pub queue: Option<&'a str>,
}

impl ExchangeFormat {
    fn form(self) -> exchange::ExchangeFormat {
        match self {
            Self::LabelStudio => exchange::ExchangeFormat::LabelStudio,
            Self::Cvat => exchange::ExchangeFormat::Datumaro,
        }
    }
}

/// Writes the reviewed images, and some at random.
pub fn export(open: impl FnOnce() -> Result<Session, Failure>, options: &Export<'_>) -> Result<(), Failure> {
    let output = writable(options.output)?;
    let session = open()?;
    let own = session.recipe.work_dir.join(REVIEWS);
    let reviews = match options.reviews {
        None if options.random > 0 && !own.exists() => Reviews::new(&session.samples.classes),
        named => session.read_reviews(&reviews_of(&session, named)?)?,
    };
    let drawn = draw(&session, &reviews, options.random, options.seed);
    let calibration = session.calibration()?;
    let threshold = calibration.as_ref().and_then(|calibration| calibration.threshold()).unwrap_or(0.5);
    let handed_on = HandedOn { calibration: calibration.as_ref(), reviews: None };
    let model = format!("convert {}, {}", env!("CARGO_PKG_VERSION"), session.recipe.name);
    let (mut complete, mut others) = (0, 0);
    replace_file(&output, |file| {
        let mut writer = options.format.form().writer(file, &session.samples.classes, &model).map_err(PluginError)?;
        let wanted = |id: &str| reviews.of(id).is_some() || drawn.contains(id);
        session.for_each_wanted(
            &handed_on,
            |sample| wanted(&sample.id),
            |_, sample| {
                let shared = Shared { sample, image: reviews.of(&sample.id), classes: &session.samples.classes, threshold };
                let image = shared.image();
                *if image.complete { &mut complete } else { &mut others } += 1;
                Ok(writer.write(&image)?)
            },
        )?;
        Ok(writer.finish().map_err(PluginError)?)
    })?;
    answer!("{}: {complete} finished images, {others} others", options.output.display());
    Ok(())
}

/// Samples of which nothing was said, as good as at random, and for a seed always the same.
fn draw(session: &Session, reviews: &Reviews, count: usize, seed: u64) -> HashSet<String> {
    let free = session.samples.list.iter().filter(|sample| reviews.of(&sample.id).is_none());
    let mut keyed: Vec<([u8; 32], &str)> = free
        .map(|sample| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&seed.to_le_bytes()).update(sample.id.as_bytes());
            (*hasher.finalize().as_bytes(), sample.id.as_str())
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().take(count).map(|(_, id)| id.to_owned()).collect()
}

/// A sample on its way to another tool.
struct Shared<'a> {
    sample: &'a LabelledSample<'a>,
    image: Option<&'a ImageReviews>,
    classes: &'a [String],
    threshold: f32,
}

impl Shared<'_> {
    fn image(&self) -> SharedImage<'_> {
        let name = |class: u32| self.classes.get(class as usize).map_or("", String::as_str);
        let labels = self.sample.labels.entries().iter().map(|entry| (entry.class, entry.probability.get()));
        let shown: BTreeSet<u32> = match self.image {
            Some(image) => {
                image.labels(labels, self.threshold).iter().filter(|label| label.state != LabelState::Rejected).map(|label| label.class).collect()
            }
            None => labels.filter(|(_, p)| *p > self.threshold).map(|(class, _)| class).collect(),
        };
        let mut regions = Vec::new();
        for (region, place) in self.sample.regions.iter().zip(0..) {
            let Some(top) = region.top.first().filter(|top| top.probability.get() > self.threshold && shown.contains(&top.class)) else { continue };
            if !self.image.is_some_and(|image| image.is_bad(place, &region.mask)) {
                regions.push(SharedRegion { name: format!("{REGION}{place}"), class: name(top.class), mask: &region.mask });
            }
        }
        let size = (self.sample.width, self.sample.height);
        let drawn = self.image.into_iter().flat_map(ImageReviews::drawn).filter(|drawn| (drawn.mask.width(), drawn.mask.height()) == size);
        regions.extend(drawn.map(|drawn| SharedRegion { name: format!("drawn-{}", drawn.event.id), class: name(drawn.class), mask: drawn.mask }));
        let complete = self.image.is_some_and(ImageReviews::is_complete);
        let queue = match self.image {
            Some(image) if image.is_complete_from(RANDOM) => Some(RANDOM),
            Some(image) => image.events().rev().find_map(|event| event.queue.as_deref()),
            None => Some(RANDOM),
        };
        SharedImage {
            id: &self.sample.id,
            width: size.0,
            height: size.1,
            given: name(self.sample.label),
            classes: shown.into_iter().map(name).collect(),
            regions,
            complete,
            queue,
        }
    }
}

/// Turns what was done in another tool into reviews.
pub fn import(open: impl FnOnce() -> Result<Session, Failure>, options: &Import<'_>) -> Result<(), Failure> {
    let usage = |error: Error| Failure::usage(PluginError(error));
    let form = options.format.map_or_else(|| exchange::ExchangeFormat::of(options.file), |format| Ok(format.form())).map_err(usage)?;
    let annotations = form.read(options.file).map_err(usage)?;
    let session = open()?;
    let target = target(&session, options.reviews)?;
    let file = ReviewFile::open(&target).map_err(usage)?;
    let reviews = session.read_reviews(&target)?;
    let mut names = NameIndex::default();
    session.samples.list.iter().zip(0..).for_each(|(sample, at)| _ = names.insert(&sample.id, at));
    let (mut of_sample, mut elsewhere, mut ignored) = (BTreeMap::<usize, Vec<&Annotation>>::new(), 0, 0);
    for annotation in &annotations {
        ignored += annotation.ignored;
        match names.find(&annotation.sample) {
            Some(at) => of_sample.entry(at).or_default().push(annotation),
            None => elsewhere += 1,
        }
    }
    let wanted: HashSet<&str> = of_sample.keys().map(|at| session.samples.list[*at].id.as_str()).collect();
    let (mut events, mut images, mut known) = (Vec::new(), 0, 0);
    session.for_each_wanted(
        &HandedOn::default(),
        |sample| wanted.contains(sample.id.as_str()),
        |at, sample| {
            for annotation in of_sample.remove(&at).into_iter().flatten() {
                let who = annotation.who.as_deref().or(options.who).unwrap_or(match form {
                    exchange::ExchangeFormat::LabelStudio => "Label Studio",
                    exchange::ExchangeFormat::Datumaro => "CVAT",
                });
                let taken = Taken { sample, classes: &session.samples.classes, image: reviews.of(&sample.id), who };
                let problem = |source: Error| PipelineError::Sample {
                    sample: sample.id.clone(),
                    source: source.context(options.file.display().to_string()).into(),
                };
                let queue = annotation.queue.as_deref().or(options.queue);
                let new = taken.events(annotation).map_err(problem)?;
                *if new.is_empty() { &mut known } else { &mut images } += 1;
                events.extend(new.into_iter().map(|action| Event { queue: queue.map(str::to_owned), ..Event::new(who, &sample.id, action) }));
            }
            Ok(())
        },
    )?;
    elsewhere += of_sample.values().map(Vec::len).sum::<usize>();
    file.append_all(&events).map_err(Failure::from)?;
    answer!("{}: {} events of {images} images; {known} were there already", target.display(), events.len());
    if elsewhere > 0 {
        answer!("{elsewhere} images of {} have no labels in this run, and are left out", options.file.display());
    }
    if ignored > 0 {
        answer!("{ignored} annotations of kinds that mean nothing here are left out");
    }
    Ok(())
}

/// Where the reviews go.
fn target(session: &Session, named: Option<&Path>) -> Result<PathBuf, Failure> {
    match named {
        Some(file) => Ok(std::path::absolute(file).map_err(FileError::of("write", file)).map_err(Failure::usage)?),
        None if session.recipe.store.is_remote() => {
            let typed = command_name::typed();
            Err(Failure::usage(format!(
                "the run lies in an object store, whose files cannot grow: `{typed} review import --reviews FILE` names a file"
            )))
        }
        None => Ok(session.recipe.work_dir.join(REVIEWS)),
    }
}

/// An annotation of a sample, to be taken over.
struct Taken<'a> {
    sample: &'a LabelledSample<'a>,
    classes: &'a [String],
    /// What was said before.
    image: Option<&'a ImageReviews>,
    who: &'a str,
}

impl Taken<'_> {
    /// What it says beyond what this person has said before.
    fn events(&self, annotation: &Annotation) -> Result<Vec<Action>, Error> {
        let mut classes = annotation.classes.clone().unwrap_or_default();
        let (mut seen, mut actions) = (BTreeSet::new(), Vec::new());
        for AnnotatedRegion { name, class, shape } in &annotation.regions {
            let mask = shape.mask(self.sample.width, self.sample.height).context(|| format!("a region of `{class}`"))?;
            match self.place(name.as_deref(), &mask) {
                Some(place) => {
                    seen.insert(place);
                    // Where classes were chosen for the whole image, a region that was left standing says nothing of them.
                    if annotation.classes.is_none() {
                        classes.insert(class.clone());
                    }
                }
                None => {
                    classes.insert(class.clone());
                    let class_index = self.index(class)?;
                    let known = self.image.into_iter().flat_map(ImageReviews::drawn).any(|drawn| drawn.class == class_index && *drawn.mask == mask);
                    if !known && !mask.is_empty() {
                        actions.push(Action::Add { class: class.clone(), mask: Some(mask) });
                    }
                }
            }
        }
        let indices = classes.iter().map(|class| self.index(class)).collect::<Result<BTreeSet<u32>, _>>()?;
        for (region, place) in self.sample.regions.iter().zip(0..) {
            let shown = annotation.shown.as_ref().is_some_and(|shown| shown.iter().any(|name| *name == format!("{REGION}{place}")));
            match (self.image.is_some_and(|image| image.is_bad(place, &region.mask)), seen.contains(&place)) {
                (false, false) if shown => actions.push(Action::BadMask { region: place, mask: Some(region.mask.clone()) }),
                (true, true) => actions.push(Action::GoodMask { region: place }),
                _ => {}
            }
        }
        if !actions.is_empty() || self.image.and_then(|image| image.classes_by(self.who)) != Some(indices) {
            actions.push(Action::Complete { labels: classes.into_iter().collect() });
        }
        Ok(actions)
    }

    /// Which of the run's regions this is.
    fn place(&self, name: Option<&str>, mask: &Mask) -> Option<u32> {
        let named = name.and_then(|name| name.strip_prefix(REGION)?.parse::<usize>().ok());
        let is = |place: &usize| self.sample.regions.get(*place).is_some_and(|region| region.mask == *mask);
        let found = named.filter(is).or_else(|| (0..self.sample.regions.len()).find(is));
        found.map(|place| place as u32)
    }

    fn index(&self, class: &str) -> Result<u32, Error> {
        let found = self.classes.iter().position(|name| name == class);
        found.map(|index| index as u32).ok_or_else(|| {
            let hint = crate::recipe::suggestion(class, self.classes.iter().map(String::as_str));
            Error::invalid(format!("the class `{class}` is not one of the run's{hint}"))
        })
    }
}

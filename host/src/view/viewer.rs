//! A run as the viewer holds it: the index, which is built while the page waits; the dataset and the models, which are opened beside it; the reviews.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use convert_formats::reviews::REVIEWS;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::details::Details;
use super::filter::Known;
use super::index::{Index, IndexBuilder};
use super::pictures::Thumbnails;
use super::record::FinishedRun;
use super::refusal::Refusal;
use super::reviewing::{Review, Reviewing};
use crate::command_name;
use crate::errors::{FileError, PluginError, chain};
use crate::failure::Failure;
use crate::pipeline::{Consultation, Session};

/// Where the index is kept, within the run's folder on this machine.
const INDEX: &str = "cache/view/index.arrow";

/// See the module.
pub struct Viewer {
    /// The run.
    pub run: FinishedRun,
    /// What was said of its images.
    pub reviews: Reviewing,
    /// Regions of the shards last looked at.
    pub details: Details,
    /// The thumbnails last asked for.
    pub thumbnails: Thumbnails,
    /// So much work is done at once.
    pub turns: Semaphore,
    rules: Rules,
    reviewer: String,
    index: RwLock<Progress>,
    done: AtomicUsize,
    models: OnceLock<Result<Consultation, String>>,
}

/// What those who look may do and see.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Nothing is written.
    pub read_only: bool,
    /// The page hides probabilities and reasons.
    pub blind: bool,
}

/// How far the index is.
enum Progress {
    Building,
    Ready(Arc<Index>),
    Failed(String),
}

impl Viewer {
    /// A viewer of a run, whose index is not there yet.
    ///
    /// # Errors
    /// Reviews that cannot be read.
    pub fn new(run: FinishedRun, rules: Rules, threads: usize) -> Result<Self, Failure> {
        let reviews = Reviewing::open(&run.place.folder.join(REVIEWS), &run.record.classes).map_err(PluginError)?;
        let reviewer = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
        Ok(Self {
            run,
            reviews,
            details: Details::default(),
            thumbnails: Thumbnails::default(),
            turns: Semaphore::new(threads.max(1)),
            rules,
            reviewer,
            index: RwLock::new(Progress::Building),
            done: AtomicUsize::new(0),
            models: OnceLock::new(),
        })
    }

    /// Takes the index that an earlier start kept; whether there was one.
    pub fn take_up_index(&self) -> bool {
        let kept = Index::load(&self.run.place.folder.join(INDEX), &self.run.identity);
        kept.map(|index| self.has_index(index)).is_some()
    }

    /// Builds the index from what the run stored, and keeps it.
    ///
    /// # Errors
    /// Stored results that cannot be read. An index that cannot be kept is built again by the next start.
    pub fn build_index(&self, session: &Session) -> Result<(), Failure> {
        let (mut builder, mut sample) = (IndexBuilder::default(), 0);
        session.overview(|done, overview| {
            self.done.store(done, Ordering::Relaxed);
            builder.add(&session.samples.list[sample].id, &overview);
            sample += 1;
            Ok(())
        })?;
        let index = builder.finish();
        if let Err(error) = index.save(&self.run.place.folder.join(INDEX), &self.run.identity) {
            tracing::warn!("{}: the next start builds the index again", chain(&error));
        }
        self.has_index(index);
        Ok(())
    }

    fn has_index(&self, index: Index) {
        let index = Arc::new(index);
        self.reviews.count(&index, self.run.record.threshold);
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Progress::Ready(index);
    }

    /// There will be no index.
    pub fn has_failed(&self, error: &(dyn std::error::Error + 'static)) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Progress::Failed(chain(error));
    }

    /// The dataset is open, or will not be.
    pub fn has_models(&self, models: Result<Consultation, String>) {
        let _ = self.models.set(models);
    }

    /// The index.
    ///
    /// # Errors
    /// It is not there yet, or could not be built.
    pub fn index(&self) -> Result<Arc<Index>, Refusal> {
        match &*self.index.read().unwrap_or_else(PoisonError::into_inner) {
            Progress::Ready(index) => Ok(Arc::clone(index)),
            Progress::Building => {
                let (done, shards) = (self.done.load(Ordering::Relaxed), self.run.shards());
                Err(Refusal::not_ready(format!("the index is being built: {done} of {shards} shards")))
            }
            Progress::Failed(why) => Err(Refusal::failed(&*Box::<dyn std::error::Error>::from(why.clone()))),
        }
    }

    /// That there is such a sample.
    ///
    /// # Errors
    /// There is not.
    pub fn check(&self, index: &Index, sample: usize) -> Result<(), Refusal> {
        let samples = index.len();
        if sample < samples { Ok(()) } else { Err(Refusal::missing(format!("there is no sample {sample}: there are {samples}, counted from 0"))) }
    }

    /// Whether the dataset is open, or will not be.
    pub fn is_open(&self) -> bool {
        self.models.get().is_some()
    }

    /// The dataset and the models.
    ///
    /// # Errors
    /// They are not open yet, or could not be opened.
    pub fn models(&self) -> Result<&Consultation, Refusal> {
        match self.models.get() {
            Some(Ok(models)) => Ok(models),
            Some(Err(why)) => Err(Refusal::missing(format!("no images can be shown: {why}"))),
            None => Err(Refusal::not_ready("the dataset is being opened")),
        }
    }

    /// The models for regions that people draw.
    ///
    /// # Errors
    /// As [`Viewer::models`]; nothing is to be written here.
    pub fn annotating(&self) -> Result<&Consultation, Refusal> {
        self.check_writable()?;
        self.models()
    }

    /// What is known of the samples, for a look at all of them.
    ///
    /// # Errors
    /// As [`Viewer::index`]; reviews that cannot be read.
    pub fn known<T>(&self, look: impl FnOnce(&Known<'_>) -> T) -> Result<T, Refusal> {
        let (index, record) = (self.index()?, &self.run.record);
        self.reviews.refresh(&index, record.threshold)?;
        let reviewed = self.reviews.reviewed();
        Ok(look(&Known { index: &index, sources: &record.configurations, reviewed: &reviewed, threshold: record.threshold }))
    }

    /// Writes what somebody said of an image; what that makes of it.
    ///
    /// # Errors
    /// What makes no sense; a viewer that only reads; a file that cannot be written.
    pub fn review(&self, review: &Review) -> Result<Value, Refusal> {
        self.check_writable()?;
        let (index, threshold) = (self.index()?, self.run.record.threshold);
        self.check(&index, review.sample)?;
        let reviewing = &self.reviews;
        // Others may have said something meanwhile.
        reviewing.refresh(&index, threshold)?;
        let masks = self.masks(&index, review.sample)?;
        let event = reviewing.understood(review, &index, &masks)?;
        reviewing.append(&event, &index, threshold)?;
        Ok(json!({ "id": event.id, "state": reviewing.state(&index, review.sample, &masks, threshold, event.who.as_str()) }))
    }

    /// What the reviews make of a sample.
    ///
    /// # Errors
    /// Reviews that cannot be read.
    pub fn state_of(&self, index: &Index, sample: usize, who: &str) -> Result<Value, Refusal> {
        let (reviewing, threshold) = (&self.reviews, self.run.record.threshold);
        reviewing.refresh(index, threshold)?;
        Ok(reviewing.state(index, sample, &self.masks(index, sample)?, threshold, who))
    }

    fn masks(&self, index: &Index, sample: usize) -> Result<Vec<convert_sdk::Mask>, Refusal> {
        self.details.masks(&self.run, sample, index.id(sample)).map_err(|error| Refusal::failed(&error))
    }

    /// What the page begins with.
    pub fn summary(&self) -> Value {
        let record = &self.run.record;
        let index = self.index().ok();
        let models = matches!(self.models.get(), None | Some(Ok(_))) && !self.rules.read_only;
        let failed = match &*self.index.read().unwrap_or_else(PoisonError::into_inner) {
            Progress::Failed(why) => Some(why.clone()),
            _ => None,
        };
        let shards = self.run.shards();
        json!({
            "version": 1,
            "identity": &self.run.identity[..16],
            "name": record.recipe,
            "convert": env!("CARGO_PKG_VERSION"),
            "read_only": self.rules.read_only,
            "blind": self.rules.blind,
            "samples": record.samples,
            "classes": record.classes,
            "threshold": record.threshold,
            "sources": record.configurations,
            "truth": index.as_ref().is_some_and(|index| index.knows_truth()),
            "selection": record.stages.selections.is_some(),
            "predict": models,
            "propose": models,
            "index": {
                "ready": index.is_some(),
                "shards": shards,
                "done": if index.is_some() { shards } else { self.done.load(Ordering::Relaxed) },
                "error": failed,
            },
            "reviewer": self.reviewer,
            "statistics": record.statistics,
        })
    }

    fn check_writable(&self) -> Result<(), Refusal> {
        if self.rules.read_only { Err(Refusal::forbidden("this viewer only reads: it was started with --read-only")) } else { Ok(()) }
    }
}

/// Where reviews of a run lie that has an address: on this machine.
pub fn note_place(run: &FinishedRun) -> Option<String> {
    let typed = command_name::typed();
    run.place.store.is_remote().then(|| {
        let file = run.place.folder.join(REVIEWS);
        format!("reviews are kept on this machine, in {}: hand them to `{typed} export`, or put them into a recipe as `reviews:`", file.display())
    })
}

/// The folder of the run on this machine.
///
/// # Errors
/// It cannot be made.
pub fn make_folder(folder: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(folder).map_err(FileError::of("make", folder))
}

//! Why a run could not go on.

use std::path::{Path, PathBuf};

use convert_sdk::ErrorKind;
use convert_sdk::Role;

use super::action::Action;
use crate::engine::EngineError;
use crate::errors::{FileError, PluginError, may_pass};
use crate::recipe::{Configured, RecipeError};
use crate::storage::LeaseError;

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// What running and reading stages says.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The recipe asks for what cannot be; shown in its place.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A file of the run.
    #[error(transparent)]
    File(#[from] FileError),
    /// What a plugin says that was built, or the sdk of what it gave.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// A plugin could not be built for want of memory or of a working device: the recipe is not to blame.
    #[error(transparent)]
    NotBuilt(NotBuilt),
    /// The threads could not be started.
    #[error("cannot start {threads} threads")]
    Threads {
        /// How many.
        threads: usize,
        /// Why.
        source: rayon::ThreadPoolBuildError,
    },
    /// Another process has the work directory.
    #[error("another convert works in {}: wait for it, or choose another folder with --work-dir", .0.display())]
    InUse(PathBuf),
    /// Another process holds what this one needs, in a place that several machines reach.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Another process leads the run.
    #[error("another process leads the run in {}: wait for it", .0.display())]
    LedElsewhere(PathBuf),
    /// A worker's place is taken.
    #[error("another worker has the slot {slot} in {}: leave --slot out for the first that is free", .folder.display())]
    SlotInUse {
        /// The slot.
        slot: usize,
        /// The run's folder on this machine.
        folder: PathBuf,
    },
    /// A step that is no part for a worker.
    #[error("{stage} is written by the run itself: `convert --recipe` once all other stages are done")]
    NoPart {
        /// The step's name.
        stage: String,
    },
    /// Another process trains in a stage's folder.
    #[error("another process trains in {}: wait for it", .0.display())]
    TrainsElsewhere(PathBuf),
    /// Nothing was selected.
    #[error("{stage}: there is no region to train on: {why}")]
    NothingToTrainOn {
        /// The training's name.
        stage: String,
        /// Whether nothing was proposed, or nothing selected.
        why: String,
    },
    /// A file that a training needs cannot be read or written, which may pass.
    #[error("{stage}: a file cannot be read or written; the training is kept as far as it is, start again once it can")]
    TrainingAway {
        /// The stage's name.
        stage: String,
        /// What the last try gave.
        source: PluginError,
    },
    /// The labeler failed to train.
    #[error("{stage}")]
    Training {
        /// The training's name.
        stage: String,
        /// What the labeler says.
        source: PluginError,
    },
    /// The user asked to stop in the middle of a training.
    #[error("interrupted; the same command continues the training from its last checkpoint")]
    TrainingInterrupted,
    /// A stage wants a labeler that is not trained.
    #[error("there is no trained labeler yet: run the stage {stage} first")]
    NoCheckpoint {
        /// The training's name.
        stage: String,
    },
    /// A run's record is older than what is asked of it.
    #[error("this run does not say where its labeler was trained, an earlier convert made it: run its recipe again, which takes seconds")]
    TrainingNotNoted,
    /// A command wants the models of a run that trained none.
    #[error("this run trained no labeler, it used a checkpoint: run its recipe without `label.checkpoint`")]
    NotTrainedHere,
    /// A file of true classes that cannot be used.
    #[error("calibrate.truth: cannot use {}", .file.display())]
    KnownClasses {
        /// The file.
        file: PathBuf,
        /// Why.
        source: PluginError,
    },
    /// A file of true classes of other images.
    #[error("calibrate.truth: {} lists none of the dataset's images: it names images by their ids, such as class/photo.jpg", .file.display())]
    NoKnownImage {
        /// The file.
        file: PathBuf,
    },
    /// Reviews that cannot be used.
    #[error("reviews: cannot use {}", .file.display())]
    Reviews {
        /// The file.
        file: PathBuf,
        /// Why.
        source: PluginError,
    },
    /// What is stored of a sample does not fit together.
    #[error("{sample}")]
    Sample {
        /// The sample's id.
        sample: String,
        /// What does not fit.
        source: PluginError,
    },
    /// An id that says no place for a map's file.
    #[error("the id `{0}` is not a path below a folder: its map has no place")]
    NoPlace(String),
    /// Two maps with one file.
    #[error("{id} and {other} would both be written to {}", .file.display())]
    SamePlace {
        /// A sample's id.
        id: String,
        /// That of another, whose map is there already.
        other: String,
        /// The file of both.
        file: PathBuf,
    },
    /// An exporter failed.
    #[error("exporter {exporter}, {}{}", .file.display(), .sample.as_ref().map_or_else(String::new, |sample| format!(", sample {sample}")))]
    Export {
        /// Its name.
        exporter: Box<str>,
        /// The file that it was to write; what was there before is there still.
        file: Box<Path>,
        /// The sample that it was given; none at the end of its file.
        sample: Option<Box<str>>,
        /// What it says.
        source: PluginError,
    },
    /// A mistake of this program.
    #[error("internal error: the plan has no step {0:?}")]
    MissingStep(Action),
    /// A mistake of this program.
    #[error("internal error: {stage} is a step on the whole set")]
    WholeSet {
        /// The step's name.
        stage: String,
    },
    /// A mistake of this program.
    #[error("internal error: {stage} has neither a training nor a checkpoint")]
    Untrained {
        /// The step's name.
        stage: String,
    },
    /// A mistake of this program.
    #[error("internal error: the section `aggregate` cannot be written")]
    Aggregate(#[source] serde_json::Error),
}

impl PipelineError {
    /// Whether it says something of the recipe, the samples or the program, and would come again. What machines, files and other processes do may pass.
    pub fn is_for_good(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_for_good(),
            Self::Plugin(source) | Self::Sample { source, .. } | Self::Export { source, .. } | Self::Training { source, .. } => {
                !source.0.kind.may_pass()
            }
            Self::File(error) => !may_pass(error),
            Self::Lease(LeaseError::Store { source, .. }) => !may_pass(source),
            Self::NothingToTrainOn { .. }
            | Self::NoPlace(_)
            | Self::NoPart { .. }
            | Self::SlotInUse { .. }
            | Self::SamePlace { .. }
            | Self::KnownClasses { .. }
            | Self::Reviews { .. }
            | Self::NoKnownImage { .. } => true,
            Self::MissingStep(_) | Self::WholeSet { .. } | Self::Untrained { .. } | Self::Aggregate(_) => true,
            Self::Recipe(_)
            | Self::NotBuilt(_)
            | Self::Threads { .. }
            | Self::InUse(_)
            | Self::TrainsElsewhere(_)
            | Self::LedElsewhere(_)
            | Self::Lease(LeaseError::Held { .. }) => false,
            Self::TrainingAway { .. } | Self::TrainingInterrupted | Self::NoCheckpoint { .. } | Self::TrainingNotNoted | Self::NotTrainedHere => {
                false
            }
        }
    }

    /// Whether a model did not fit into memory when it was loaded.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::NotBuilt(error) if error.source.0.kind == ErrorKind::OutOfMemory)
    }
}

impl From<convert_sdk::Error> for PipelineError {
    fn from(error: convert_sdk::Error) -> Self {
        Self::Plugin(error.into())
    }
}

/// A plugin that could not be built.
#[derive(Debug, thiserror::Error)]
#[error("{} {plugin}", .role.name())]
pub struct NotBuilt {
    /// Its role.
    pub role: Role,
    /// Its name.
    pub plugin: String,
    /// What it says.
    pub source: PluginError,
}

impl NotBuilt {
    /// What a plugin of a recipe says.
    pub fn of(configured: &Configured, error: convert_sdk::Error) -> Self {
        Self { role: configured.plugin.role, plugin: configured.plugin.name.clone(), source: error.into() }
    }
}

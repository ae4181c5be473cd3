//! Why the engine could not go on.

use std::path::PathBuf;

use super::entry::Entry;
use crate::errors::{AnyError, FileError, PluginError, may_pass};

/// Why stages could not be run or read.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file of the work directory, or one that a config names.
    #[error(transparent)]
    File(#[from] FileError),
    /// A stage is read that did not run.
    #[error("shard {shard} of {stage} is not there: run that stage first")]
    MissingShard {
        /// The stage's name.
        stage: String,
        /// The shard's number.
        shard: usize,
    },
    /// A stored shard that is damaged. It is out of the way now.
    #[error("{} is damaged; it is kept as {}, and made again by the next run", .file.display(), .aside.display())]
    Damaged {
        /// The shard's file.
        file: PathBuf,
        /// Where it is now.
        aside: PathBuf,
        /// What is wrong with it.
        source: AnyError,
    },
    /// A stored shard names a sample that the run does not have there.
    #[error("{}: unknown sample `{sample}`", .folder.display())]
    UnknownSample {
        /// The stage's folder.
        folder: PathBuf,
        /// The sample's id.
        sample: String,
    },
    /// A shard's results cannot be stored.
    #[error("cannot store {stage} in {}", .folder.display())]
    Store {
        /// The stage's name.
        stage: String,
        /// The stage's folder.
        folder: PathBuf,
        /// Why.
        source: AnyError,
    },
    /// So many samples in a row failed that it says more of the plugin or the files than of the samples.
    #[error("{stage}: {count} samples in a row failed; the last, {}: {} (max_errors in the recipe lets a run go on)", .last.id, .last.reason)]
    AllFailed {
        /// The stage's name.
        stage: String,
        /// How many samples.
        count: usize,
        /// The last of them.
        last: Box<Entry>,
    },
    /// A sample failed where the recipe wants that to end the run.
    #[error("sample {} failed in {}: {} (the recipe says on_error: stop)", .0.id, .0.stage, .0.reason)]
    SampleFailed(Box<Entry>),
    /// More samples failed than the recipe allows.
    #[error("{count} samples were skipped, more than max_errors: {limit}; the reasons are in {}", .ledger.display())]
    TooManyErrors {
        /// How many so far.
        count: u64,
        /// The recipe's `max_errors`.
        limit: u64,
        /// The ledger's file.
        ledger: PathBuf,
    },
    /// A plugin failed in a way that says nothing about the sample: the device, its memory, or something that is not supported.
    #[error("{stage}, {sample}")]
    Plugin {
        /// The stage's name.
        stage: String,
        /// The id of the first sample of the call.
        sample: String,
        /// What the plugin says.
        source: PluginError,
    },
    /// A file that a sample needs cannot be read or written, which may pass; it was tried several times.
    #[error("{stage}, {sample}: a file cannot be read or written; nothing of the sample is stored, start again once it can")]
    Away {
        /// The stage's name.
        stage: String,
        /// The sample's id.
        sample: String,
        /// What the last try gave.
        source: PluginError,
    },
    /// A sample crashed the program twice, where the recipe wants that to end the run.
    #[error("{stage}, {sample}: it crashed the program twice ({how}; the recipe says on_crash: stop)")]
    Crashed {
        /// The stage's name.
        stage: String,
        /// The sample's id.
        sample: String,
        /// The signal, or what else it was.
        how: String,
    },
    /// The user asked to stop.
    #[error("interrupted; every finished shard is kept: the same command continues from here")]
    Interrupted,
    /// A mistake of this program.
    #[error("internal error: {stage} was not built, but is asked to work")]
    NotStarted {
        /// The stage's name.
        stage: String,
    },
    /// A mistake of this program, told in full by the panic itself.
    #[error("a worker panicked")]
    WorkerPanicked,
}

impl EngineError {
    /// Whether it would come again: see `PipelineError::is_for_good`.
    pub fn is_for_good(&self) -> bool {
        match self {
            Self::File(error) => !may_pass(error),
            Self::Store { source, .. } => !may_pass(&**source),
            Self::Plugin { source, .. } => !source.0.kind.may_pass(),
            Self::UnknownSample { .. } | Self::AllFailed { .. } | Self::SampleFailed(_) | Self::TooManyErrors { .. } | Self::Crashed { .. } => true,
            Self::NotStarted { .. } => true,
            Self::MissingShard { .. } | Self::Damaged { .. } | Self::Away { .. } | Self::Interrupted | Self::WorkerPanicked => false,
        }
    }
}

/// Why a dataset's samples cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum SamplesError {
    /// What the dataset says.
    #[error(transparent)]
    Dataset(PluginError),
    /// Nothing to do.
    #[error("the dataset has no samples")]
    None,
    /// Too few classes.
    #[error("the dataset has {}; at least 2 are needed to tell objects apart", counted(.0))]
    Classes(usize),
    /// An id that is not unique.
    #[error("the dataset has two samples with the id `{0}`")]
    RepeatedId(String),
    /// A label that is none.
    #[error("sample `{sample}` has the label {label}, but there are only {classes} classes")]
    Label {
        /// The sample's id.
        sample: String,
        /// Its label.
        label: u32,
        /// How many classes there are.
        classes: usize,
    },
    /// A file that the dataset's config names.
    #[error(transparent)]
    File(#[from] FileError),
}

fn counted(classes: &usize) -> String {
    format!("{classes} class{}", if *classes == 1 { "" } else { "es" })
}

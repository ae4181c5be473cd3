//! How a command can end, the exit code of each way, and how it is told.
//!
//! The rule of thumb for errors in this crate: a message is made where it is shown. What fails returns a type that says what was being done, to what, and as its
//! `#[source]` why; nobody turns an error into text to pass it on, and no error repeats its source. The words stand in the `#[error]` of each variant, the order in
//! [`crate::errors::chain`], and the one place that prints them is [`Failure::report`].

use std::path::PathBuf;

use convert_sdk::{Error, ErrorKind};

use crate::engine::EngineError;
use crate::errors::{AnyError, FileError, PluginError, chain, printable};
use crate::pipeline::PipelineError;
use crate::recipe::RecipeError;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line or the environment makes no sense.
    #[error(transparent)]
    Usage(AnyError),
    /// The recipe cannot run.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The run failed on the way, or was interrupted.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// A file that a command reads or writes by itself.
    #[error(transparent)]
    File(#[from] FileError),
    /// What a plugin or the sdk says, outside of runs.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// Anything else that a command could not do.
    #[error(transparent)]
    Run(AnyError),
    /// The user interrupted a command that keeps nothing.
    #[error("interrupted: {} is not written", .file.display())]
    Interrupted {
        /// What it would have written.
        file: PathBuf,
    },
    /// A part of a run that a scheduler asked for fails however often it is tried.
    #[error(transparent)]
    ForGood(Box<Self>),
    /// It finished, but many samples were skipped, or any with `--strict`.
    #[error(
        "{count} of {samples} samples were skipped; the reasons are in {}{}",
        .ledger.display(),
        if *.strict { "" } else { ". The files are written, without them; --allow-skipped ends such a run with code 0" }
    )]
    Skipped {
        /// How many.
        count: u64,
        /// Of so many.
        samples: usize,
        /// Whether any would have been too many.
        strict: bool,
        /// The ledger's file.
        ledger: PathBuf,
    },
}

impl Failure {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted { .. } | Self::Pipeline(PipelineError::Engine(EngineError::Interrupted) | PipelineError::TrainingInterrupted) => 130,
            Self::Plugin(error) | Self::Pipeline(PipelineError::Plugin(error)) if error.0.kind == ErrorKind::Interrupted => 130,
            Self::Recipe(error) | Self::Pipeline(PipelineError::Recipe(error)) if error.may_pass() => 1,
            Self::Usage(_) | Self::Recipe(_) | Self::Pipeline(PipelineError::Recipe(_) | PipelineError::NoCheckpoint { .. }) => 2,
            Self::ForGood(_) => 2,
            Self::Skipped { .. } => 3,
            Self::Run(_) | Self::File(_) | Self::Plugin(_) | Self::Pipeline(_) => 1,
        }
    }

    /// What the user is told.
    pub fn report(&self) -> String {
        // Of a recipe several lines are shown, with marks under them.
        let lines = matches!(self, Self::Recipe(_) | Self::Pipeline(PipelineError::Recipe(_)));
        let mut text = chain(self);
        if let Some(help) = help(&text) {
            text = format!("{text}: {help}");
        }
        let text = printable(&text, lines);
        if self.exit_code() == 130 { text.into_owned() } else { format!("error: {text}") }
    }

    /// A failure of a part of a run, for schedulers: one that comes again whenever and wherever the part is tried is told apart from those that may pass.
    pub fn of_a_part(self) -> Self {
        let for_good = match &self {
            Self::Pipeline(error) => error.is_for_good(),
            Self::Plugin(error) => !error.0.kind.may_pass(),
            _ => false,
        };
        if self.exit_code() == 1 && for_good { Self::ForGood(Box::new(self)) } else { self }
    }

    /// A wrong command line.
    pub fn usage(error: impl Into<AnyError>) -> Self {
        Self::Usage(error.into())
    }

    /// A failure on the way.
    pub fn run(error: impl Into<AnyError>) -> Self {
        Self::Run(error.into())
    }
}

/// What to do about an error of the system that says nothing about the file it names. Plugins' errors cross as text, so the text is what there is to look at.
fn help(text: &str) -> Option<&'static str> {
    let is = |number: i32| text.contains(&format!("(os error {number})"));
    if is(libc::ENOSPC) || is(libc::EDQUOT) {
        return Some(
            "make room on that disk, or choose another (--work-dir; CONVERT_WEIGHTS for weights); the same command goes on from what is finished",
        );
    }
    (is(libc::EMFILE) || is(libc::ENFILE))
        .then_some("too many files are open at once, the named one is not to blame: raise the limit (ulimit -n), or use fewer threads (--threads)")
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Plugin(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn check(failure: Failure, code: u8, report: &str) {
        assert_eq!((failure.exit_code(), failure.report().as_str()), (code, report));
    }

    #[test]
    fn every_failure_is_one_line_with_its_causes_and_has_its_exit_code() {
        let full = || FileError::of("write", Path::new("a.tsv"))(std::io::Error::other("the disk is full"));
        check(PipelineError::from(EngineError::from(full())).into(), 1, "error: cannot write a.tsv: the disk is full");
        check(Failure::usage(full()), 2, "error: cannot write a.tsv: the disk is full");
        let source = || Error::new(ErrorKind::OutOfMemory, "too many").context("a batch of 4").into();
        let stopped = EngineError::Plugin { stage: "proposals-x".into(), sample: "a.png".into(), source: source() };
        check(PipelineError::from(stopped).into(), 1, "error: proposals-x, a.png: a batch of 4: too many");
        check(PipelineError::Training { stage: "train-x".into(), source: source() }.into(), 1, "error: train-x: a batch of 4: too many");
        let system = |number| Failure::from(FileError::of("write", Path::new("a.tsv"))(std::io::Error::from_raw_os_error(number))).report();
        assert!(system(libc::ENOSPC).starts_with("error: cannot write a.tsv: No space left on device (os error 28): make room on that disk"));
        assert!(
            system(libc::EMFILE)
                .contains("(os error 24): too many files are open at once, the named one is not to blame: raise the limit (ulimit -n)")
        );
        let interrupted = "interrupted; every finished shard is kept: the same command continues from here";
        check(PipelineError::from(EngineError::Interrupted).into(), 130, interrupted);
        check(Error::new(ErrorKind::Interrupted, "interrupted while reading a").into(), 130, "interrupted while reading a");
        check(PipelineError::NoCheckpoint { stage: "train".into() }.into(), 2, "error: there is no trained labeler yet: run the stage train first");
        let skipped = Failure::Skipped { count: 2, samples: 9, strict: true, ledger: "errors.jsonl".into() };
        check(skipped, 3, "error: 2 of 9 samples were skipped; the reasons are in errors.jsonl");
    }
}

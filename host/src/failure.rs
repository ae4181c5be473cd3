//! How a command can end, and the exit code of each way.

use convert_sdk::{Error, ErrorKind};

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line or the environment makes no sense.
    #[error("error: {0}")]
    Usage(String),
    /// The recipe cannot run; the text holds every problem with its place.
    #[error("{0}")]
    Recipe(String),
    /// The run failed on the way.
    #[error("error: {0}")]
    Run(String),
    /// A model does not fit into memory.
    #[error("error: {0}")]
    OutOfMemory(String),
    /// The user interrupted it.
    #[error("{0}")]
    Interrupted(String),
    /// It finished, but with `--strict` skipped samples count.
    #[error("error: {0}")]
    Skipped(String),
}

impl Failure {
    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Run(_) | Self::OutOfMemory(_) => 1,
            Self::Usage(_) | Self::Recipe(_) => 2,
            Self::Skipped(_) => 3,
            Self::Interrupted(_) => 130,
        }
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// A failure on the way.
    pub fn run(message: impl Into<String>) -> Self {
        Self::Run(message.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::Interrupted => Self::Interrupted(error.to_string()),
            _ => Self::Run(error.to_string()),
        }
    }
}

//! The one error type that crosses between plugins and the host.

use std::fmt;

/// What went wrong, in a form that the host can act on. Crosses the ABI as an integer, so that kinds can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Anything that no other kind describes.
    Other,
    /// The recipe's config for this plugin makes no sense.
    Config,
    /// An input (image, mask, annotation, checkpoint) is broken or of the wrong shape.
    InvalidInput,
    /// A file could not be read or written.
    Io,
    /// A computation gave something that is not a number, or did not converge.
    Numeric,
    /// What was asked for is not supported on this machine, device or build.
    Unsupported,
    /// The user interrupted the run.
    Interrupted,
    /// The plugin panicked; the library's guard caught it.
    Panic,
    /// The device's memory, or the machine's, is too small for this call; with fewer images it may do.
    OutOfMemory,
    /// The device failed: it says nothing about the images it was given.
    Device,
}

impl ErrorKind {
    const ALL: [ErrorKind; 10] = [
        Self::Other,
        Self::Config,
        Self::InvalidInput,
        Self::Io,
        Self::Numeric,
        Self::Unsupported,
        Self::Interrupted,
        Self::Panic,
        Self::OutOfMemory,
        Self::Device,
    ];

    /// The integer that stands for this kind at the ABI.
    pub fn code(self) -> u32 {
        Self::ALL.iter().position(|kind| *kind == self).unwrap_or(0) as u32
    }

    /// The kind of an integer; one from a newer library reads as [`ErrorKind::Other`].
    pub fn from_code(code: u32) -> Self {
        Self::ALL.get(code as usize).copied().unwrap_or(Self::Other)
    }
}

/// An error with a one-line message and the chain of its causes, outermost first.
///
/// It does not implement [`std::error::Error`] itself, so that `?` turns any error that does into one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the host may act on.
    pub kind: ErrorKind,
    /// One line, lower case, naming the thing and its value.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
}

/// A result whose error crosses the ABI.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind with a one-line message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new() }
    }

    /// The recipe's config makes no sense.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// An input is broken or of the wrong shape.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// A computation failed.
    pub fn numeric(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Numeric, message)
    }

    /// The same error behind a message that says what was being done.
    pub fn context(mut self, message: impl Into<String>) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.message, message.into()));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let kind = if (&error as &dyn std::any::Any).is::<std::io::Error>() { ErrorKind::Io } else { ErrorKind::Other };
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { kind, message: error.to_string(), causes }
    }
}

/// Adds what was being done to an error.
pub trait ResultExt<T> {
    /// Puts a message before the error; the closure runs only on failure.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for Result<T, E> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().context(message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_their_codes_and_unknown_ones_read_as_other() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(kind.code()), kind);
        }
        assert_eq!(ErrorKind::from_code(999), ErrorKind::Other);
    }

    #[test]
    fn an_io_error_keeps_its_kind_and_its_cause_behind_a_context() {
        let error = std::fs::read("/no/such/file").map_err(Error::from).context(|| "cannot read the map".into());
        let error = error.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Io);
        assert!(error.to_string().starts_with("cannot read the map: No such file"), "{error}");
    }
}

//! The one error type that crosses between plugins and the host.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

/// What went wrong, in a form that the host can act on. Crosses the ABI by its name, so that kinds can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "&str")]
pub enum ErrorKind {
    /// Anything that no other kind describes.
    Other,
    /// The recipe's config for this plugin makes no sense.
    Config,
    /// An input (image, mask, annotation, checkpoint) is broken or of the wrong shape.
    InvalidInput,
    /// The system could not read or write a file: a server is away, a permission is missing, the disk is full. It says nothing about the file's content.
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
    /// All of them, with their names.
    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::Other, "other"),
        (Self::Config, "config"),
        (Self::InvalidInput, "invalid-input"),
        (Self::Io, "io"),
        (Self::Numeric, "numeric"),
        (Self::Unsupported, "unsupported"),
        (Self::Interrupted, "interrupted"),
        (Self::Panic, "panic"),
        (Self::OutOfMemory, "out-of-memory"),
        (Self::Device, "device"),
    ];

    /// The kind of an error of any type, by the I/O error among its causes. One that the system reported is the world's, unless it speaks of the name; one that a
    /// library made up speaks of a file's content.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        std::iter::successors(Some(error), |error| error.source()).find_map(kind_of).unwrap_or(Self::Other)
    }

    /// Whether the cause lies in the world and not in what was worked on, so that the same call may do another time: files that cannot be reached, the device,
    /// its memory. The host stores no such failure as a result.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Io | Self::OutOfMemory | Self::Device)
    }

    /// Its name in files, such as `invalid-input`.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("other", |(_, name)| name)
    }

    /// The kind of a [name](ErrorKind::name); one from a newer version reads as [`ErrorKind::Other`].
    pub fn from_name(name: &str) -> Self {
        Self::NAMES.iter().find(|(_, known)| *known == name).map_or(Self::Other, |(kind, _)| *kind)
    }
}

impl From<String> for ErrorKind {
    fn from(name: String) -> Self {
        Self::from_name(&name)
    }
}

impl From<ErrorKind> for &str {
    fn from(kind: ErrorKind) -> Self {
        kind.name()
    }
}

/// An error with a one-line message and the chain of its causes, outermost first.
///
/// It does not implement [`std::error::Error`] itself, so that `?` turns any error that does into one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        let causes = std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string).collect();
        Self { kind: ErrorKind::of(&error), message: error.to_string(), causes }
    }
}

/// The kind of an I/O error.
fn kind_of(error: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    /// `ELOOP` of Linux and macOS, for which the standard library has no stable kind.
    const LOOPS: [i32; 2] = [40, 62];
    let error = error.downcast_ref::<std::io::Error>()?;
    let named = matches!(error.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput);
    match error.raw_os_error() {
        // A library may have wrapped what the system reported, or waited in vain for somebody else.
        None => error.get_ref().and_then(|inner| kind_of(inner)).or(Some(match error.kind() {
            io::ErrorKind::TimedOut => ErrorKind::Io,
            _ => ErrorKind::InvalidInput,
        })),
        Some(number) if named || LOOPS.contains(&number) => Some(ErrorKind::InvalidInput),
        Some(_) => Some(ErrorKind::Io),
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

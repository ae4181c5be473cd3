//! What the errors of every part are made of.

use std::error::Error;
use std::path::{Path, PathBuf};

/// Any error.
pub type AnyError = Box<dyn Error + Send + Sync>;

/// Something that could not be done to a file or folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", .path.display())]
pub struct FileError {
    /// What was being done, such as `read`.
    pub doing: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why it failed.
    pub source: AnyError,
}

impl FileError {
    /// For `map_err`: what was being done to a path.
    pub fn of<'p, E: Into<AnyError>>(doing: &'static str, path: &'p Path) -> impl Fn(E) -> Self + 'p {
        move |source| Self { doing, path: path.to_owned(), source: source.into() }
    }
}

/// What a plugin or the sdk says, as a source: the sdk's error is none by itself. It shows its own causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PluginError(pub convert_sdk::Error);

impl From<convert_sdk::Error> for PluginError {
    fn from(error: convert_sdk::Error) -> Self {
        Self(error)
    }
}

/// An error and what it comes from, outermost first, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let shown = cause.to_string();
        // Some libraries say what their source says.
        if !text.ends_with(&shown) {
            text = format!("{text}: {shown}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot begin: {0}")]
    struct Repeating(#[source] FileError);

    #[test]
    fn a_chain_names_each_cause_once() {
        let missing = || FileError::of("read", Path::new("a.txt"))(PluginError(convert_sdk::Error::invalid("no text").context("line 3")));
        assert_eq!(chain(&missing()), "cannot read a.txt: line 3: no text");
        assert_eq!(chain(&Repeating(missing())), "cannot begin: cannot read a.txt: line 3: no text");
    }
}

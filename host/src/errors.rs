//! What the errors of every part are made of.

use std::borrow::Cow;
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

/// Whether an error is the world's and may pass: a file that could not be reached, as against one that is not there.
pub fn may_pass(error: &(dyn Error + 'static)) -> bool {
    const NOT_THERE: [i32; 6] = [libc::ENOENT, libc::ENOTDIR, libc::EISDIR, libc::EINVAL, libc::ENAMETOOLONG, libc::ELOOP];
    let here = match (error.downcast_ref::<std::io::Error>(), error.downcast_ref::<PluginError>()) {
        // Without a number it is a library's, which may have waited in vain for a service.
        (Some(error), _) => error.raw_os_error().map_or(error.kind() == std::io::ErrorKind::TimedOut, |number| !NOT_THERE.contains(&number)),
        // What a plugin says of a file crosses as text.
        (_, Some(PluginError(error))) => {
            let text = error.to_string();
            (error.kind == convert_sdk::ErrorKind::Io || text.contains("(os error "))
                && !NOT_THERE.iter().any(|number| text.contains(&format!("(os error {number})")))
        }
        _ => false,
    };
    here || error.source().is_some_and(may_pass)
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

/// A text from elsewhere, names above all, as it may go to a terminal or a log: characters that would steer it, or turn its lines round, are written out, as
/// `\u{1b}`. Line breaks stay where `lines` says so.
pub fn printable(text: &str, lines: bool) -> Cow<'_, str> {
    let steers = |letter: char| {
        let turns = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        turns || (letter.is_control() && letter != '\t' && !(lines && letter == '\n'))
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let written = |letter: char| -> String { if steers(letter) { letter.escape_default().collect() } else { letter.into() } };
    Cow::Owned(text.chars().map(written).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_written_out() {
        assert_eq!(printable("a\u{1b}[2J\nb\u{202e}\tc\u{e9}", false), "a\\u{1b}[2J\\nb\\u{202e}\tc\u{e9}");
        assert_eq!(printable("a\nb\r", true), "a\nb\\r");
        assert!(matches!(printable("plain", false), Cow::Borrowed("plain")));
    }

    #[test]
    fn what_cannot_be_reached_may_pass_and_what_is_not_there_does_not() {
        let system = |number| FileError::of("read", Path::new("a"))(std::io::Error::from_raw_os_error(number));
        let plugin = |number: i32| PluginError(convert_sdk::Error::from(std::io::Error::from_raw_os_error(number)).context("cannot read a"));
        for number in [libc::EIO, libc::ESTALE, libc::EACCES, libc::EMFILE] {
            assert!(may_pass(&system(number)) && may_pass(&plugin(number)), "{number}");
        }
        for number in [libc::ENOENT, libc::ENOTDIR] {
            assert!(!may_pass(&system(number)) && !may_pass(&plugin(number)), "{number}");
        }
        assert!(!may_pass(&PluginError(convert_sdk::Error::invalid("no text"))));
        let of_a_service = |kind| FileError::of("read", Path::new("s3://b/a"))(std::io::Error::new(kind, "no answer for 150 s"));
        assert!(may_pass(&of_a_service(std::io::ErrorKind::TimedOut)) && !may_pass(&of_a_service(std::io::ErrorKind::PermissionDenied)));
    }

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

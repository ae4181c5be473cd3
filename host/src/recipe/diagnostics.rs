//! What is wrong with a recipe, shown in its place.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::tree::Location;
use crate::errors::{AnyError, FileError, chain, may_pass};
use crate::named_files::{Missing, NamedFile};

/// The text of a recipe and the file it came from.
#[derive(Clone, Debug)]
pub struct Source {
    pub file: PathBuf,
    pub text: String,
}

/// Why a recipe cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(FileError),
    /// All that is wrong with it.
    #[error("{}", render(.source_text, .problems))]
    Problems {
        /// What was read.
        source_text: Source,
        /// At least one.
        problems: Vec<Diagnostic>,
    },
}

impl RecipeError {
    /// The published files that the recipe names and that are not on this machine, if nothing else is wrong with it.
    pub fn missing_files(&self) -> BTreeSet<&NamedFile> {
        let Self::Problems { problems, .. } = self else { return BTreeSet::new() };
        let missing = problems.iter().map(|diagnostic| diagnostic.problem.downcast_ref::<Missing>().map(|missing| &missing.file));
        missing.collect::<Option<_>>().unwrap_or_default()
    }

    /// Whether nothing is wrong with the recipe: all that failed is a file that could not be reached just now.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreadable(error) => may_pass(error),
            Self::Problems { problems, .. } => problems.iter().all(|diagnostic| may_pass(diagnostic.problem.as_ref())),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct Diagnostic {
    /// Where; `None` for what came from the command line or concerns the whole file.
    pub place: Option<Location>,
    /// What; shown with its sources, in one line.
    pub problem: AnyError,
}

impl Diagnostic {
    pub fn new(place: Option<Location>, problem: impl Into<AnyError>) -> Self {
        Self { place, problem: problem.into() }
    }
}

/// All diagnostics, each as one line `file:line:column: message` and the line of the recipe under it. Those behind the first begin with `error: `; before that one
/// the word stands when the whole is shown.
fn render(source: &Source, diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for (at, diagnostic) in diagnostics.iter().enumerate() {
        let (file, problem) = (source.file.display(), chain(diagnostic.problem.as_ref()));
        text += if at == 0 { "" } else { "error: " };
        // Writing to a string cannot fail.
        let _ = match diagnostic.place {
            None => writeln!(text, "{file}: {problem}"),
            Some(place) => {
                let _ = writeln!(text, "{file}:{}:{}: {problem}", place.line, place.column);
                writeln!(text, "{}", snippet(source, place))
            }
        };
    }
    text.trim_end().to_owned()
}

/// The line of the recipe with a caret under the word at a place.
fn snippet(source: &Source, place: Location) -> String {
    let line_start: usize = source.text.split_inclusive('\n').take(place.line.saturating_sub(1)).map(str::len).sum();
    let line = source.text[line_start..].lines().next().unwrap_or_default();
    let start = line.char_indices().nth(place.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let word = line[start..].find([' ', ':', ',', '}', ']', '#']).filter(|length| *length > 0).unwrap_or(line.len() - start);
    let report = Level::ERROR
        .no_name()
        .secondary_title("")
        .element(Snippet::source(line).line_start(place.line).annotation(AnnotationKind::Primary.span(start..start + word)));
    let rendered = Renderer::plain().render(&[report]);
    // Only the source lines: the first line of this program's own says what and where.
    rendered.lines().filter(|line| line.contains('|') && !line.trim_end().ends_with('|') || line.contains('^')).collect::<Vec<_>>().join("\n")
}

/// A word behind its indefinite article.
pub fn with_article(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {word}")
}

/// The name that was probably meant, as the end of a message: `; did you mean …?`, or the known names.
pub fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let mut near: Vec<(f64, &str)> =
        known.iter().map(|name| (strsim::jaro_winkler(wrong, name).max(strsim::normalized_damerau_levenshtein(wrong, name)), *name)).collect();
    near.retain(|(score, _)| *score > 0.6);
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    match near.as_slice() {
        [] if known.is_empty() => String::new(),
        [] => format!("; known: {}", known.join(", ")),
        [(_, name), rest @ ..] => {
            let more: String = rest.iter().take(2).map(|(_, name)| format!(" or `{name}`")).collect();
            format!("; did you mean `{name}`{more}?")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_file_line_column_and_the_word() {
        let source = Source { file: "demo.yaml".into(), text: "version: 1\nproposals:\n  - config: { tua: 0.3 }\n".into() };
        let place = |line, column| Some(Location { line, column });
        let problems = vec![Diagnostic::new(place(3, 15), "unknown key `tua`"), Diagnostic::new(None, "no dataset")];
        let shown = RecipeError::Problems { source_text: source, problems }.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!((lines[0], lines.last()), ("demo.yaml:3:15: unknown key `tua`", Some(&"error: demo.yaml: no dataset")));
        assert!(shown.contains("3 |   - config: { tua: 0.3 }"), "{shown}");
        assert!(lines[lines.len() - 2].trim_end().ends_with("^^^"), "{shown}");
    }

    #[test]
    fn the_nearest_name_is_suggested_and_all_are_listed_when_none_is_near() {
        assert_eq!(suggestion("tua", ["tau", "masks"]), "; did you mean `tau`?");
        assert_eq!(suggestion("zzz", ["tau", "masks"]), "; known: tau, masks");
    }
}

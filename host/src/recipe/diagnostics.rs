//! What is wrong with a recipe, shown in its place.

use std::fmt::Write;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::tree::Place;

/// The text of a recipe and the file it came from.
#[derive(Clone, Debug)]
pub struct Source {
    pub file: PathBuf,
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Where; `None` for what came from the command line or concerns the whole file.
    pub place: Option<Place>,
    /// One line, lower case.
    pub message: String,
}

impl Diagnostic {
    pub fn new(place: Option<Place>, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }
}

/// All diagnostics, each as one line `file:line:column: message` and the line of the recipe under it.
pub fn render(source: &Source, diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        let file = source.file.display();
        // Writing to a string cannot fail.
        let _ = match diagnostic.place {
            None => writeln!(text, "error: {file}: {}", diagnostic.message),
            Some(place) => {
                let _ = writeln!(text, "error: {file}:{}:{}: {}", place.line, place.column, diagnostic.message);
                writeln!(text, "{}", snippet(source, place))
            }
        };
    }
    text.trim_end().to_owned()
}

/// The line of the recipe with a caret under the word at a place.
fn snippet(source: &Source, place: Place) -> String {
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
        let shown = render(&source, &[Diagnostic::new(Some(Place { line: 3, column: 15 }), "unknown key `tua`")]);
        assert_eq!(shown.lines().next(), Some("error: demo.yaml:3:15: unknown key `tua`"));
        assert!(shown.contains("3 |   - config: { tua: 0.3 }"), "{shown}");
        assert!(shown.lines().last().unwrap().trim_end().ends_with("^^^"), "{shown}");
    }

    #[test]
    fn the_nearest_name_is_suggested_and_all_are_listed_when_none_is_near() {
        assert_eq!(suggestion("tua", ["tau", "masks"]), "; did you mean `tau`?");
        assert_eq!(suggestion("zzz", ["tau", "masks"]), "; known: tau, masks");
    }
}

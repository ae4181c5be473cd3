//! Text in pages.

use std::fmt;

/// Displays text escaped for HTML content and quoted attributes; control characters become U+FFFD.
pub struct Html<'a>(pub &'a str);

impl fmt::Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            '\n' | '\t' => fmt::Write::write_char(f, character),
            control if control.is_control() => f.write_str("\u{fffd}"),
            other => fmt::Write::write_char(f, other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Html;

    #[test]
    fn markup_and_controls_lose_their_meaning() {
        assert_eq!(Html("<a href=\"x\" o='y'>&\u{0}\u{1b}").to_string(), "&lt;a href=&quot;x&quot; o=&#39;y&#39;&gt;&amp;\u{fffd}\u{fffd}");
    }
}

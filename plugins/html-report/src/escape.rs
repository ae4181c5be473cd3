//! Text from file and class names, made harmless for the two places it stands in.

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

/// JSON for a `<script>` element: nothing in it can end the element or a line of script.
pub fn json_for_script(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + json.len() / 64);
    for character in json.chars() {
        match character {
            // these stand only inside JSON's strings, where the escape means the same
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_controls_lose_their_meaning() {
        assert_eq!(Html("<a href=\"x\" o='y'>&\u{0}\u{1b}").to_string(), "&lt;a href=&quot;x&quot; o=&#39;y&#39;&gt;&amp;\u{fffd}\u{fffd}");
    }

    #[test]
    fn json_for_script_reads_back_the_same() {
        let value = serde_json::json!({"</script><!--": "&\u{2028}\u{2029}é"});
        let text = json_for_script(&value.to_string());
        assert!(!text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}

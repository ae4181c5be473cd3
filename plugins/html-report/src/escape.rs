//! Text from file and class names, made harmless for the two places it stands in.

pub use convert_formats::html::Html;

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
    fn json_for_script_reads_back_the_same() {
        let value = serde_json::json!({"</script><!--": "&\u{2028}\u{2029}é"});
        let text = json_for_script(&value.to_string());
        assert!(!text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}

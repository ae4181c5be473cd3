//! `${VAR}` and `${VAR:-default}` in a recipe's texts.

use super::tree::{Node, Place, Value};

/// Why a text's variables cannot be replaced.
#[derive(Debug, thiserror::Error)]
pub enum VariableError {
    /// A `${` without its `}`.
    #[error("`{0}` has a `${{` without its `}}`")]
    Unclosed(String),
    /// Neither set nor with a default.
    #[error("the environment variable {0} is not set; set it: {0}=… {command} --recipe …", command = crate::command_name::typed())]
    NotSet(String),
}

/// Replaces the variables of every text; a replaced text may become a number where the schema wants one.
///
/// # Errors
/// The places of variables that are neither set nor have a default, and of a `${` without its `}`.
pub fn substitute(tree: &mut Node, lookup: impl Fn(&str) -> Option<String>) -> Vec<(Option<Place>, VariableError)> {
    let mut problems = Vec::new();
    tree.for_each_text(&mut |place, value| {
        let Value::String(text) = value else { return };
        if !text.contains("${") {
            return;
        }
        match replaced(text, &lookup) {
            Ok(text) => *value = Value::Text(text),
            Err(problem) => problems.push((place, problem)),
        }
    });
    problems
}

fn replaced(text: &str, lookup: &impl Fn(&str) -> Option<String>) -> Result<String, VariableError> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        result.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let end = inner.find('}').ok_or_else(|| VariableError::Unclosed(text.to_owned()))?;
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..end], None),
        };
        let value = lookup(name).filter(|value| !value.is_empty() || default.is_none()).or(default.map(str::to_owned));
        result.push_str(&value.ok_or_else(|| VariableError::NotSet(name.to_owned()))?);
        rest = &inner[end + 1..];
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&str, &str>) {
        let lookup = |name: &str| match name {
            "DATA" => Some("/data".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        match (replaced(text, &lookup), expect) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected),
            (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{got}"),
            (got, expected) => panic!("{got:?} for {expected:?}"),
        }
    }

    #[test]
    fn variables_defaults_and_what_is_missing() {
        check("${DATA}/train", Ok("/data/train"));
        check("${NONE:-48}", Ok("48"));
        check("${EMPTY:-x}${DATA:-y}", Ok("x/data"));
        check("a$b{c}", Ok("a$b{c}"));
        check("${NONE}", Err("NONE is not set"));
        check("${DATA", Err("without its `}`"));
    }
}

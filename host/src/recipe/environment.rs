//! `${VAR}` and `${VAR:-default}` in a recipe's texts.

use super::tree::{Location, Node, Origin, Value};

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
pub fn substitute(tree: &mut Node, lookup: impl Fn(&str) -> Option<String>) -> Vec<(Option<Location>, VariableError)> {
    let mut problems = Vec::new();
    tree.for_each(&mut |node| {
        let Value::String(text) = &node.value else { return };
        if !text.contains("${") {
            return;
        }
        match replaced(text, &lookup) {
            Ok(replaced) => {
                node.value = Value::Text(replaced.text);
                if replaced.begins_with_variable {
                    node.origin = Origin::Shell;
                }
            }
            Err(problem) => problems.push((node.place, problem)),
        }
    });
    problems
}

/// A text with its variables replaced.
struct Replaced {
    text: String,
    /// Whether its beginning was in the environment, and not in the recipe.
    begins_with_variable: bool,
}

fn replaced(text: &str, lookup: &impl Fn(&str) -> Option<String>) -> Result<Replaced, VariableError> {
    let (mut result, mut begins_with_variable) = (String::new(), false);
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        result.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let end = inner.find('}').ok_or_else(|| VariableError::Unclosed(text.to_owned()))?;
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..end], None),
        };
        let value = lookup(name).filter(|value| !value.is_empty() || default.is_none());
        begins_with_variable |= result.is_empty() && value.as_ref().is_some_and(|value| !value.is_empty());
        result.push_str(&value.or(default.map(str::to_owned)).ok_or_else(|| VariableError::NotSet(name.to_owned()))?);
        rest = &inner[end + 1..];
    }
    result.push_str(rest);
    Ok(Replaced { text: result, begins_with_variable })
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
            (Ok(got), Ok(expected)) => assert_eq!(got.text, expected),
            (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{got}"),
            (got, expected) => panic!("{:?} for {expected:?}", got.map(|got| got.text)),
        }
    }

    #[test]
    fn a_text_that_begins_in_the_environment_is_the_shells() {
        let origin = |text: &str| {
            let mut node = Node::new(None, Value::String(text.to_owned()));
            assert!(substitute(&mut node, |name| (name == "DATA").then(|| "data".to_owned())).is_empty());
            node.origin
        };
        assert_eq!(origin("${DATA}/train"), Origin::Shell);
        assert_eq!(origin("${NONE:-}${DATA}"), Origin::Shell);
        assert_eq!(origin("${DATA:-../default}"), Origin::Shell);
        assert_eq!(origin("${NONE:-../default}"), Origin::Recipe);
        assert_eq!(origin("of/${DATA}"), Origin::Recipe);
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

//! A recipe as a tree in which every value knows its place in the file.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

/// Line and column in the recipe, both from 1. `None` in [`Node::place`] means the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    pub line: usize,
    pub column: usize,
}

/// Where a value was written, and so what a relative path in it is relative to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// In the recipe: its folder.
    #[default]
    Recipe,
    /// In `--set` or an environment variable: the shell's folder.
    Shell,
}

/// A value, its place and its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub place: Option<Location>,
    pub origin: Origin,
    pub value: Value,
}

/// A key of a mapping and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub place: Option<Location>,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    /// Text that came out of `${…}` or `--set`: a schema may read a number or a truth value in it.
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// Why a `--set` cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// No `=`.
    #[error("--set `{0}` is not path.to.key=value")]
    NoValue(String),
    /// Two dots side by side, or one at an end.
    #[error("--set `{0}` has an empty part")]
    EmptyPart(String),
    /// A part that leads to no entry of a list.
    #[error("--set `{part}` in `{path}` is neither an index below {count} nor the name of an entry")]
    NoEntry {
        /// The part.
        part: String,
        /// The whole path.
        path: String,
        /// The length of the list.
        count: usize,
    },
    /// A part that would lead into something that has no parts.
    #[error("--set `{part}` in `{path}`: there is {kind} where a mapping is needed")]
    NoMapping {
        /// The part.
        part: String,
        /// The whole path.
        path: String,
        /// What there is.
        kind: &'static str,
    },
}

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k.name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// What an entry of a list is called: its `name`, else its `plugin`.
    fn name(&self) -> Option<&str> {
        match &self.get("name").or_else(|| self.get("plugin"))?.value {
            Value::String(name) => Some(name),
            _ => None,
        }
    }

    /// An empty mapping at a place.
    pub fn empty_map(place: Option<Location>) -> Self {
        Self::new(place, Value::Map(Vec::new()))
    }

    /// A value at a place of the recipe.
    pub fn new(place: Option<Location>, value: Value) -> Self {
        Self { place, origin: Origin::default(), value }
    }

    /// A word for the kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::String(_) | Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Makes the tree one that was typed into the shell.
    pub fn of_the_shell(mut self) -> Self {
        self.for_each(&mut |node| node.origin = Origin::Shell);
        self
    }

    /// Makes the tree one of the command line: its places are in no file.
    fn without_places(mut self) -> Self {
        self.for_each(&mut |node| {
            node.place = None;
            if let Value::Map(entries) = &mut node.value {
                entries.iter_mut().for_each(|(key, _)| key.place = None);
            }
        });
        self
    }

    /// Applies a function to every node of the tree.
    pub fn for_each(&mut self, apply: &mut impl FnMut(&mut Node)) {
        apply(self);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.for_each(apply)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, node)| node.for_each(apply)),
            _ => {}
        }
    }

    /// Follows a `--set path.to.key=value`.
    ///
    /// # Errors
    /// As [`Node::set`], and an assignment that is none.
    pub fn assign(&mut self, assignment: &str) -> Result<(), SetError> {
        let (path, value) = assignment.split_once('=').ok_or_else(|| SetError::NoValue(assignment.to_owned()))?;
        self.set(path, value)
    }

    /// Sets the value at a dotted path (`proposals.0.config.tau`), making mappings on the way.
    ///
    /// # Errors
    /// The part of the path that does not lead on, and why.
    fn set(&mut self, path: &str, text: &str) -> Result<(), SetError> {
        let mut node = self;
        for part in path.split('.') {
            if part.is_empty() {
                return Err(SetError::EmptyPart(path.to_owned()));
            }
            if matches!(node.value, Value::Null) {
                node.value = Value::Map(Vec::new());
            }
            let kind = node.kind();
            let owned = || (part.to_owned(), path.to_owned());
            node = match &mut node.value {
                Value::List(items) => {
                    let count = items.len();
                    let named = items.iter().position(|item| item.name() == Some(part));
                    let index = part.parse::<usize>().ok().filter(|index| *index < count).or(named);
                    let Some(index) = index else {
                        let (part, path) = owned();
                        return Err(SetError::NoEntry { part, path, count });
                    };
                    &mut items[index]
                }
                Value::Map(entries) => {
                    let index = entries.iter().position(|(key, _)| key.name == part).unwrap_or_else(|| {
                        entries.push((Key { place: None, name: part.to_owned() }, Node::new(None, Value::Null)));
                        entries.len() - 1
                    });
                    &mut entries[index].1
                }
                _ => {
                    let (part, path) = owned();
                    return Err(SetError::NoMapping { part, path, kind });
                }
            };
        }
        // The text is YAML, so that lists and mappings can be given too.
        let parsed = parse(text).unwrap_or_else(|_| Node::new(None, Value::Text(text.to_owned()))).without_places().of_the_shell();
        node.value = match parsed.value {
            Value::String(text) => Value::Text(text),
            Value::Integer(_) | Value::Float(_) => Value::Text(text.to_owned()),
            other => other,
        };
        (node.place, node.origin) = (None, Origin::Shell);
        Ok(())
    }

    /// The tree as plain JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Integer(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::String(text) | Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect::<serde_json::Map<_, _>>().into(),
        }
    }
}

/// Text that is no YAML.
#[derive(Debug)]
pub struct NotYaml {
    error: Box<serde_yaml::Error>,
    /// The first line that a tab indents, which the parser notices somewhere before or behind.
    tab: Option<Location>,
}

impl NotYaml {
    /// Where the parser gave up.
    pub fn place(&self) -> Option<Location> {
        self.tab.or_else(|| self.error.location().map(|at| Location { line: at.line() as usize, column: at.column() as usize }))
    }
}

impl fmt::Display for NotYaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tab.is_some() {
            return f.write_str("a tab at the beginning of a line: YAML is indented with spaces");
        }
        let message = self.error.without_snippet().to_string();
        // The place is told apart from the message.
        let message = message.lines().next().unwrap_or("not YAML");
        f.write_str(message.split(" at line ").next().unwrap_or(message))
    }
}

impl std::error::Error for NotYaml {}

/// Reads YAML.
///
/// # Errors
/// What the parser says, and where.
pub fn parse(text: &str) -> Result<Node, NotYaml> {
    let options = serde_yaml::options! { strict_booleans: true };
    serde_yaml::from_str_with_options(text, options).map_err(|error| NotYaml { error: Box::new(error), tab: indenting_tab(text) })
}

/// The first tab that stands among the blanks at the beginning of a line.
fn indenting_tab(text: &str) -> Option<Location> {
    let tab = |line: &str| line.chars().take_while(|letter| letter.is_whitespace()).position(|letter| letter == '\t');
    (1..).zip(text.lines()).find_map(|(line, content)| tab(content).map(|column| Location { line, column: column + 1 }))
}

fn place(at: serde_yaml::Location) -> Option<Location> {
    (at.line() > 0).then(|| Location { line: at.line() as usize, column: at.column() as usize })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Node::new(place(spanned.referenced), spanned.value))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Integer(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Integer))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Float(value))
            }
            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::String(text.to_owned()))
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
                Value::deserialize(deserializer)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Value::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    entries.push((Key { place: place(key.referenced), name: key.value }, map.next_value()?));
                }
                Ok(Value::Map(entries))
            }
        }
        deserializer.deserialize_any(AnyValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_and_key_knows_its_place() {
        let tree = parse("a: 1\nproposals:\n  - name: x\n    config: { tau: 0.35, feature: no }\n").unwrap();
        let config = match &tree.get("proposals").unwrap().value {
            Value::List(items) => items[0].get("config").unwrap().clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(config.place, Some(Location { line: 4, column: 13 }));
        assert_eq!(config.get("tau").unwrap(), &Node::new(Some(Location { line: 4, column: 20 }), Value::Float(0.35)));
        assert_eq!(config.get("feature").unwrap().value, Value::String("no".into()), "yes and no are texts");
    }

    #[test]
    fn set_reaches_into_lists_by_index_and_by_name_and_makes_what_is_missing() {
        let mut tree = parse("proposals:\n  - name: x\n    plugin: maskcut\n").unwrap();
        tree.set("proposals.0.config.tau", "0.2").unwrap();
        tree.set("proposals.x.config.masks", "3").unwrap();
        assert_eq!(tree.to_json()["proposals"][0]["config"], serde_json::json!({ "tau": "0.2", "masks": "3" }));
        assert!(tree.set("proposals.7.config", "1").unwrap_err().to_string().contains("neither an index below 1"));
        assert!(tree.set("proposals.0.plugin.x", "1").unwrap_err().to_string().contains("there is a text"));
    }
}

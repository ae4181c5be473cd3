//! What a name in a recipe brings with it: values for keys beside it, from a schema's `x-presets` (see `convert_sdk::InputPath`).

use serde_json::{Map, Value as Json};

use super::tree::{Node, Value};

/// The values of a name, and what became of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// The name, such as `dino-vits16`.
    pub name: String,
    /// Where in the config its keys stand, such as `backbone`; empty for the config itself.
    pointer: String,
    /// The keys that the recipe leaves to it; a value of `null` leaves the key to the plugin as well.
    taken: Vec<(String, Json)>,
    /// The keys that the recipe sets to another value: the recipe's and the name's.
    overruled: Vec<(String, Json, Json)>,
}

impl Preset {
    /// Gives `object`, read from `node`, the values of a name for all keys that it lacks.
    pub fn fill(name: &str, values: &Map<String, Json>, node: &Node, pointer: &str, object: &mut Map<String, Json>) -> Self {
        let mut preset = Self { name: name.to_owned(), pointer: pointer.to_owned(), taken: Vec::new(), overruled: Vec::new() };
        for (key, value) in values {
            let given = node.get(key).is_some_and(|node| !matches!(node.value, Value::Null));
            match object.get(key).filter(|_| given) {
                Some(given) if same(given, value) => {}
                Some(given) => preset.overruled.push((key.clone(), given.clone(), value.clone())),
                None => {
                    if !value.is_null() {
                        object.insert(key.clone(), value.clone());
                    }
                    preset.taken.push((key.clone(), value.clone()));
                }
            }
        }
        preset
    }

    /// The keys that are left to the name, with their values, such as `tau 0.15`.
    pub fn taken(&self) -> impl Iterator<Item = String> {
        self.taken.iter().map(|(key, value)| format!("{} {}", self.key(key), shown(value)))
    }

    /// What the recipe sets otherwise, a sentence each.
    pub fn overruled(&self) -> impl Iterator<Item = String> {
        let sentence = |(key, given, value): &(String, Json, Json)| {
            let (key, name) = (self.key(key), &self.name);
            match value {
                Json::Null => format!("{key} is {}, which the preset of {name} leaves out", shown(given)),
                value => format!("{key} is {}, which is {} in the preset of {name}", shown(given), shown(value)),
            }
        };
        self.overruled.iter().map(sentence)
    }

    fn key(&self, key: &str) -> String {
        if self.pointer.is_empty() { key.to_owned() } else { format!("{}.{key}", self.pointer) }
    }
}

/// A value as recipes write it.
fn shown(value: &Json) -> String {
    match value {
        Json::Null => "default".to_owned(),
        Json::String(text) => text.clone(),
        Json::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Whether two values mean the same: 1 and 1.0 do.
fn same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Array(one), Json::Array(other)) => one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other)),
        _ => one == other || one.as_f64().is_some_and(|one| other.as_f64() == Some(one)),
    }
}

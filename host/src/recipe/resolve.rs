//! Reads a recipe's tree against a JSON schema as schemars writes it: every problem with its place, paths made absolute, numbers read out of `${…}` texts.

use std::path::Path;

use convert_formats::storage::Storage;
use convert_sdk::ErrorKind;
use serde_json::{Map, Value as Json};

use super::diagnostics::{Diagnostic, suggestion};
use super::paths::{Bases, NamedPath, look_at, relative_to};
use super::presets::Preset;
use super::schema::known_keys;
use super::tree::{Location, Node, Value};
use crate::errors::{FileError, PluginError};
use crate::named_files::{Missing, NamedFile};
use crate::named_objects;

/// What came out of a tree.
#[derive(Debug, Default)]
pub struct Resolved {
    pub json: Json,
    pub paths: Vec<NamedPath>,
    pub presets: Vec<Preset>,
    pub problems: Vec<Diagnostic>,
}

/// Reads `node` as `schema` says; `what` names the thing in messages (`config of plugin maskcut`).
pub fn resolve(node: &Node, schema: &Json, bases: &Bases, what: &str) -> Resolved {
    let mut resolver = Resolver { root: schema, bases, what, found: Resolved::default() };
    let json = resolver.value(node, schema, "");
    Resolved { json, ..resolver.found }
}

struct Resolver<'a> {
    root: &'a Json,
    bases: &'a Bases,
    what: &'a str,
    found: Resolved,
}

impl<'a> Resolver<'a> {
    fn problem(&mut self, place: Option<Location>, message: String) {
        self.found.problems.push(Diagnostic::new(place, message));
    }

    fn here(&self, pointer: &str) -> String {
        if pointer.is_empty() { self.what.to_owned() } else { format!("`{pointer}` of {}", self.what) }
    }

    fn value(&mut self, node: &Node, schema: &'a Json, pointer: &str) -> Json {
        let schema = self.dereferenced(schema);
        for alternatives in ["anyOf", "oneOf"] {
            if let Some(choices) = schema.get(alternatives).and_then(Json::as_array) {
                return self.choice(node, choices, pointer);
            }
        }
        if let Some(values) = schema.get("enum").and_then(Json::as_array)
            && values.iter().any(|value| !value.is_string())
        {
            return self.one_of(node, values, pointer);
        }
        if let Some(names) = schema.get("enum").and_then(Json::as_array) {
            return self.name(node, names.iter().filter_map(Json::as_str).collect(), pointer);
        }
        if let Some(constant) = schema.get("const").and_then(Json::as_str) {
            return self.name(node, vec![constant], pointer);
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Json::String(name)) => vec![name],
            Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
            _ => return node.to_json(),
        };
        for name in &types {
            if let Some(json) = self.typed(node, name, schema, pointer) {
                return json;
            }
        }
        let wanted: Vec<&str> = types.iter().filter(|name| **name != "null").copied().map(describe).collect();
        self.problem(node.place, format!("{} must be {}, not {}", self.here(pointer), wanted.join(" or "), shown(node)));
        Json::Null
    }

    fn dereferenced(&self, schema: &'a Json) -> &'a Json {
        let mut schema = schema;
        loop {
            let reference = schema.get("$ref").and_then(Json::as_str).and_then(|reference| self.root.pointer(reference.trim_start_matches('#')));
            // A single `allOf` is a reference with something beside it.
            match (reference, schema.get("allOf").and_then(Json::as_array).map(Vec::as_slice)) {
                (Some(target), _) | (None, Some([target])) => schema = target,
                _ => return schema,
            }
        }
    }

    /// One of several schemas: unit names, `null`, or the single one that fits the node's kind.
    fn choice(&mut self, node: &Node, choices: &'a [Json], pointer: &str) -> Json {
        let choices: Vec<&Json> = choices.iter().map(|choice| self.dereferenced(choice)).collect();
        if matches!(node.value, Value::Null) && choices.iter().any(|choice| choice["type"] == "null") {
            return Json::Null;
        }
        let names: Vec<&str> = choices
            .iter()
            .flat_map(|choice| {
                let listed = choice.get("enum").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
                listed.chain(choice.get("const").and_then(Json::as_str))
            })
            .collect();
        let mut choices = choices;
        if let (Value::String(text) | Value::Text(text), false) = (&node.value, names.is_empty()) {
            let other_texts =
                choices.iter().any(|choice| choice["type"] == "string" && choice.get("enum").is_none() && choice.get("const").is_none());
            if names.contains(&text.as_str()) || !other_texts {
                return self.name(node, names, pointer);
            }
            choices.retain(|choice| choice["type"] == "string" && choice.get("enum").is_none());
        }
        // The alternative with the fewest problems speaks.
        let mut best: Option<Resolved> = None;
        for choice in choices.into_iter().filter(|choice| choice["type"] != "null") {
            let mut attempt = Resolver { root: self.root, bases: self.bases, what: self.what, found: Resolved::default() };
            attempt.found.json = attempt.value(node, choice, pointer);
            if best.as_ref().is_none_or(|best| attempt.found.problems.len() < best.problems.len()) {
                best = Some(attempt.found);
            }
        }
        let best = best.unwrap_or_default();
        self.found.paths.extend(best.paths);
        self.found.presets.extend(best.presets);
        self.found.problems.extend(best.problems);
        best.json
    }

    fn name(&mut self, node: &Node, names: Vec<&str>, pointer: &str) -> Json {
        match &node.value {
            Value::String(text) | Value::Text(text) if names.contains(&text.as_str()) => text.as_str().into(),
            Value::String(text) | Value::Text(text) => {
                let hint = suggestion(text, names.iter().copied());
                self.problem(node.place, format!("{} cannot be `{text}`{hint}", self.here(pointer)));
                Json::Null
            }
            _ => {
                self.problem(node.place, format!("{} must be one of {}, not {}", self.here(pointer), names.join(", "), shown(node)));
                Json::Null
            }
        }
    }

    /// One of several values that are not all texts.
    fn one_of(&mut self, node: &Node, values: &[Json], pointer: &str) -> Json {
        let given = node.to_json();
        let typed = |value: &&Json| matches!(&node.value, Value::Text(text) if **text == value.to_string());
        if let Some(value) = values.iter().find(|value| **value == given).or_else(|| values.iter().find(typed)) {
            return value.clone();
        }
        let known: Vec<String> = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
        self.problem(node.place, format!("{} must be one of {}, not {}", self.here(pointer), known.join(", "), shown(node)));
        Json::Null
    }

    /// The node as one JSON type; `None` when it is of another kind.
    fn typed(&mut self, node: &Node, name: &str, schema: &'a Json, pointer: &str) -> Option<Json> {
        match (name, &node.value) {
            ("null", Value::Null) => Some(Json::Null),
            ("boolean", Value::Bool(value)) => Some((*value).into()),
            ("boolean", Value::Text(text)) => text.parse::<bool>().ok().map(Json::from),
            ("integer" | "number", Value::Integer(value)) => Some(self.ranged(node, (*value).into(), *value as f64, schema, pointer)),
            ("number", Value::Float(value)) => Some(self.ranged(node, (*value).into(), *value, schema, pointer)),
            ("integer", Value::Text(text)) => {
                let value = text.parse::<i64>().ok()?;
                Some(self.ranged(node, value.into(), value as f64, schema, pointer))
            }
            ("number", Value::Text(text)) => {
                let value = text.parse::<f64>().ok()?;
                Some(self.ranged(node, value.into(), value, schema, pointer))
            }
            ("string", Value::String(text) | Value::Text(text)) => Some(self.text(node, text, schema, pointer)),
            ("array", Value::List(items)) => Some(self.list(node, items, schema, pointer)),
            ("object", Value::Map(_)) => Some(self.object(node, schema, pointer)),
            // A section without keys, such as `config:`, is an empty mapping.
            ("object", Value::Null) => Some(self.object(&Node::empty_map(node.place), schema, pointer)),
            _ => None,
        }
    }

    fn ranged(&mut self, node: &Node, json: Json, value: f64, schema: &Json, pointer: &str) -> Json {
        let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
        let problem = if !value.is_finite() {
            Some("finite".to_owned())
        } else if let Some(minimum) = bound("minimum").filter(|minimum| value < *minimum) {
            Some(format!("at least {minimum}"))
        } else if let Some(minimum) = bound("exclusiveMinimum").filter(|minimum| value <= *minimum) {
            Some(format!("above {minimum}"))
        } else if let Some(maximum) = bound("maximum").filter(|maximum| value > *maximum) {
            Some(format!("at most {maximum}"))
        } else {
            bound("exclusiveMaximum").filter(|maximum| value >= *maximum).map(|maximum| format!("below {maximum}"))
        };
        if let Some(problem) = problem {
            self.problem(node.place, format!("{} must be {problem}, not {value}", self.here(pointer)));
        }
        json
    }

    fn text(&mut self, node: &Node, text: &str, schema: &Json, pointer: &str) -> Json {
        let format = schema.get("format").and_then(Json::as_str).unwrap_or_default();
        let (kind, content) = match format {
            "input-entry" => return self.entry(node, text, pointer),
            "input-file" => ("file", true),
            "input-folder" => ("folder", false),
            "input-path" => ("file or folder", true),
            _ => return text.into(),
        };
        if Storage::is_address(text) {
            return self.address(node, text, schema, pointer, kind);
        }
        let mut path = self.bases.absolute(node.origin, text);
        let mut seen = look_at(&path);
        let named = match seen {
            Ok(None) => NamedFile::of_property(schema).find(|named| named.name == text),
            _ => None,
        };
        if let Some(named) = &named {
            path = named.path();
            seen = look_at(&path);
        }
        let fits = match &seen {
            Ok(seen) => seen.as_ref().is_some_and(|seen| match kind {
                "file" => seen.is_file(),
                "folder" => seen.is_dir(),
                _ => true,
            }),
            Err(_) => false,
        };
        if let Err(error) = seen {
            self.found.problems.push(Diagnostic::new(node.place, error));
        } else if text.is_empty() {
            self.problem(node.place, format!("{} is empty: name a {kind}, or set the variable that stands there", self.here(pointer)));
        } else if !fits {
            let why = match named {
                Some(file) => {
                    let missing = Missing { place: self.here(pointer), file };
                    self.found.problems.push(Diagnostic::new(node.place, missing));
                    None
                }
                None if path.exists() => Some(format!("the {kind} `{}` is not a {kind}{}", path.display(), relative_to(node.origin, text))),
                None => {
                    let names: Vec<String> = NamedFile::of_property(schema).map(|named| named.name).collect();
                    let hint = suggestion(text, names.iter().map(String::as_str));
                    Some(format!("the {kind} `{}` does not exist{}{hint}", path.display(), relative_to(node.origin, text)))
                }
            };
            if let Some(why) = why {
                self.problem(node.place, format!("{}: {why}", self.here(pointer)));
            }
        }
        self.found.paths.push(NamedPath { pointer: pointer.to_owned(), path: path.clone(), content });
        path.to_string_lossy().into_owned().into()
    }

    /// An object of a store: itself where the schema says that the plugin reads it there, else the file that it was fetched to.
    fn address(&mut self, node: &Node, text: &str, schema: &Json, pointer: &str, kind: &str) -> Json {
        if schema.get("x-address") == Some(&Json::Bool(true)) {
            let address = text.trim_end_matches('/');
            self.found.paths.push(NamedPath { pointer: pointer.to_owned(), path: address.into(), content: false });
            return address.into();
        }
        if kind == "folder" {
            self.problem(node.place, format!("{} must be a folder of this machine: copy {text} into one, and name that", self.here(pointer)));
            return text.into();
        }
        match named_objects::fetched(text) {
            Ok(path) => {
                self.found.paths.push(NamedPath { pointer: pointer.to_owned(), path: path.clone(), content: true });
                path.to_string_lossy().into_owned().into()
            }
            Err(error) if error.kind == ErrorKind::Io => {
                self.found.problems.push(Diagnostic::new(node.place, FileError::of("fetch", Path::new(text))(PluginError(error))));
                text.into()
            }
            Err(error) => {
                self.problem(node.place, format!("{}: {error}", self.here(pointer)));
                text.into()
            }
        }
    }

    /// `FILE.py:CLASS`, of which the file is made absolute, or `package.module:CLASS`.
    fn entry(&mut self, node: &Node, text: &str, pointer: &str) -> Json {
        let Some((place, class)) = text.rsplit_once(':').filter(|(place, class)| !place.is_empty() && !class.is_empty()) else {
            let message = format!("{} must name a class as FILE.py:CLASS or package.module:CLASS, not {text:?}", self.here(pointer));
            self.problem(node.place, message);
            return text.into();
        };
        if !place.ends_with(".py") {
            return text.into();
        }
        let path = self.bases.absolute(node.origin, place);
        if !path.is_file() {
            self.problem(
                node.place,
                format!("{}: the file `{}` does not exist{}", self.here(pointer), path.display(), relative_to(node.origin, place)),
            );
        }
        let entry = format!("{}:{class}", path.display());
        self.found.paths.push(NamedPath { pointer: pointer.to_owned(), path, content: true });
        entry.into()
    }

    fn list(&mut self, node: &Node, items: &[Node], schema: &'a Json, pointer: &str) -> Json {
        let count = |key: &str| schema.get(key).and_then(Json::as_u64);
        if let Some(minimum) = count("minItems").filter(|minimum| (items.len() as u64) < *minimum) {
            self.problem(node.place, format!("{} needs at least {minimum} entries, not {}", self.here(pointer), items.len()));
        } else if let Some(maximum) = count("maxItems").filter(|maximum| items.len() as u64 > *maximum) {
            self.problem(node.place, format!("{} takes at most {maximum} entries, not {}", self.here(pointer), items.len()));
        }
        let any = &Json::Bool(true);
        let of_item = schema.get("items").unwrap_or(any);
        let fixed = schema.get("prefixItems").and_then(Json::as_array);
        let item = |resolver: &mut Self, index: usize, node: &Node| {
            let schema = fixed.and_then(|list| list.get(index)).unwrap_or(of_item);
            resolver.value(node, schema, &format!("{pointer}[{index}]"))
        };
        items.iter().enumerate().map(|(index, node)| item(self, index, node)).collect()
    }

    fn object(&mut self, node: &Node, schema: &'a Json, pointer: &str) -> Json {
        let Value::Map(entries) = &node.value else { return Json::Null };
        let properties = schema.get("properties").and_then(Json::as_object);
        let open = schema.get("additionalProperties") != Some(&Json::Bool(false));
        let joined = |key: &str| if pointer.is_empty() { key.to_owned() } else { format!("{pointer}.{key}") };
        let mut object = Map::new();
        for (key, value) in entries {
            match properties.and_then(|properties| properties.get(&key.name)) {
                Some(property) => {
                    let json = self.value(value, property, &joined(&key.name));
                    object.insert(key.name.clone(), json);
                }
                None if open => {
                    let json = match schema.get("additionalProperties") {
                        Some(property @ Json::Object(_)) => self.value(value, property, &joined(&key.name)),
                        _ => value.to_json(),
                    };
                    object.insert(key.name.clone(), json);
                }
                None => {
                    let hint = match key.name == "config" && self.what.starts_with("dataset ") {
                        true => "; a dataset's keys stand beside `plugin`, without `config`".to_owned(),
                        false => suggestion(&key.name, known_keys(schema)),
                    };
                    self.problem(key.place, format!("unknown key `{}` in {}{hint}", key.name, self.here(pointer)));
                }
            }
        }
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        for key in required.filter(|key| node.get(key).is_none()) {
            self.problem(node.place, format!("{} needs the key `{key}`", self.here(pointer)));
        }
        self.fill(node, schema, pointer, &mut object);
        object.into()
    }

    /// Gives a mapping what the names in it bring, unless a file has such a name.
    fn fill(&mut self, node: &Node, schema: &Json, pointer: &str, object: &mut Map<String, Json>) {
        for (key, names) in schema.get("x-presets").and_then(Json::as_object).into_iter().flatten() {
            let Some(named) = key.split('.').try_fold(node, Node::get) else { continue };
            let (Value::String(name) | Value::Text(name)) = &named.value else { continue };
            let Some(values) = names.get(name).and_then(Json::as_object) else { continue };
            if let Ok(None) = look_at(&self.bases.absolute(named.origin, name)) {
                self.found.presets.push(Preset::fill(name, values, node, pointer, object));
            }
        }
    }
}

fn describe(name: &str) -> &str {
    match name {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "a text",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "true or false",
        other => other,
    }
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Null | Value::List(_) | Value::Map(_) => node.kind().to_owned(),
        _ => format!("{} (`{}`)", node.kind(), node.to_json().to_string().trim_matches('"')),
    }
}

#[cfg(test)]
mod tests;

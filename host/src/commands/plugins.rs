//! `convert plugins`: what there is, and what each config means.

use std::collections::BTreeSet;
use std::fmt::Write;

use convert_sdk::Role;
use serde_json::Value as Json;

use super::summary::table;
use crate::failure::Failure;
use crate::plugins::{Catalog, InnerConfig, Plugin, default_folders};
use crate::recipe::config_of_option;
use crate::terminal::{fitted, width};

/// Prints all plugins.
pub fn list(catalog: &Catalog) -> Result<(), Failure> {
    let mut rows = table(&["role", "plugin", "version", "what it does"]);
    for plugin in catalog.all() {
        rows.add_row([plugin.role.name(), plugin.name.as_str(), plugin.version.as_str(), plugin.summary.as_str()]);
    }
    if rows.is_empty() {
        let folders: Vec<String> = default_folders().iter().map(|folder| folder.display().to_string()).collect();
        return Err(Failure::usage(format!(
            "no plugins found in {}; build them with `make build`, or name a folder with --plugin-dir",
            folders.join(", ")
        )));
    }
    answer!("{}", fitted(rows, width()));
    Ok(())
}

/// Prints a plugin's config.
pub fn describe(catalog: &Catalog, name: &str, json: bool) -> Result<(), Failure> {
    let found: Vec<_> = catalog.all().filter(|plugin| plugin.name == name).collect();
    if found.is_empty() {
        if let Some((plugin, inner)) = catalog.all().find_map(|plugin| Some((plugin, plugin.inner_config()?))).filter(|_| name.contains(':')) {
            return describe_inner(catalog, plugin, inner, name, json);
        }
        let names: BTreeSet<&str> = catalog.all().map(|plugin| plugin.name.as_str()).collect();
        return Err(Failure::usage(format!("unknown plugin `{name}`{}", crate::recipe::suggestion(name, names))));
    }
    for plugin in found {
        if json {
            answer!("{}", serde_json::to_string_pretty(&plugin.schema).map_err(Failure::run)?);
            continue;
        }
        answer!("{} {} ({})", plugin.name, plugin.version, plugin.role.name());
        answer!("{}", description(&plugin.schema));
        if plugin.role != Role::Dataset {
            answer!("\nThese keys stand under `config:` in a recipe.");
        }
        answer!("library: {}", plugin.file.display());
    }
    Ok(())
}

/// Prints the config of what a plugin runs, such as a class in a file.
fn describe_inner(catalog: &Catalog, plugin: &Plugin, inner: InnerConfig<'_>, name: &str, json: bool) -> Result<(), Failure> {
    let text = serde_json::json!({ inner.of: name }).to_string();
    let config = config_of_option(&format!("the {} to describe", inner.of), &text, plugin, inner.key)?;
    let schema = catalog.schema_of_inner(plugin, &config, inner).map_err(|error| Failure::usage(error.to_string()))?;
    if json {
        answer!("{}", serde_json::to_string_pretty(&schema).map_err(Failure::run)?);
        return Ok(());
    }
    let role = schema.get("x-role").and_then(Json::as_str).map(|role| format!(" ({role})")).unwrap_or_default();
    answer!("{name}{role}");
    answer!("{}", description(&schema));
    answer!("\nThese keys stand under `{}:` beside `{}: {name}` of the plugin {}.", inner.key, inner.of, plugin.name);
    Ok(())
}

/// Prints the sections of a recipe and the configs of all plugins: `docs/recipe.md` is this.
pub fn describe_all(catalog: &Catalog) -> Result<(), Failure> {
    answer!("# Recipe\n\n{}", description(&schemars::schema_for!(crate::recipe::Sections).to_value()));
    for plugin in catalog.all() {
        answer!("# {} `{}`\n\n{}", plugin.role.name(), plugin.name, description(&plugin.schema));
    }
    Ok(())
}

/// What a schema says of itself, and its keys.
fn description(schema: &Json) -> String {
    let text = schema.get("description").and_then(Json::as_str).unwrap_or_default();
    format!("{text}\n\n{}", keys(schema, schema, 0).trim_end())
}

/// The keys of an object's schema, those of inner objects indented under theirs.
fn keys(root: &Json, schema: &Json, depth: usize) -> String {
    let mut text = String::new();
    let required: Vec<&str> = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else { return text };
    for (key, property) in properties {
        let (kind, inner) = kind(root, property);
        let default = match property.get("default") {
            Some(Json::Null) => "optional".to_owned(),
            Some(Json::Object(_)) => String::new(),
            Some(value) => format!("default {value}"),
            None if required.contains(&key.as_str()) => "required".to_owned(),
            None => "optional".to_owned(),
        };
        let described =
            property.get("description").or_else(|| inner.and_then(|inner| inner.get("description"))).and_then(Json::as_str).unwrap_or_default();
        let indent = "  ".repeat(depth + 1);
        let note: Vec<&str> = [kind.as_str(), default.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{indent}{key}  ({})", note.join(", "));
        for line in described.lines().filter(|line| !line.trim().is_empty()) {
            let _ = writeln!(text, "{indent}    {line}");
        }
        if let Some(inner) = inner.filter(|inner| inner.get("properties").is_some()) {
            text += &keys(root, inner, depth + 1);
        }
    }
    text
}

/// A word for a property's kind, and the schema behind a reference.
fn kind<'a>(root: &'a Json, property: &'a Json) -> (String, Option<&'a Json>) {
    if let Some(reference) = property.get("$ref").and_then(Json::as_str) {
        let inner = root.pointer(reference.trim_start_matches('#'));
        return (inner.map_or_else(String::new, |inner| kind(root, inner).0), inner);
    }
    for alternatives in ["anyOf", "oneOf"] {
        if let Some(choices) = property.get(alternatives).and_then(Json::as_array) {
            let kinds: Vec<(String, Option<&Json>)> =
                choices.iter().filter(|choice| choice["type"] != "null").map(|choice| kind(root, choice)).collect();
            let inner = kinds.iter().find_map(|(_, inner)| *inner);
            return (kinds.into_iter().map(|(kind, _)| kind).collect::<Vec<_>>().join(" | "), inner);
        }
    }
    if let Some(constant) = property.get("const") {
        return (constant.as_str().map_or_else(|| constant.to_string(), str::to_owned), None);
    }
    if let Some(names) = property.get("enum").and_then(Json::as_array) {
        let shown = |name: &Json| name.as_str().map_or_else(|| name.to_string(), str::to_owned);
        return (names.iter().map(shown).collect::<Vec<_>>().join(" | "), None);
    }
    if let Some(items) = property.get("items").filter(|_| property["type"] == "array") {
        let (of, inner) = kind(root, items);
        return (if of.is_empty() { "list".to_owned() } else { format!("list of {of}") }, inner);
    }
    let named = match property.get("type") {
        Some(Json::String(name)) => name.clone(),
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).filter(|name| *name != "null").collect::<Vec<_>>().join(" | "),
        _ => String::new(),
    };
    let format = property.get("format").and_then(Json::as_str).filter(|format| format.starts_with("input-"));
    let bound = |key: &str| property.get(key).filter(|value| value.is_number()).map(ToString::to_string);
    let range = match (bound("minimum"), bound("maximum")) {
        (Some(low), Some(high)) => format!(" from {low} to {high}"),
        (Some(low), None) => format!(" from {low}"),
        (None, Some(high)) => format!(" to {high}"),
        (None, None) => String::new(),
    };
    (format.map_or(named, |format| format.trim_start_matches("input-").to_owned()) + &range, None)
}

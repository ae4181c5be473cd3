//! The JSON schema of recipes with the plugins that are installed, for editors: `convert check --schema`.
//!
//! It is what [`super::Recipe::load`] checks by: the sections, and in each the config of the plugin that it names. Texts with `${…}` may stand wherever a number, a truth value or a name may.

use convert_sdk::Role;
use serde_json::{Map, Value as Json, json};

use super::checked::section;
use super::sections::Sections;
use crate::plugins::{Catalog, Plugin};

/// The schema of all recipes that these plugins can run.
pub fn editor_schema(catalog: &Catalog) -> Json {
    let mut schema = schemars::schema_for!(Sections).to_value();
    schema["title"] = "a recipe of convert".into();
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Extractor) {
        let property = &mut schema["properties"][section(role)];
        let place = if property.get("items").is_some() { &mut property["items"] } else { property };
        *place = with_plugins(place.take(), role, catalog);
    }
    let definitions = &mut schema["$defs"];
    for plugin in catalog.all().filter(|plugin| plugin.role != Role::Extractor) {
        definitions[definition(plugin)] = config_schema(plugin);
    }
    admit_variables(&mut schema);
    schema["$defs"]["variable"] = json!({ "type": "string", "pattern": r"\$\{.+\}" });
    schema
}

/// The name of the schema of a plugin's config.
fn definition(plugin: &Plugin) -> String {
    format!("{}.{}", plugin.role.name(), plugin.name)
}

/// The schema of a section together with what each plugin of the role wants in it.
fn with_plugins(mut section: Json, role: Role, catalog: &Catalog) -> Json {
    let names: Vec<&str> = catalog.names(role).collect();
    let mut all = vec![json!({ "$ref": section["$ref"] }), json!({ "properties": { "plugin": { "enum": names } } })];
    for plugin in catalog.all().filter(|plugin| plugin.role == role) {
        let config = json!({ "$ref": format!("#/$defs/{}", definition(plugin)) });
        let wanted = match role {
            Role::Dataset => config,
            _ if plugin.schema.get("required").is_some() => json!({ "properties": { "config": config }, "required": ["config"] }),
            _ => json!({ "properties": { "config": config } }),
        };
        all.push(json!({ "if": { "properties": { "plugin": { "const": plugin.name } }, "required": ["plugin"] }, "then": wanted }));
    }
    if let Some(keys) = section.as_object_mut() {
        keys.remove("$ref");
    }
    section["allOf"] = all.into();
    section
}

/// The schema of a plugin's config as a part of another schema; a dataset's keys stand beside its name.
fn config_schema(plugin: &Plugin) -> Json {
    let mut schema = plugin.schema.clone();
    if let Some(keys) = schema.as_object_mut() {
        keys.remove("$schema");
    }
    move_references(&mut schema, &format!("#/$defs/{}", definition(plugin)));
    if plugin.role == Role::Dataset {
        schema["properties"]["plugin"] = json!({ "const": plugin.name });
    }
    schema
}

/// Makes references to the schema's own parts lead to where it stands now.
fn move_references(schema: &mut Json, place: &str) {
    match schema {
        Json::Object(keys) => {
            for (key, value) in keys.iter_mut() {
                match value.as_str().filter(|_| key == "$ref").and_then(|reference| reference.strip_prefix('#')) {
                    Some(reference) => *value = format!("{place}{reference}").into(),
                    None => move_references(value, place),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| move_references(item, place)),
        _ => {}
    }
}

/// Lets a text with a variable stand for every value that is no text, list or mapping.
fn admit_variables(schema: &mut Json) {
    admit_within(schema);
    let Json::Object(keys) = schema else { return };
    let may_be = |name: &Json| ["integer", "number", "boolean"].into_iter().any(|scalar| name == scalar);
    let is_scalar = match keys.get("type") {
        Some(Json::Array(names)) => names.iter().any(may_be),
        Some(name) => may_be(name),
        None => false,
    };
    if !is_scalar && !["anyOf", "oneOf", "enum", "const"].iter().any(|key| keys.contains_key(*key)) {
        return;
    }
    // What an editor shows stays at the top.
    let mut outer = Map::new();
    for shown in ["description", "default"] {
        outer.extend(keys.get(shown).map(|text| (shown.to_owned(), text.clone())));
    }
    outer.insert("anyOf".into(), json!([keys, { "$ref": "#/$defs/variable" }]));
    *schema = outer.into();
}

/// The same for the parts of a schema.
fn admit_within(schema: &mut Json) {
    let Json::Object(keys) = schema else { return };
    for (key, part) in keys.iter_mut() {
        match (key.as_str(), part) {
            ("properties" | "$defs", Json::Object(parts)) => parts.values_mut().for_each(admit_variables),
            ("items" | "additionalProperties", part) => admit_variables(part),
            ("prefixItems" | "allOf", Json::Array(parts)) => parts.iter_mut().for_each(admit_variables),
            // These are alternatives of one value, which gets a variable as one more.
            ("anyOf" | "oneOf", Json::Array(parts)) => parts.iter_mut().for_each(admit_within),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mut schema: Json, expected: Json) {
        admit_variables(&mut schema);
        assert_eq!(schema, expected);
    }

    #[test]
    fn a_variable_may_stand_for_numbers_truth_values_and_names_and_once_among_alternatives() {
        let variable = json!({ "$ref": "#/$defs/variable" });
        let text = json!({ "type": "string", "format": "input-file" });
        check(text.clone(), text);
        check(
            json!({ "type": "integer", "description": "how many", "minimum": 1 }),
            json!({ "description": "how many", "anyOf": [{ "type": "integer", "description": "how many", "minimum": 1 }, variable] }),
        );
        check(
            json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }),
            json!({ "anyOf": [{ "oneOf": [{ "const": "a" }, { "const": "b" }] }, variable] }),
        );
        check(
            json!({ "type": "object", "properties": { "on": { "type": ["boolean", "null"] } } }),
            json!({ "type": "object", "properties": { "on": { "anyOf": [{ "type": ["boolean", "null"] }, variable] } } }),
        );
    }

    #[test]
    fn references_of_a_plugins_schema_stay_within_it() {
        let mut schema = json!({ "properties": { "a": { "$ref": "#/$defs/A" }, "again": { "items": { "$ref": "#" } } } });
        move_references(&mut schema, "#/$defs/proposer.x");
        let expected =
            json!({ "properties": { "a": { "$ref": "#/$defs/proposer.x/$defs/A" }, "again": { "items": { "$ref": "#/$defs/proposer.x" } } } });
        assert_eq!(schema, expected);
    }
}

//! What a JSON schema says of a config's keys.

use serde_json::Value as Json;

/// A config with the defaults that its schema, a part of `root`, has for keys that are not given, in objects within objects too.
pub fn with_defaults(config: &Json, schema: &Json, root: &Json) -> Json {
    let Json::Object(given) = config else { return config.clone() };
    let schema = schema.get("$ref").and_then(Json::as_str).and_then(|reference| root.pointer(reference.trim_start_matches('#'))).unwrap_or(schema);
    let mut filled = given.clone();
    for (key, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        match filled.get_mut(key) {
            Some(value) => *value = with_defaults(value, property, root),
            None => {
                if let Some(default) = property.get("default").filter(|default| !default.is_null()) {
                    filled.insert(key.clone(), default.clone());
                }
            }
        }
    }
    Json::Object(filled)
}

/// The keys that a schema's object knows.
pub fn known_keys(schema: &Json) -> impl Iterator<Item = &str> {
    schema.get("properties").and_then(Json::as_object).into_iter().flat_map(|properties| properties.keys().map(String::as_str))
}

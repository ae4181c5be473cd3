//! The schemas of configs as they are shown.

use serde_json::Value as Json;

/// A schema whose defaults are shortened.
pub fn shortened(mut schema: Json) -> Json {
    shorten(&mut schema);
    schema
}

/// Defaults of 32 bits as they stand in the code: 0.15, not the 0.15000000596046448 that it is in 64.
fn shorten(json: &mut Json) {
    match json {
        Json::Number(number) => {
            let (Some(value), false) = (number.as_f64(), number.is_i64() || number.is_u64()) else { return };
            let short = (value as f32).to_string().parse::<f64>().ok().filter(|_| f64::from(value as f32) == value);
            if let Some(short) = short.and_then(serde_json::Number::from_f64) {
                *number = short;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(shorten),
        Json::Object(entries) => entries.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_32_bits_are_shown_as_they_were_written() {
        let mut schema =
            serde_json::json!({ "default": f64::from(0.15f32), "other": [0.1, f64::from(1e-5f32), 3, -2, 0.5], "text": "0.15000000596046448" });
        shorten(&mut schema);
        assert_eq!(schema, serde_json::json!({ "default": 0.15, "other": [0.1, 1e-5, 3, -2, 0.5], "text": "0.15000000596046448" }));
    }
}

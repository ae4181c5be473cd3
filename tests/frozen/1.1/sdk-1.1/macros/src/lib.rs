//! `#[config]`, which convert-sdk exports.

use proc_macro::TokenStream;

/// The config of a plugin: read from a recipe, and described by a JSON schema. Derives `Deserialize` and `JsonSchema`; a key that the type does not have is refused. With `#[config(default)]` keys that
/// are left out take their values from the type's `Default`.
#[proc_macro_attribute]
pub fn config(options: TokenStream, item: TokenStream) -> TokenStream {
    let default = match options.to_string().as_str() {
        "" => "",
        "default" => ", default",
        other => return tokens(&format!("compile_error!({:?});", format!("config({other}): only `default` may stand here"))),
    };
    let derived = format!(
        "#[derive(::convert_sdk::Deserialize, ::convert_sdk::JsonSchema)]
        #[serde(crate = \"convert_sdk::serde\", deny_unknown_fields{default})]
        #[schemars(crate = \"convert_sdk::schemars\")]"
    );
    tokens(&derived).into_iter().chain(item).collect()
}

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap_or_default()
}

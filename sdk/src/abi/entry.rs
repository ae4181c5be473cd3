//! What every plugin goes through when it is built.

use abi_stable::std_types::RStr;

use super::host::ContextAbi;
use crate::{Context, PluginConfig, Result};

/// A plugin's config from the JSON that the host validated against its schema.
pub(super) fn read_config<C: PluginConfig>(json: RStr<'_>) -> Result<C> {
    serde_json::from_str(json.as_str()).map_err(|error| crate::Error::config(error.to_string()))
}

/// What the library does once it is given a context.
pub(super) fn enter(context: ContextAbi) -> Context {
    let context = Context::from(context);
    super::forward_logs::install(&context);
    context
}

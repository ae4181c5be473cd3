//! What a `config.json` of the Hugging Face hub says of a model beyond its tensors' shapes.

use std::path::Path;

use convert_formats::files;
use convert_sdk::{Deserialize, Error, Result, ResultExt};

/// The keys that matter here, all optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(crate = "convert_sdk::serde", default)]
pub struct HubConfig {
    /// Attention heads.
    pub num_attention_heads: Option<i64>,
    /// Added to the variance in every layer norm.
    pub layer_norm_eps: Option<f64>,
    /// The base of DINOv3's rotary periods.
    pub rope_theta: Option<f64>,
}

impl HubConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// A file that cannot be read or is no JSON object of that kind.
    pub fn read(path: &Path) -> Result<Self> {
        let named = || format!("cannot read {}", path.display());
        let text = files::read_to_string(path, files::MAX_TEXT).context(named)?;
        serde_json::from_str(&text).map_err(|error| Error::invalid(error.to_string())).context(named)
    }
}

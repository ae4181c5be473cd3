//! `head.json`: what a training found out besides its heads. An interrupted training goes on from it, and people may read it.

use std::io::Write;
use std::path::Path;

use convert_formats::{files, whole_file};
use convert_sdk::tracing::warn;
use convert_sdk::{Deserialize, Error, HeldOut, Result, ResultExt, Serialize};

use crate::auto::Tried;
use crate::settings::HeadSettings;

const FILE: &str = "head.json";

/// What a training found out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(crate = "convert_sdk::serde")]
pub struct Outcome {
    /// Of the training set and all settings that matter.
    pub fingerprint: String,
    /// How the heads are built and trained.
    pub settings: HeadSettings,
    /// With `head: auto`: the heads that were tried, best first; none where there was nothing to choose by.
    #[serde(default)]
    pub tried: Vec<Tried>,
    /// What logits are divided by.
    pub temperature: f64,
    /// How the heads of the folds do on these. `None` before that is measured, and where there are no folds.
    #[serde(default)]
    pub held_out: Option<HeldOut>,
    /// What the user should know.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Whether everything is measured.
    pub whole: bool,
}

impl Outcome {
    /// What an interrupted training of the same kind left.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn resumed(folder: &Path, fingerprint: &str) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        let bytes = match files::read(&path, files::MAX_STREAM) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::from(error)).context(|| format!("cannot read {}", path.display())),
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(outcome) => Ok(Some(outcome).filter(|outcome| outcome.fingerprint == fingerprint)),
            Err(error) => {
                warn!("{} is damaged ({error}): it is made anew", path.display());
                Ok(None)
            }
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let text = serde_json::to_string_pretty(self)?;
        whole_file::write(&path, |mut file| file.write_all(text.as_bytes())).context(|| format!("cannot write {}", path.display()))
    }
}

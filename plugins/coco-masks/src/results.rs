//! The authors' region results as JSON: `{mask id: {"prob": [5], "label": [5]}}` (SPEC 8).

use std::collections::HashMap;
use std::path::Path;

use convert_sdk::{Deserialize, Error, Probability, Result, ResultExt, serde};

/// The most probable class of each mask.
#[derive(Debug)]
pub struct RegionResults(HashMap<u64, (u32, f32)>);

#[derive(Deserialize)]
#[serde(crate = "serde", deny_unknown_fields)]
struct Raw {
    prob: Vec<f32>,
    label: Vec<u32>,
}

impl RegionResults {
    /// Reads a file.
    ///
    /// # Errors
    /// A file of another form; a mask without classes, or with a number that is no probability.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).context(|| format!("cannot read {}", path.display()))?;
        let raw: HashMap<u64, Raw> =
            serde_json::from_slice(&bytes).map_err(|error| Error::invalid(format!("cannot read the region results {}: {error}", path.display())))?;
        let top = |(id, raw): (u64, Raw)| match (raw.label.first(), raw.prob.first().map(|p| Probability::new(*p))) {
            (Some(class), Some(Ok(probability))) if raw.label.len() == raw.prob.len() => Ok((id, (*class, probability.get()))),
            _ => Err(Error::invalid(format!("{}: the mask {id} needs as many probabilities as labels, at least one", path.display()))),
        };
        Ok(Self(raw.into_iter().map(top).collect::<Result<_>>()?))
    }

    /// The most probable class of a mask and its probability.
    pub fn top(&self, annotation: u64) -> Option<(u32, f32)> {
        self.0.get(&annotation).copied()
    }
}

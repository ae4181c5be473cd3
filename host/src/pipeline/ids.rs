//! Ids of samples that an exporter cannot write are found before any work.

use super::error::{NotBuilt, PipelineError};
use crate::engine::Samples;
use crate::recipe::Recipe;

/// Asks every exporter of a recipe whether it can write the samples' ids.
///
/// # Errors
/// The first that one cannot write, at the exporter's place in the recipe.
pub(super) fn check_ids(recipe: &Recipe, samples: &Samples) -> Result<(), PipelineError> {
    for (configured, _) in &recipe.export {
        let ids = samples.list.iter().map(|sample| sample.id.as_str());
        let accepted = configured.plugin.builder.exporter().and_then(|exporter| exporter.accepts(&configured.config.to_string(), ids));
        accepted.map_err(|error| recipe.refuse(configured, NotBuilt::of(configured, error)))?;
    }
    Ok(())
}

//! Ids of samples that an exporter cannot write are found before any work.

use convert_sdk::Context;

use super::error::{NotBuilt, PipelineError};
use crate::engine::Samples;
use crate::recipe::{Configured, Recipe};

/// Asks every exporter of a recipe, built with the context that is made for it, whether it can write the samples' ids.
///
/// # Errors
/// The first that one cannot write, at the exporter's place in the recipe.
pub(super) fn check_ids(recipe: &Recipe, samples: &Samples, context: impl Fn(&Configured) -> Context) -> Result<(), PipelineError> {
    for (configured, _) in &recipe.export {
        let accept = |config: &str| {
            let exporter = configured.plugin.builder.exporter(config, &context(configured))?;
            samples.list.iter().try_for_each(|sample| exporter.accepts(&sample.id))
        };
        let accepted = configured.built(accept);
        accepted.map_err(|error| recipe.refuse(configured, NotBuilt::of(configured, error)))?;
    }
    Ok(())
}

//! `convert check FILE`: what a recipe would do, and what that takes.

mod plan_rows;
mod quantities;

use std::path::Path;
use std::sync::Arc;

use comfy_table::{Cell, CellAlignment, Table};

use super::load;
use super::measured::Measured;
use super::summary::table;
use crate::cli::RecipeOverrides;
use crate::command_name;
use crate::engine::Progress;
use crate::failure::Failure;
use crate::pipeline::{Planning, check_plugins, prepare};
use crate::plugins::Catalog;
use crate::recipe::editor_schema;
use crate::terminal::{fitted, width};
use plan_rows::{PlanRow, plan_rows};

/// Checks a recipe and prints its plan.
pub fn check(file: &Path, overrides: &RecipeOverrides, device: &str, catalog: &Catalog, progress: &Progress) -> Result<(), Failure> {
    let recipe = load(file, overrides, catalog, progress)?;
    let prepared = prepare(&recipe, &Planning { limit: None, device, rescan: false, cancel: &Arc::default() })?;
    let samples = &prepared.samples;
    let works = check_plugins(&recipe, &prepared)?;
    let measured = Measured::read(&recipe.work_dir);

    answer!("recipe     {} ({})", recipe.name, file.display());
    answer!("profile    {}, seed {}", recipe.sections.profile.name(), recipe.sections.seed);
    answer!(
        "dataset    {} {}: {} samples, {} classes",
        recipe.dataset.plugin.name,
        recipe.dataset.plugin.version,
        samples.list.len(),
        samples.classes.len()
    );
    answer!("work dir   {}", recipe.place().display());
    for (place, preset) in recipe.presets() {
        let taken: Vec<String> = preset.taken().collect();
        answer!(
            "preset     {place}: {} brings {}",
            preset.name,
            if taken.is_empty() { "nothing that is not set".to_owned() } else { taken.join(", ") }
        );
        for overruled in preset.overruled() {
            answer!("           but {overruled}");
        }
    }
    let rows = plan_rows(&recipe, &prepared, &works, measured.as_ref());
    answer!("{}", fitted(shown(&rows, samples.list.len()), width()));
    match &measured {
        Some(measured) => answer!("rates      measured with {} images on {}, {} threads", measured.images, measured.device, measured.threads),
        None => answer!(
            "rates      not measured: `{} --recipe {} --dry-run --limit 8` does",
            command_name::typed(),
            command_name::quoted(&file.display().to_string())
        ),
    }
    for (configured, file) in &recipe.export {
        answer!("writes     {} ({} {})", file.display(), configured.plugin.name, configured.plugin.version);
    }
    Ok(())
}

/// Prints the schema of all recipes that the installed plugins can run.
pub fn print_schema(catalog: &Catalog) -> Result<(), Failure> {
    answer!("{}", serde_json::to_string_pretty(&editor_schema(catalog)).map_err(Failure::run)?);
    Ok(())
}

/// The plan as a table, with sums where there is something to add up.
fn shown(rows: &[PlanRow], images: usize) -> Table {
    let mut table = table(&["stage", "plugin", "version", "images", "shards", "state", "FLOPs", "disk", "time"]);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let optional = |value: Option<f64>, shown: fn(f64) -> String| right(value.map_or_else(String::new, shown));
    for row in rows {
        let flops = Some(row.flops as f64 * images as f64).filter(|flops| *flops > 0.0);
        table.add_row([
            Cell::new(&row.stage),
            Cell::new(&row.plugin),
            Cell::new(&row.version),
            right(images.to_string()),
            right(row.shards.to_string()),
            Cell::new(&row.state),
            optional(flops, quantities::operations),
            optional(row.bytes, quantities::bytes),
            optional(row.seconds.map(|seconds| seconds * images as f64), quantities::duration),
        ]);
    }
    let sum = |of: &dyn Fn(&PlanRow) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>()).filter(|sum| *sum > 0.0)
    };
    let empty = || Cell::new("");
    table.add_row([
        Cell::new("all"),
        empty(),
        empty(),
        empty(),
        empty(),
        empty(),
        optional(sum(&|row| Some(row.flops as f64 * images as f64)), quantities::operations),
        optional(sum(&|row| row.bytes), quantities::bytes),
        optional(sum(&|row| Some(row.seconds? * images as f64)), quantities::duration),
    ]);
    table
}

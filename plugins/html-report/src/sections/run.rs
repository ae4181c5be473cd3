//! How the run was made: stages, plugins and the recipe.

use convert_sdk::{ExportRun, SkippedSample};

use super::format::{count, duration};
use crate::escape::Html;

/// Bytes of the recipe shown at most.
const RECIPE_BYTES: usize = 400_000;

/// Stages, plugins and the resolved recipe.
pub fn section(run: &ExportRun) -> String {
    format!(
        "<section id=\"run\">\n<h2>The run</h2>\n<div class=\"columns\">\n<div class=\"panel\">\n<h3>Stages</h3>\n{}</div>\n<div class=\"panel\">\n<h3>Plugins</h3>\n{}</div>\n</div>\n{}\
         <details class=\"panel recipe\">\n<summary>The recipe, with every default filled in</summary>\n<pre>{}</pre>\n</details>\n</section>\n",
        stages(run),
        plugins(run),
        skipped(run),
        Html(recipe(&run.recipe)),
    )
}

fn recipe(text: &str) -> &str {
    if text.len() <= RECIPE_BYTES { text } else { &text[..text.floor_char_boundary(RECIPE_BYTES)] }
}

/// The samples that were skipped, where there are any.
fn skipped(run: &ExportRun) -> String {
    if run.skipped.is_empty() {
        return String::new();
    }
    let row = |sample: &SkippedSample| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n", Html(&sample.id), Html(&sample.stage), Html(&sample.reason))
    };
    let all = run.statistics.skipped;
    let title = match run.skipped.len() as u64 {
        shown if shown < all => format!("The first {shown} of {} skipped images; errors.jsonl has all", count(all)),
        _ => format!("{} skipped", if all == 1 { "One image was".to_owned() } else { format!("{} images were", count(all)) }),
    };
    format!(
        "<details class=\"panel skipped\" id=\"skipped\">\n<summary>{title}</summary>\n<div class=\"scroll\"><table class=\"list\">\n<thead><tr><th>image</th><th>stage</th><th>why</th></tr></thead>\n\
         <tbody>\n{}</tbody>\n</table></div>\n</details>\n",
        run.skipped.iter().map(row).collect::<String>()
    )
}

fn stages(run: &ExportRun) -> String {
    if run.stages.is_empty() {
        return "<p class=\"empty\">No stages.</p>\n".into();
    }
    let longest = run.stages.iter().map(|stage| stage.seconds).fold(0.0, f64::max).max(1e-9);
    let rows: String = run
        .stages
        .iter()
        .map(|stage| {
            let cached = match stage.cached {
                0 => String::new(),
                all if all == stage.images => " <small>cached</small>".into(),
                some => format!(" <small>{} cached</small>", count(some)),
            };
            let width = 100.0 * (stage.seconds / longest).clamp(0.0, 1.0);
            format!(
                "<tr><th scope=\"row\">{}{cached}</th><td>{}</td><td class=\"time\"><span>{}</span><i style=\"width:{width:.1}%\"></i></td></tr>\n",
                Html(&stage.name),
                count(stage.images),
                duration(stage.seconds),
            )
        })
        .collect();
    format!(
        "<div class=\"scroll\"><table class=\"list\">\n<thead><tr><th>stage</th><th>images</th><th>time</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

fn plugins(run: &ExportRun) -> String {
    if run.plugins.is_empty() {
        return "<p class=\"empty\">No plugins.</p>\n".into();
    }
    let rows: String = run
        .plugins
        .iter()
        .map(|plugin| {
            format!("<tr><td>{}</td><th scope=\"row\">{}</th><td>{}</td></tr>\n", Html(&plugin.role), Html(&plugin.name), Html(&plugin.version))
        })
        .collect();
    format!(
        "<div class=\"scroll\"><table class=\"list plugins\">\n<thead><tr><th>role</th><th>plugin</th><th>version</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

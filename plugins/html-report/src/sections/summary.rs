//! The head of the page: what came out, in one sentence and a row of figures.

use super::format::{count, decimals, duration, percent, share};
use crate::escape::Html;
use crate::report::Page;

/// Images with at least two classes, as a share.
fn share_of_several(page: &Page<'_>) -> f64 {
    let statistics = &page.run.statistics;
    share(statistics.by_count[2..].iter().sum(), statistics.images)
}

/// Title and summary sentence.
pub fn header(page: &Page<'_>) -> String {
    let statistics = &page.run.statistics;
    let lead = match statistics.images {
        0 => "No image was labelled.".to_owned(),
        1 => format!("One image came in with one label. It now has <b>{}</b>.", decimals(statistics.average, 0)),
        images => format!(
            "{} images came in with one label each. They now have <b>{}</b> on average, and <b>{}</b> of them are labelled with at least two classes.",
            count(images),
            decimals(statistics.average, 2),
            percent(share_of_several(page)),
        ),
    };
    let trusted = page.run.held_out.is_some() || page.run.evaluation.as_ref().is_some_and(|evaluation| evaluation.added.is_some());
    let trust = if trusted { "<a href=\"#trust\">Trust</a>" } else { "" };
    let training = if page.run.curve.is_empty() { "" } else { "<a href=\"#training\">Training</a>" };
    format!(
        "<header class=\"top\">\n<p class=\"overline\">Multi-label report</p>\n<h1>{}</h1>\n<p class=\"lead\">{lead}</p>\n\
         <nav aria-label=\"Sections\">{trust}<a href=\"#gallery\">Gallery</a><a href=\"#classes\">Classes</a><a href=\"#pairs\">Pairs</a>{training}<a href=\"#run\">Run</a>\
         <span class=\"version\">convert {}</span></nav>\n</header>\n",
        Html(&page.run.name),
        Html(&page.run.version),
    )
}

/// The row of figures.
pub fn tiles(page: &Page<'_>) -> String {
    let statistics = &page.run.statistics;
    let seconds: f64 = page.run.stages.iter().map(|stage| stage.seconds).sum();
    let cached = !page.run.stages.is_empty() && page.run.stages.iter().all(|stage| stage.cached == stage.images);
    let tile = |name: &str, value: String, note: String| {
        format!("<div class=\"tile\"><dt>{name}</dt><dd>{value}</dd><dd class=\"note\">{note}</dd></div>\n")
    };
    let threshold = statistics.threshold;
    let tiles = [
        tile("Images", count(statistics.images), format!("{} classes", count(page.classes.len() as u64))),
        tile("Labels per image", decimals(statistics.average, 2), "1.00 before".into()),
        tile("Two or more", percent(share_of_several(page)), "of the images".into()),
        tile("Labels added", count(page.tally.added()), format!("above {threshold}")),
        tile(
            "Skipped",
            count(statistics.skipped),
            if statistics.skipped == 0 { "nothing lost" } else { "<a href=\"#skipped\">which and why</a>" }.into(),
        ),
        tile("Time", duration(seconds), if cached { "all from the cache" } else { "in all stages" }.into()),
    ];
    format!("<dl class=\"tiles\">\n{}</dl>\n", tiles.concat())
}

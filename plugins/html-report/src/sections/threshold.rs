//! How many labels another threshold would add: a histogram of their probabilities, and a slider that the page's script listens to.

use super::format::count;
use crate::report::Page;
use crate::tally::BINS;

/// Bars: five hundredths each.
const BARS: usize = 20;

/// The panel; nothing where no label was added at any probability.
pub fn section(page: &Page<'_>) -> String {
    let bins = page.tally.probabilities();
    let bars: Vec<u64> = bins.chunks(BINS / BARS).map(|chunk| chunk.iter().sum()).collect();
    let highest = bars.iter().copied().max().unwrap_or(0);
    if highest == 0 {
        return String::new();
    }
    // Labels of hardly any probability are far more than the others: bars grow with the logarithm.
    let height = |labels: u64| 130.0 * (labels as f64 + 1.0).ln() / (highest as f64 + 1.0).ln();
    let width = 400.0 / BARS as f64;
    let drawn: String = (bars.iter().enumerate())
        .map(|(at, labels)| {
            let (from, to) = (at as f64 / BARS as f64, (at + 1) as f64 / BARS as f64);
            format!(
                "<g><title>{} labels from {from:.2} to {to:.2}</title><rect class=\"bar\" data-from=\"{from:.2}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/></g>\n",
                count(*labels),
                25.0 + at as f64 * width,
                150.0 - height(*labels),
                width - 2.0,
                height(*labels),
            )
        })
        .collect();
    let ticks: String = [0.0, 0.25, 0.5, 0.75, 1.0]
        .iter()
        .map(|tick| format!("<text class=\"faint\" x=\"{}\" y=\"168\">{tick}</text>", 25.0 + 400.0 * tick))
        .collect();
    let threshold = page.run.statistics.threshold;
    format!(
        "<section class=\"panel\" id=\"threshold\">\n<h2>Where the threshold lies</h2>\n<p class=\"hint\">Labels besides the original ones by probability, in logarithmic bars. Move the threshold to see \
         what it would add; the gallery below follows.</p>\n<svg class=\"chart\" viewBox=\"0 0 450 174\" role=\"img\" aria-label=\"Added labels by probability\">\n\
         <line class=\"axis\" x1=\"20\" x2=\"430\" y1=\"150\" y2=\"150\"/>\n{drawn}{ticks}</svg>\n\
         <div class=\"slide\"><label for=\"slider\">τ</label><input type=\"range\" id=\"slider\" min=\"0\" max=\"0.99\" step=\"0.01\" value=\"{threshold:.2}\"><output id=\"tau\" for=\"slider\"></output></div>\n</section>\n"
    )
}

//! How far the labels can be trusted: precision and recall of the added ones, and whether probabilities mean what they say; as inline SVG.

use convert_sdk::{AddedLabels, CalibrationReport, Reliability};

use super::format::{count, percent};
use crate::report::Page;

const LEFT: f64 = 44.0;
const RIGHT: f64 = 344.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 264.0;

/// The panel, with what is known: nothing without a truth and without regions held out.
pub fn section(page: &Page<'_>) -> String {
    let added = page.run.evaluation.as_ref().and_then(|evaluation| evaluation.added.as_ref());
    let mut figures = String::new();
    if let Some(added) = added {
        figures += &precision_recall(added, page.run.evaluation.as_ref().map_or(0.5, |evaluation| evaluation.threshold));
        if let Some(reliability) = &added.reliability {
            figures += &diagram(reliability, &format!("Added labels of at least {}", added.reliability_from), "true");
        }
    }
    if let Some(held_out) = &page.run.held_out {
        figures += &diagram(&held_out.reliability, &format!("The surest class of {} held-out regions", count(held_out.regions)), "right");
    }
    if figures.is_empty() {
        return String::new();
    }
    let held_out = page.run.held_out.as_ref().map_or_else(String::new, |held_out| {
        format!(
            " On regions of images that it was not trained on, it gives the class that they were kept for in {} of the cases.",
            percent(held_out.accuracy)
        )
    });
    let calibrated = page.run.calibration.as_ref().map_or_else(String::new, calibrated);
    format!(
        "<section class=\"panel\" id=\"trust\">\n<h2>How far to trust the labels</h2>\n<p class=\"hint\">On the dashed line a probability of 0.8 is right in four of five \
         cases.{held_out}{calibrated}</p>\n<div class=\"columns plain\">\n{figures}</div>\n</section>\n"
    )
}

/// How the labels were calibrated, in words.
fn calibrated(report: &CalibrationReport) -> String {
    let mut text = match report.images {
        0 => " No true labels are known: the labels' own probabilities are believed.".to_owned(),
        images => format!(" The added labels were calibrated on {} images whose true labels are known.", count(images)),
    };
    if let Some(chosen) = report.chosen.as_ref().filter(|chosen| chosen.labels > 0) {
        let (labels, expected, target) = (count(chosen.labels), percent(chosen.expected_precision), percent(chosen.target));
        text +=
            &format!(" For a precision of {target} the {labels} labels above {} were kept, of which {expected} are to be true.", chosen.threshold);
    }
    text
}

fn x(value: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * value.clamp(0.0, 1.0)
}

fn y(value: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * value.clamp(0.0, 1.0)
}

/// The frame of a chart from 0 to 1 both ways.
fn frame(across: &str) -> String {
    let mut frame = String::new();
    for tick in [0.0, 0.5, 1.0] {
        frame += &format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{0}\" y2=\"{0}\"/><text class=\"faint end\" x=\"{1}\" y=\"{2}\">{tick}</text>\
             <text class=\"faint\" x=\"{3}\" y=\"{4}\">{tick}</text>\n",
            y(tick),
            LEFT - 8.0,
            y(tick) + 4.0,
            x(tick),
            BOTTOM + 17.0,
        );
    }
    frame + &format!("<text class=\"faint\" x=\"{}\" y=\"{}\">{across}</text>\n", (LEFT + RIGHT) / 2.0, BOTTOM + 34.0)
}

fn precision_recall(added: &AddedLabels, threshold: f32) -> String {
    let points: Vec<String> = added.curve.iter().map(|point| format!("{:.1},{:.1}", x(point.recall), y(point.precision))).collect();
    let hovers: String = (added.curve.iter())
        .map(|point| {
            format!(
                "<circle class=\"hover\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"><title>from {:.2} on: precision {:.3}, recall {:.3}</title></circle>",
                x(point.recall),
                y(point.precision),
                point.threshold,
                point.precision,
                point.recall
            )
        })
        .collect();
    // Below the curve and to the left of the point there is always room, but for points at the very left.
    let mark = added.curve.iter().rfind(|point| point.threshold > threshold).map_or_else(String::new, |point| {
        let (x, y) = (x(point.recall), y(point.precision));
        let (anchor, at) = if point.recall > 0.45 { ("end", x - 6.0) } else { ("start", x + 8.0) };
        let below = (y + 22.0).min(BOTTOM - 6.0);
        format!(
            "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/><text class=\"faint {anchor}\" x=\"{at:.1}\" y=\"{below:.1}\">above {threshold}: {:.2} / {:.2}</text>",
            point.precision, point.recall
        )
    });
    format!(
        "<figure>\n<figcaption>Added labels: precision by recall, area {:.3}</figcaption>\n<svg class=\"chart\" viewBox=\"0 0 360 304\" role=\"img\" \
         aria-label=\"Precision of the added labels by their recall\">\n{}<polyline class=\"line\" points=\"{}\"/>{mark}\n{hovers}\n</svg>\n</figure>\n",
        added.area,
        frame("recall"),
        points.join(" "),
    )
}

fn diagram(reliability: &Reliability, name: &str, right: &str) -> String {
    let width = 1.0 / reliability.bins.len().max(1) as f64;
    let bars: String = (reliability.bins.iter().enumerate())
        .filter(|(_, bin)| bin.count > 0)
        .map(|(at, bin)| {
            let left = x(at as f64 * width) + 1.0;
            format!(
                "<g><title>{} of probability {:.2} on average: {} {right}</title><rect class=\"bar\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
                 <circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/></g>\n",
                count(bin.count),
                bin.confidence,
                percent(bin.accuracy),
                y(bin.accuracy),
                (RIGHT - LEFT) * width - 2.0,
                BOTTOM - y(bin.accuracy),
                x(bin.confidence),
                y(bin.accuracy),
            )
        })
        .collect();
    format!(
        "<figure>\n<figcaption>{name}: share {right} by probability, calibration error {:.3}</figcaption>\n<svg class=\"chart\" viewBox=\"0 0 360 304\" role=\"img\" \
         aria-label=\"{name}: share {right} by probability\">\n{}{bars}<line class=\"ideal\" x1=\"{LEFT}\" y1=\"{BOTTOM}\" x2=\"{RIGHT}\" y2=\"{TOP}\"/>\n</svg>\n</figure>\n",
        reliability.ece,
        frame("probability"),
    )
}

//! Labels per image (the paper's Table 5), the comparison with the truth, and the learning curve, as inline SVG and a table.

use convert_sdk::{EpochRecord, Evaluation, ExportRun, ScoreRow, Statistics};

use super::format::{count, decimals, percent, share};
use crate::escape::Html;
use crate::report::Page;

/// The two panels that answer whether it worked.
pub fn label_counts_and_truth(page: &Page<'_>) -> String {
    let truth = page.run.evaluation.as_ref().map(truth_table).unwrap_or_default();
    format!("<div class=\"columns\">\n{}{truth}</div>\n", label_counts(&page.run.statistics))
}

fn label_counts(statistics: &Statistics) -> String {
    const NAMES: [&str; 5] = ["none", "1", "2", "3", "4 or more"];
    let shares = statistics.by_count.map(|images| share(images, statistics.images));
    let highest = shares.iter().copied().fold(0.0, f64::max).max(1e-9);
    let mut bars = String::new();
    for (index, name) in NAMES.iter().enumerate() {
        let height = 150.0 * shares[index] / highest;
        let (x, y) = (index as f64 * 90.0 + 15.0, 180.0 - height);
        let middle = x + 30.0;
        bars.push_str(&format!(
            "<g><title>{} images with {name}</title><rect class=\"{}\" x=\"{x}\" y=\"{y:.1}\" width=\"60\" height=\"{height:.1}\" rx=\"4\"/>\
             <text class=\"value\" x=\"{middle}\" y=\"{:.1}\">{}</text><text x=\"{middle}\" y=\"200\">{name}</text>\
             <text class=\"faint\" x=\"{middle}\" y=\"217\">{}</text></g>\n",
            count(statistics.by_count[index]),
            if index >= 2 { "bar strong" } else { "bar" },
            y - 8.0,
            percent(shares[index]),
            count(statistics.by_count[index]),
        ));
    }
    format!(
        "<section class=\"panel\" id=\"counts\">\n<h2>Labels per image</h2>\n<p class=\"hint\">A class counts when its probability is above {}.</p>\n\
         <svg class=\"chart\" viewBox=\"0 0 450 224\" role=\"img\" aria-label=\"Images by number of labels\">\n\
         <line class=\"axis\" x1=\"5\" x2=\"445\" y1=\"180\" y2=\"180\"/>\n{bars}</svg>\n</section>\n",
        statistics.threshold
    )
}

type Column = (&'static str, fn(&ScoreRow) -> Option<f64>);

fn truth_table(evaluation: &Evaluation) -> String {
    const COLUMNS: [Column; 7] = [
        ("Added labels: precision", |row| row.added_precision),
        ("Added labels: recall", |row| row.added_recall),
        ("Precision", |row| Some(row.precision)),
        ("Recall", |row| Some(row.recall)),
        ("F1", |row| Some(row.f1)),
        ("AP per image", |row| Some(row.per_image_ap)),
        ("AP, 2+ objects", |row| row.per_image_ap_multi),
    ];
    let names: String = evaluation.rows.iter().map(|row| format!("<th scope=\"col\">{}</th>", Html(&row.name))).collect();
    let mut body = String::new();
    for (name, value) in COLUMNS {
        let values: Vec<Option<f64>> = evaluation.rows.iter().map(|row| value(row).filter(|value| value.is_finite())).collect();
        let base = values.first().copied().flatten();
        let cells: String = values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                let Some(value) = value else { return "<td class=\"score\">–</td>".to_owned() };
                let change = base.filter(|_| index > 0).map_or_else(String::new, |base| change(value - base));
                let width = 100.0 * value.clamp(0.0, 1.0);
                let strong = if index > 0 { " strong" } else { "" };
                format!("<td class=\"score{strong}\"><span>{value:.3}{change}</span><i style=\"width:{width:.1}%\"></i></td>")
            })
            .collect();
        body.push_str(&format!("<tr><th scope=\"row\">{name}</th>{cells}</tr>\n"));
    }
    format!(
        "<section class=\"panel\" id=\"truth\">\n<h2>Against the truth</h2>\n<p class=\"hint\">{} images whose objects are known; precision, recall and F1 above {}.</p>\n\
         <div class=\"scroll\"><table class=\"truth\">\n<thead><tr><td></td>{names}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n</section>\n",
        count(evaluation.images),
        evaluation.threshold
    )
}

fn change(difference: f64) -> String {
    match difference {
        d if d >= 0.0005 => format!(" <em class=\"up\">+{d:.3}</em>"),
        d if d <= -0.0005 => format!(" <em class=\"down\">−{:.3}</em>", -d),
        _ => String::new(),
    }
}

/// Loss and accuracy by epoch; nothing when the run used a checkpoint.
pub fn learning_curve(run: &ExportRun) -> String {
    let curve = run.curve.as_slice();
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else {
        return String::new();
    };
    let highest = curve.iter().map(|record| record.loss).filter(|loss| loss.is_finite()).fold(0.0, f64::max);
    let loss = line_chart(curve, "Training loss", |record| record.loss, highest, 3);
    let held_out = run.held_out.as_ref().map_or_else(String::new, |held_out| format!("; on regions held out {}", percent(held_out.accuracy)));
    let accuracy = line_chart(curve, "Training accuracy", |record| record.accuracy, 1.0, 3);
    format!(
        "<section class=\"panel\" id=\"training\">\n<h2>Training of the labeler</h2>\n<p class=\"hint\">{} epochs on the selected regions: loss from {} to {}, accuracy {}{held_out}.</p>\n\
         <div class=\"columns plain\">\n{loss}{accuracy}</div>\n</section>\n",
        curve.len(),
        decimals(first.loss, 3),
        decimals(last.loss, 3),
        percent(if last.accuracy.is_finite() { last.accuracy } else { 0.0 }),
    )
}

/// Points drawn at most, so that a thousand epochs do not make a thousand-point line.
const CURVE_POINTS: usize = 400;

fn line_chart(curve: &[EpochRecord], name: &str, value: fn(&EpochRecord) -> f64, highest: f64, places: usize) -> String {
    const LEFT: f64 = 44.0;
    const RIGHT: f64 = 440.0;
    const TOP: f64 = 14.0;
    const BOTTOM: f64 = 170.0;
    let highest = if highest > 0.0 { highest } else { 1.0 };
    let step = curve.len().div_ceil(CURVE_POINTS).max(1);
    let spread = curve.len().saturating_sub(1).max(1) as f64;
    let place =
        |index: usize, value: f64| (LEFT + (RIGHT - LEFT) * index as f64 / spread, BOTTOM - (BOTTOM - TOP) * (value / highest).clamp(0.0, 1.0));
    let shown = (0..curve.len()).filter(|index| index % step == 0 || index + 1 == curve.len()).filter(|index| value(&curve[*index]).is_finite());
    let points: Vec<(f64, f64)> = shown.map(|index| place(index, value(&curve[index]))).collect();
    let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let (start, end) = (points.first().copied().unwrap_or((LEFT, BOTTOM)), points.last().copied().unwrap_or((LEFT, BOTTOM)));
    let grid: String = [0.0, 0.5, 1.0]
        .iter()
        .map(|part| {
            let y = BOTTOM - (BOTTOM - TOP) * part;
            let tick = decimals(highest * part, if highest >= 10.0 { 0 } else { places.min(2) });
            format!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y}\" y2=\"{y}\"/><text class=\"faint end\" x=\"{}\" y=\"{}\">{tick}</text>",
                LEFT - 8.0,
                y + 4.0
            )
        })
        .collect();
    format!(
        "<figure>\n<figcaption>{name}</figcaption>\n<svg class=\"chart\" viewBox=\"0 0 450 196\" role=\"img\" aria-label=\"{name} by epoch\">\n{grid}\n\
         <polygon class=\"under\" points=\"{:.1},{BOTTOM} {} {:.1},{BOTTOM}\"/><polyline class=\"line\" points=\"{}\"/>\
         <circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"/>\n<text class=\"faint\" x=\"{LEFT}\" y=\"190\">1</text>\
         <text class=\"faint\" x=\"{}\" y=\"190\">epoch</text><text class=\"faint end\" x=\"{RIGHT}\" y=\"190\">{}</text>\n</svg>\n</figure>\n",
        start.0,
        line.join(" "),
        end.0,
        line.join(" "),
        end.0,
        end.1,
        (LEFT + RIGHT) / 2.0,
        curve.last().map_or(0, |record| record.epoch),
    )
}

//! Which classes share images: a heat map of those that do most, and the top pairs.

use std::collections::HashMap;

use super::format::count;
use crate::escape::Html;
use crate::report::Page;

/// Classes in the heat map.
const MAP_CLASSES: usize = 24;

/// Pairs in the list.
const LISTED: usize = 12;

/// Characters of a class name beside the heat map.
const NAME_LENGTH: usize = 16;

/// Heat map and list, or a line that says why there are none.
pub fn section(page: &Page<'_>) -> String {
    let pairs = page.tally.pairs();
    let Some(&(_, most)) = pairs.first() else {
        return "<section class=\"panel\" id=\"pairs\">\n<h2>Classes that share images</h2>\n<p class=\"empty\">No image shows two classes.</p>\n</section>\n".into();
    };
    let listed: String = pairs.iter().take(LISTED).map(|((a, b), images)| row(&page.class_name(*a), &page.class_name(*b), *images, most)).collect();
    format!(
        "<section class=\"panel\" id=\"pairs\">\n<h2>Classes that share images</h2>\n<p class=\"hint\">{} different pairs of classes occur together.</p>\n\
         <div class=\"columns plain\">\n<figure>\n{}</figure>\n<ol class=\"pairs\">\n{listed}</ol>\n</div>\n</section>\n",
        count(pairs.len() as u64),
        heat_map(page, &pairs),
    )
}

fn row(a: &str, b: &str, images: u64, most: u64) -> String {
    format!(
        "<li><span class=\"name\"><span>{}</span> <small>with</small> <span>{}</span></span><span class=\"number\">{}</span><i style=\"width:{:.1}%\"></i></li>\n",
        Html(a),
        Html(b),
        count(images),
        100.0 * images as f64 / most as f64
    )
}

fn short(name: &str) -> String {
    if name.chars().count() <= NAME_LENGTH { name.to_owned() } else { name.chars().take(NAME_LENGTH - 1).chain(['…']).collect() }
}

fn heat_map(page: &Page<'_>, pairs: &[((u32, u32), u64)]) -> String {
    const CELL: usize = 18;
    const MARGIN: usize = 112;
    let mut totals: HashMap<u32, u64> = HashMap::new();
    for ((a, b), images) in pairs {
        *totals.entry(*a).or_default() += images;
        *totals.entry(*b).or_default() += images;
    }
    let mut classes: Vec<u32> = totals.keys().copied().collect();
    classes.sort_unstable_by_key(|class| (std::cmp::Reverse(totals[class]), *class));
    classes.truncate(MAP_CLASSES);
    classes.sort_unstable();
    let place: HashMap<u32, usize> = classes.iter().enumerate().map(|(index, class)| (*class, index)).collect();
    let most = pairs.first().map_or(1, |(_, images)| *images) as f64;
    let mut cells = String::new();
    for ((a, b), images) in pairs {
        let (Some(&column), Some(&row)) = (place.get(a), place.get(b)) else { continue };
        let title = format!("{} with {}: {}", Html(&page.class_name(*a)), Html(&page.class_name(*b)), count(*images));
        // the square root keeps rare pairs visible beside a frequent one
        let strength = 0.12 + 0.88 * (*images as f64 / most).sqrt();
        for (x, y) in [(column, row), (row, column)] {
            let (x, y) = (MARGIN + x * CELL, MARGIN + y * CELL);
            cells.push_str(&format!(
                "<rect class=\"cell\" x=\"{x}\" y=\"{y}\" width=\"{0}\" height=\"{0}\" fill-opacity=\"{strength:.2}\"><title>{title}</title></rect>",
                CELL - 1
            ));
        }
    }
    let mut names = String::new();
    for (index, class) in classes.iter().enumerate() {
        let middle = MARGIN + index * CELL + CELL / 2 + 3;
        let full = page.class_name(*class);
        let (full, name) = (Html(&full).to_string(), Html(&short(&full)).to_string());
        let edge = MARGIN - 7;
        names.push_str(&format!(
            "<text class=\"end\" x=\"{edge}\" y=\"{middle}\">{name}<title>{full}</title></text>\
             <text transform=\"translate({middle} {edge}) rotate(-90)\">{name}<title>{full}</title></text>\n"
        ));
    }
    let side = MARGIN + classes.len() * CELL;
    let frame = classes.len() * CELL;
    format!(
        "<svg class=\"heat\" viewBox=\"0 0 {side} {side}\" style=\"max-width:{}px\" role=\"img\" aria-label=\"Heat map of classes that share images\">\n\
         <rect class=\"ground\" x=\"{MARGIN}\" y=\"{MARGIN}\" width=\"{frame}\" height=\"{frame}\" rx=\"3\"/>\n{names}{cells}\n</svg>\n",
        side * 7 / 5
    )
}

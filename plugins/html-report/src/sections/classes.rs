//! Labels per class: what each had, and what it gained.

use super::format::count;
use crate::escape::Html;
use crate::report::Page;
use crate::tally::ClassCount;

/// Classes shown as bars.
const SHOWN: usize = 24;

/// Rows of the full table.
const LISTED: usize = 1000;

/// Bars of the classes that gained most, and a table of all.
pub fn section(page: &Page<'_>) -> String {
    let mut counts: Vec<(u32, ClassCount)> = (0..).zip(page.tally.classes().iter().copied()).collect();
    counts.retain(|(_, count)| *count != ClassCount::default());
    counts.sort_by_key(|(class, count)| (std::cmp::Reverse((count.added, count.kept)), *class));
    if counts.is_empty() {
        return "<section class=\"panel\" id=\"classes\">\n<h2>Classes</h2>\n<p class=\"empty\">No image, no classes.</p>\n</section>\n".into();
    }
    let longest = counts.iter().take(SHOWN).map(|(_, count)| count.kept + count.added).max().unwrap_or(1).max(1);
    let bars: String = counts.iter().take(SHOWN).map(|(class, count)| bar(&page.class_name(*class), count, longest)).collect();
    let gained = counts.iter().filter(|(_, count)| count.added > 0).count();
    format!(
        "<section class=\"panel\" id=\"classes\">\n<h2>Labels per class</h2>\n<p class=\"hint\">{gained} of {} classes were found in images of another label. \
         <span class=\"key\"><i class=\"was\"></i>given label</span> <span class=\"key\"><i class=\"new\"></i>added</span></p>\n\
         <ul class=\"bars\">\n{bars}</ul>\n{}</section>\n",
        count_of(&counts),
        table(page, &counts),
    )
}

fn count_of(counts: &[(u32, ClassCount)]) -> String {
    count(counts.len() as u64)
}

fn bar(name: &str, class: &ClassCount, longest: u64) -> String {
    let width = |images: u64| 100.0 * images as f64 / longest as f64;
    let name = Html(name).to_string();
    format!(
        "<li><span class=\"name\" title=\"{name}\">{name}</span><span class=\"track\"><i class=\"was\" style=\"width:{:.2}%\"></i>\
         <i class=\"new\" style=\"width:{:.2}%\"></i></span><span class=\"number\">{} <b>+{}</b></span></li>\n",
        width(class.kept),
        width(class.added),
        count(class.kept),
        count(class.added),
    )
}

fn table(page: &Page<'_>, counts: &[(u32, ClassCount)]) -> String {
    let truths = page.tally.truths();
    if counts.len() <= SHOWN && truths.is_empty() {
        return String::new();
    }
    let ratio = |part: u64, whole: u64| if whole == 0 { "–".to_owned() } else { format!("{:.2}", part as f64 / whole as f64) };
    let rows: String = counts
        .iter()
        .take(LISTED)
        .map(|(class, class_count)| {
            let known = truths.get(class).copied().unwrap_or_default();
            let truth = match truths.is_empty() {
                true => String::new(),
                false => {
                    format!("<td>{}</td><td>{}</td><td>{}</td>", ratio(known.right, known.added), ratio(known.right, known.shown), count(known.shown))
                }
            };
            format!(
                "<tr><td>{class}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td>{truth}</tr>\n",
                Html(&page.class_name(*class)),
                count(class_count.given),
                count(class_count.kept),
                count(class_count.added),
            )
        })
        .collect();
    let title =
        if counts.len() > LISTED { format!("The first {LISTED} of {} classes", counts.len()) } else { format!("All {} classes", counts.len()) };
    let truth = if truths.is_empty() { "" } else { "<th>added: precision</th><th>recall</th><th>truly there besides</th>" };
    format!(
        "<details>\n<summary>{title}</summary>\n<div class=\"scroll\"><table class=\"list\">\n<thead><tr><th>index</th><th>class</th><th>given</th><th>kept</th>\
         <th>added</th>{truth}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n</details>\n"
    )
}

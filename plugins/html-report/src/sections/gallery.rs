//! The gallery's frame; the page's script fills it.

use super::format::count;

/// The dialog that shows an image larger.
pub const DIALOG: &str = "<dialog id=\"viewer\" aria-label=\"Image\">\n<div class=\"stage\" id=\"viewer-stage\"></div>\n<div class=\"side\">\n\
    <div class=\"viewer-bar\"><button type=\"button\" id=\"previous\" aria-label=\"Previous image\">←</button>\
    <button type=\"button\" id=\"next\" aria-label=\"Next image\">→</button><span id=\"viewer-place\"></span>\
    <button type=\"button\" id=\"close\" aria-label=\"Close\">✕</button></div>\n<div id=\"viewer-text\"></div>\n</div>\n</dialog>\n";

/// Filters and the empty grid.
pub fn section(shown: usize, images: u64, has_truth: bool, threshold: f32) -> String {
    if shown == 0 {
        return "<section id=\"gallery\">\n<h2>Gallery</h2>\n<p class=\"empty\">No images to show.</p>\n</section>\n".into();
    }
    let truth_filter = if has_truth { "<label class=\"check\"><input type=\"checkbox\" id=\"mistakes\"> wrong or missed only</label>\n" } else { "" };
    let truth_key = if has_truth {
        " <span class=\"key\"><b class=\"right\">✓</b> true</span> <span class=\"key\"><b class=\"wrong\">✕</b> not in the image</span> <span class=\"key missed\">missed</span>"
    } else {
        ""
    };
    let counts: String = [("all", "all"), ("0", "0"), ("1", "1"), ("2", "2"), ("3", "3"), ("4", "4+")]
        .iter()
        .map(|(value, name)| {
            let checked = if *value == "all" { " checked" } else { "" };
            format!("<label><input type=\"radio\" name=\"count\" value=\"{value}\"{checked}><span>{name}</span></label>")
        })
        .collect();
    format!(
        "<section id=\"gallery\">\n<div class=\"gallery-head\"><h2>Gallery</h2><p class=\"hint\">{shown} of {} images: the most changed, and others drawn by lot. \
         Point at a label to see its mask. <span class=\"key\"><span class=\"tag\">given</span> original label</span>{truth_key}</p></div>\n\
         <form class=\"filters\" id=\"filters\" data-threshold=\"{threshold}\">\n<label class=\"field\">class <select id=\"class\"><option value=\"\">all classes</option></select></label>\n\
         <fieldset class=\"segments\"><legend>labels</legend>{counts}</fieldset>\n\
         <label class=\"field\">sort <select id=\"sort\"><option value=\"added\">most changed</option><option value=\"id\">id</option></select></label>\n\
         <label class=\"field\">find <input type=\"search\" id=\"find\" placeholder=\"id\"></label>\n\
         <label class=\"field\">masks <select id=\"masks\"><option value=\"best\">of the labels</option><option value=\"all\">all</option><option value=\"none\">none</option></select></label>\n{truth_filter}<output id=\"shown\"></output>\n</form>\n\
         <div class=\"grid\" id=\"grid\"></div>\n<p class=\"empty\" id=\"nothing\" hidden>No image passes these filters.</p>\n\
         <noscript><p class=\"empty\">The gallery needs JavaScript.</p></noscript>\n<svg hidden id=\"svg\"></svg>\n</section>\n",
        count(images)
    )
}

//! The page: a row an image, a column a setting. No script, no other file; each thumbnail is in it once.

mod cells;

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use convert_formats::html::Html;

use super::figures::{self, Figures, name};
use crate::cli::By;
use crate::evaluate::TrueObjects;
use crate::pipeline::Session;
use crate::thumbnail::thumbnail;
pub use cells::Column;
use cells::traced_size;

const STYLE: &str = include_str!("sheet.css");
/// The longest side of a thumbnail in pixels.
const LONGEST: u32 = 192;

/// The images of the page.
pub struct Sheet {
    rows: Vec<Row>,
}

/// An image.
struct Row {
    sample: usize,
    id: String,
    given: String,
    /// Its thumbnail as a `data:` URL, and the size of its cells' coordinates; none where it cannot be read.
    picture: Option<(String, (u32, u32))>,
    /// The true objects' boxes in shares of the image: left, top, width, height.
    boxes: Vec<[f64; 4]>,
}

impl Sheet {
    /// With `count` of a session's samples at most, evenly spread.
    pub fn of(session: &Session, count: usize) -> Self {
        let samples = &session.samples;
        let (all, count) = (samples.list.len(), count.min(samples.list.len()));
        let row = |at: usize| {
            let sample = at * all / count;
            let entry = &samples.list[sample];
            let given = samples.classes.get(entry.label as usize).cloned().unwrap_or_default();
            Row { sample, id: entry.id.clone(), given, picture: None, boxes: Vec::new() }
        };
        Self { rows: (0..count).map(row).collect() }
    }

    /// Whether a sample is shown.
    pub fn shows(&self, sample: usize) -> bool {
        self.rows.binary_search_by_key(&sample, |row| row.sample).is_ok()
    }

    /// Takes up the thumbnails and true boxes. An image that cannot be read is shown without one.
    pub fn take_images(&mut self, session: &Session, truth: Option<&TrueObjects>) {
        for row in &mut self.rows {
            row.boxes = truth.map_or_else(Vec::new, |truth| truth.boxes(row.sample));
            let lazy = session.image(row.sample);
            let picture = lazy.get().and_then(|image| Ok((data_url(&image)?, traced_size(image.width(), image.height()))));
            match picture {
                Ok(picture) => row.picture = Some(picture),
                Err(error) => tracing::warn!("{} is not shown on the page: {error}", row.id),
            }
        }
    }

    /// The page.
    pub fn page(&self, recipe: &str, names: &[String], all: &[Figures], columns: &[Column], best: Option<(usize, By)>) -> String {
        let mut page = String::new();
        // Writing to a text cannot fail.
        let _ = self.write(&mut page, recipe, names, all, columns, best);
        page
    }

    fn write(
        &self,
        page: &mut String,
        recipe: &str,
        names: &[String],
        all: &[Figures],
        columns: &[Column],
        best: Option<(usize, By)>,
    ) -> std::fmt::Result {
        let title = Html(recipe);
        write!(
            page,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
             <title>Sweep of {title} · convert</title>\n<style>\n{STYLE}"
        )?;
        for (at, row) in self.rows.iter().enumerate() {
            if let Some((url, _)) = &row.picture {
                writeln!(page, ".i{at}{{background-image:url({url})}}")?;
            }
        }
        let (settings, images) = (all.len(), all.iter().map(|figures| figures.images).max().unwrap_or(0));
        write!(
            page,
            "</style>\n</head>\n<body>\n<header>\n<h1>Sweep of {title}</h1>\n<p>{settings} settings on {images} images, {} of them shown. ",
            self.rows.len()
        )?;
        match best {
            Some((at, by)) => write!(page, "Best by {}: setting {}. ", name(by), at + 1)?,
            None => page.push_str("No true objects are known, so none is called best. "),
        }
        page.push_str("<span class=\"key\">");
        if all.iter().any(|figures| figures.judged > 0) {
            page.push_str("<span><i class=\"kept\"></i>mask that the selector keeps</span><span><i></i>another mask</span>");
        } else {
            page.push_str("<span><i></i>mask</span>");
        }
        if best.is_some() {
            page.push_str("<span><i class=\"true\"></i>box of a true object</span>");
        }
        page.push_str("</span></p>\n</header>\n");
        self.boxes(page)?;
        page.push_str("<main>\n<table>\n<thead>\n<tr><th class=\"corner\">image</th>");
        for (at, figures) in all.iter().enumerate() {
            head(page, at, names, figures, best.is_some_and(|(best, _)| best == at))?;
        }
        page.push_str("</tr>\n</thead>\n<tbody>\n");
        for (at, row) in self.rows.iter().enumerate() {
            write!(page, "<tr><th scope=\"row\"><span>{}</span><b>{}</b>", Html(last_part(&row.id)), Html(&row.given))?;
            match row.boxes.len() {
                0 => {}
                1 => page.push_str("<small>1 true object</small>"),
                count => write!(page, "<small>{count} true objects</small>")?,
            }
            page.push_str("</th>");
            for column in columns {
                column.cell(page, at, row.sample, row.picture.as_ref().map(|(_, view)| *view), !row.boxes.is_empty())?;
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</tbody>\n</table>\n</main>\n</body>\n</html>\n");
        Ok(())
    }

    /// The true boxes of each image, which all its cells show.
    fn boxes(&self, page: &mut String) -> std::fmt::Result {
        page.push_str("<svg class=\"shared\" aria-hidden=\"true\"><defs>\n");
        for (at, row) in self.rows.iter().enumerate().filter(|(_, row)| !row.boxes.is_empty()) {
            let Some((_, (width, height))) = row.picture else { continue };
            write!(page, "<g id=\"t{at}\">")?;
            for [x, y, w, h] in &row.boxes {
                let (across, down) = (|share: f64| share * f64::from(width), |share: f64| share * f64::from(height));
                write!(page, "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>", across(*x), down(*y), across(*w), down(*h))?;
            }
            page.push_str("</g>\n");
        }
        page.push_str("</defs></svg>\n");
        Ok(())
    }
}

/// What stands above a setting's column.
fn head(page: &mut String, at: usize, names: &[String], figures: &Figures, best: bool) -> std::fmt::Result {
    let (class, mark) = if best { (" class=\"best\"", "<em>best</em>") } else { ("", "") };
    write!(page, "<th scope=\"col\"{class}><div class=\"number\">{}{mark}</div>", at + 1)?;
    for (name, value) in names.iter().zip(figures.values()) {
        write!(page, "<div class=\"set\">{} <b>{}</b></div>", Html(name), Html(value))?;
    }
    page.push_str("<dl>");
    if let Some(scores) = &figures.scores {
        let boxes = &scores.boxes;
        write!(page, "<dt>CorLoc</dt><dd>{:.3}</dd><dt>recall</dt><dd>{:.3}</dd>", boxes.corloc_first, boxes.recall)?;
    }
    write!(page, "<dt>masks/image</dt><dd>{:.1}</dd>", figures.masks_per_image())?;
    if figures.judged > 0 {
        write!(page, "<dt>selected</dt><dd>{}</dd>", figures::share(figures))?;
    }
    if figures.time.is_some() {
        write!(page, "<dt>s/image</dt><dd>{}</dd>", figures::seconds(figures))?;
    }
    page.push_str("</dl></th>");
    Ok(())
}

/// The name of a file without its folders.
fn last_part(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// A small JPEG of an image, as a data URL.
fn data_url(image: &convert_sdk::Image<'_>) -> convert_sdk::Result<String> {
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(thumbnail(image, LONGEST)?)))
}

//! A setting's masks on the images of the page.

use std::collections::BTreeMap;
use std::fmt::{Result as Written, Write};

use convert_formats::outline::{outlines, svg_path};
use convert_sdk::{Mask, Result};

use crate::pipeline::Compared;

/// Longest side in pixels at which a mask is traced.
const TRACED: u32 = 192;
/// How far, in half pixels of that size, an outline may leave the middles of the pixels' edges.
const TOLERANCE: f64 = 1.4;
/// Masks drawn of an image: more lines than these hide it.
const DRAWN: usize = 30;
/// Colours of the style.
const COLOURS: usize = 8;

/// A setting's masks on the images of the page, by sample.
#[derive(Default)]
pub struct Column(BTreeMap<usize, Drawing>);

/// The masks of an image.
#[derive(Default)]
struct Drawing {
    view: (u32, u32),
    /// Paths with their colours, and whether the selector keeps the mask; the kept ones first.
    masks: Vec<(String, usize, bool)>,
    count: usize,
    kept: Option<usize>,
}

/// The size of the coordinates of an image's outlines: half pixels of the traced size.
pub fn traced_size(width: u32, height: u32) -> (u32, u32) {
    let (width, height) = shrunk(width, height);
    (2 * width, 2 * height)
}

fn shrunk(width: u32, height: u32) -> (u32, u32) {
    let longest = width.max(height).max(1);
    let scale = |side: u32| (u64::from(side) * u64::from(TRACED) / u64::from(longest)).max(1) as u32;
    if longest <= TRACED { (width, height) } else { (scale(width), scale(height)) }
}

fn path(mask: &Mask) -> Result<String> {
    let (width, height) = shrunk(mask.width(), mask.height());
    Ok(svg_path(&outlines(&mask.resize_nearest(width, height)?, TOLERANCE)))
}

impl Column {
    /// Draws an image's masks.
    ///
    /// # Errors
    /// A mask that cannot be traced.
    pub fn draw(&mut self, image: &Compared) -> Result<()> {
        let kept = |at: usize| image.kept.as_ref().is_some_and(|kept| kept.get(at) == Some(&true));
        let mut order: Vec<usize> = (0..image.regions.len()).collect();
        order.sort_by_key(|at| !kept(*at));
        let drawn = order.into_iter().take(DRAWN).map(|at| Ok((path(&image.regions[at].mask)?, at % COLOURS, kept(at))));
        let drawing = Drawing {
            view: image.regions.first().map_or((0, 0), |region| traced_size(region.mask.width(), region.mask.height())),
            masks: drawn.collect::<Result<_>>()?,
            count: image.regions.len(),
            kept: image.kept.as_ref().map(|kept| kept.iter().filter(|kept| **kept).count()),
        };
        self.0.insert(image.sample, drawing);
        Ok(())
    }

    /// Writes the cell of a row, whose image has coordinates of the size `view`.
    pub(super) fn cell(&self, page: &mut String, row: usize, sample: usize, view: Option<(u32, u32)>, boxes: bool) -> Written {
        let Some(drawing) = self.0.get(&sample) else {
            page.push_str("<td><p>skipped</p></td>");
            return Ok(());
        };
        let (width, height) = view.unwrap_or(drawing.view);
        let shown = |side: u32| u64::from(side) * u64::from(TRACED) / u64::from(width.max(height).max(1));
        write!(page, "<td><svg class=\"i{row}\" viewBox=\"0 0 {width} {height}\" width=\"{}\" height=\"{}\">", shown(width), shown(height))?;
        if boxes {
            write!(page, "<use class=\"under\" href=\"#t{row}\"/><use class=\"over\" href=\"#t{row}\"/>")?;
        }
        // What is kept lies above the others.
        for (path, colour, kept) in drawing.masks.iter().rev() {
            let kept = if *kept { " k" } else { "" };
            write!(page, "<path class=\"c{colour}{kept}\" d=\"{path}\"/>")?;
        }
        write!(page, "</svg><p>{}", if drawing.count == 1 { "1 mask".to_owned() } else { format!("{} masks", drawing.count) })?;
        if let Some(kept) = drawing.kept.filter(|_| drawing.count > 0) {
            write!(page, ", {kept} kept")?;
        }
        if drawing.count > drawing.masks.len() {
            write!(page, " ({} drawn)", drawing.masks.len())?;
        }
        page.push_str("</p></td>");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::{BoundingBox, Region};

    #[test]
    fn kept_masks_are_drawn_last_and_none_is_left_out_for_others() {
        let mask = |x: u32| Mask::from_box(400, 200, BoundingBox { x, y: 10, width: 30, height: 20 }).unwrap();
        let regions: Vec<Region> = (0..40).map(|x| Region { mask: mask(x), source: "x".into(), score: 0.0, measures: Vec::new() }).collect();
        let kept = (0..40).map(|at| at == 39).collect();
        let mut column = Column::default();
        column.draw(&Compared { sample: 3, regions, kept: Some(kept) }).unwrap();
        let mut cell = String::new();
        column.cell(&mut cell, 0, 3, None, true).unwrap();
        assert!(cell.contains("viewBox=\"0 0 384 192\"") && cell.contains("40 masks, 1 kept (30 drawn)"), "{cell}");
        assert_eq!((cell.matches("<path").count(), cell.matches(" k\"").count()), (30, 1));
        assert!(cell.rsplit("<path").next().is_some_and(|last| last.starts_with(" class=\"c7 k\"")), "the kept one is the last: {cell}");
        let mut none = String::new();
        column.cell(&mut none, 0, 4, None, false).unwrap();
        assert!(none.contains("skipped"));
    }
}

//! Regions that a person draws or points at, named by the run's labeler (paper F.5).

use std::time::Instant;

use convert_sdk::{BoundingBox, Error, Image, Mask};
use serde::Deserialize;
use serde_json::{Value, json};

use super::details::{MaskCounts, pairs};
use super::refusal::Refusal;
use crate::errors::PluginError;
use crate::pipeline::Consultation;

/// So many classes are offered for a region.
const TOP: usize = 10;
/// A polygon has at most so many corners.
const MOST_CORNERS: usize = 10_000;

/// A region of an image: one of the three.
#[derive(Debug, Deserialize)]
pub struct Shape {
    /// Left, top, width, height in pixels.
    #[serde(rename = "box", default)]
    pub bounds: Option<[f64; 4]>,
    /// Corners in pixels.
    #[serde(default)]
    pub polygon: Option<Vec<[f64; 2]>>,
    /// A mask of the image's size.
    #[serde(default)]
    pub mask: Option<MaskCounts>,
}

impl Shape {
    /// The region as a mask of an image's size; what lies beyond the image is cut off.
    ///
    /// # Errors
    /// None or several of the three; a region without a pixel of the image.
    pub fn mask(&self, width: u32, height: u32) -> convert_sdk::Result<Mask> {
        let mask = match (&self.bounds, &self.polygon, &self.mask) {
            (Some(bounds), None, None) => of_box(*bounds, width, height)?,
            (None, Some(corners), None) => of_polygon(corners, width, height)?,
            (None, None, Some(mask)) => {
                let [mask_height, mask_width] = mask.size;
                if (mask_width, mask_height) != (width, height) {
                    return Err(Error::invalid(format!("the mask has {mask_width}x{mask_height} pixels, the image {width}x{height}")));
                }
                Mask::from_counts(width, height, &mask.counts)?
            }
            _ => return Err(Error::invalid("a region is a `box`, a `polygon` or a `mask`: give one of them")),
        };
        if mask.is_empty() {
            return Err(Error::invalid(format!("the region has no pixel of the image, which has {width}x{height}")));
        }
        Ok(mask)
    }
}

fn of_box([left, top, box_width, box_height]: [f64; 4], width: u32, height: u32) -> convert_sdk::Result<Mask> {
    if ![left, top, box_width, box_height].iter().all(|number| number.is_finite()) {
        return Err(Error::invalid("a box is four numbers: left, top, width, height"));
    }
    let within = |at: f64, end: u32| at.round().clamp(0.0, f64::from(end)) as u32;
    let (x, y) = (within(left, width), within(top, height));
    let (right, bottom) = (within(left + box_width, width), within(top + box_height, height));
    Mask::from_box(width, height, BoundingBox { x, y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) })
}

/// The pixels whose middles lie within a polygon, by the even-odd rule.
fn of_polygon(corners: &[[f64; 2]], width: u32, height: u32) -> convert_sdk::Result<Mask> {
    if !(3..=MOST_CORNERS).contains(&corners.len()) || !corners.iter().flatten().all(|number| number.is_finite()) {
        return Err(Error::invalid(format!("a polygon has 3 to {MOST_CORNERS} corners, two numbers each")));
    }
    let mut pixels = vec![0; width as usize * height as usize];
    let edges: Vec<([f64; 2], [f64; 2])> = corners.iter().copied().zip(corners.iter().copied().cycle().skip(1)).collect();
    for (y, row) in pixels.chunks_exact_mut(width as usize).enumerate() {
        let middle = y as f64 + 0.5;
        let crossing =
            |([x1, y1], [x2, y2]): &([f64; 2], [f64; 2])| ((*y1 <= middle) != (*y2 <= middle)).then(|| x1 + (middle - y1) / (y2 - y1) * (x2 - x1));
        let mut crossings: Vec<f64> = edges.iter().filter_map(crossing).collect();
        crossings.sort_by(f64::total_cmp);
        for span in crossings.as_chunks::<2>().0 {
            let [start, end] = span.map(|x| (x - 0.5).ceil().clamp(0.0, f64::from(width)) as usize);
            row[start..end].fill(1);
        }
    }
    Mask::from_pixels(width, height, &pixels)
}

/// What the labeler says of a region.
///
/// # Errors
/// A shape that is none; an image that cannot be read; a labeler that is not trained.
pub fn predict(models: &Consultation, id: &str, shape: &Shape) -> Result<Value, Refusal> {
    let begun = Instant::now();
    let image = image_of(models, id)?;
    let mask = shape.mask(image.width(), image.height()).map_err(|error| Refusal::bad(error.to_string()))?;
    let opinion = models.opinion(id, &image, std::slice::from_ref(&mask)).map_err(|error| Refusal::failed(&error))?;
    let top = opinion.regions.first().map_or(&[][..], |scores| &scores[..scores.len().min(TOP)]);
    Ok(json!({ "mask": MaskCounts::from(&mask), "top": pairs(top), "ms": begun.elapsed().as_millis() as u64 }))
}

/// The regions at a point of an image, with what the labeler says of them.
///
/// # Errors
/// As [`predict`]; a point beyond the image.
pub fn propose(models: &Consultation, id: &str, x: f64, y: f64) -> Result<Value, Refusal> {
    let begun = Instant::now();
    let image = image_of(models, id)?;
    let (width, height) = (image.width(), image.height());
    if !(0.0..f64::from(width)).contains(&x) || !(0.0..f64::from(height)).contains(&y) {
        return Err(Refusal::bad(format!("the point {x}, {y} is not in the image, which has {width}x{height} pixels")));
    }
    let found = models.at_point(id, &image, x as u32, y as u32).map_err(|error| Refusal::failed(&error))?;
    let masks: Vec<Mask> = found.iter().map(|(_, proposal)| proposal.mask.clone()).collect();
    let opinion = models.opinion(id, &image, &masks).map_err(|error| Refusal::failed(&error))?;
    let offered = found.iter().zip(&opinion.regions).map(|((source, proposal), scores)| {
        json!({
            "mask": MaskCounts::from(&proposal.mask),
            "source": source,
            "score": proposal.score,
            "top": pairs(&scores[..scores.len().min(5)]),
        })
    });
    Ok(json!({ "masks": offered.collect::<Vec<_>>(), "ms": begun.elapsed().as_millis() as u64 }))
}

fn image_of(models: &Consultation, id: &str) -> Result<Image<'static>, Refusal> {
    models.image(id).map_err(|error| Refusal::failed(&PluginError(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(json: serde_json::Value) -> Shape {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_polygon_has_the_pixels_whose_middles_lie_in_it() {
        // The triangle (0,0) (4,0) (0,4): pixel (x, y) when x + y + 1 < 4, by hand.
        let mask = shape(json!({ "polygon": [[0, 0], [4, 0], [0, 4]] })).mask(5, 4).unwrap();
        #[rustfmt::skip]
        let expected = [
            1, 1, 1, 0, 0,
            1, 1, 0, 0, 0,
            1, 0, 0, 0, 0,
            0, 0, 0, 0, 0,
        ];
        assert_eq!(mask.to_pixels(), expected);
        // Beyond the image it is cut off, and a hole stays one.
        let star = shape(json!({ "polygon": [[-10, -10], [20, -10], [20, 20], [-10, 20], [-10, -10], [1, 1], [1, 3], [3, 3], [3, 1], [1, 1]] }));
        assert_eq!(star.mask(5, 4).unwrap().area(), 20 - 4);
    }

    #[test]
    fn boxes_are_cut_off_and_what_is_no_region_is_refused() {
        assert_eq!(
            shape(json!({ "box": [-3.2, 1.4, 5.0, 100.0] })).mask(10, 6).unwrap(),
            Mask::from_box(10, 6, BoundingBox { x: 0, y: 1, width: 2, height: 5 }).unwrap()
        );
        let refused = |json, expected: &str| {
            let error = shape(json).mask(10, 6).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused(json!({ "box": [20, 20, 5, 5] }), "no pixel of the image, which has 10x6");
        refused(json!({ "box": [0, 0, 5, 5], "polygon": [[0, 0], [1, 0], [1, 1]] }), "give one of them");
        refused(json!({}), "give one of them");
        refused(json!({ "polygon": [[0, 0], [1, 0]] }), "3 to 10000 corners");
        refused(json!({ "mask": { "size": [5, 5], "counts": "0" } }), "5x5 pixels, the image 10x6");
    }
}

//! Polygons to masks as COCO's own API draws them (`rleFrPoly`): the outline is walked at five times the resolution, and a pixel belongs to the
//! polygon when its centre lies inside, whatever the order of the corners.

use super::Mask;
use crate::{Error, Result};

/// Steps of the outline along a pixel's side.
const SCALE: f64 = 5.0;

impl Mask {
    /// The mask of one polygon, x and y in turn, as pycocotools draws it; annotations of several take their union.
    ///
    /// # Errors
    /// Fewer than three corners, half a corner, a number that is not finite or far outside of any image, a zero side of the image.
    pub fn from_polygon(width: u32, height: u32, polygon: &[f64]) -> Result<Self> {
        let possible = |number: &f64| number.abs() < f64::from(u16::MAX) * 4.0;
        if polygon.len() < 6 || polygon.len() % 2 == 1 || !polygon.iter().all(possible) {
            return Err(Error::invalid(format!("a polygon of {} numbers is none: x and y of at least three corners are needed", polygon.len())));
        }
        let corners: Vec<(i64, i64)> = polygon.chunks(2).map(|corner| ((SCALE * corner[0] + 0.5) as i64, (SCALE * corner[1] + 0.5) as i64)).collect();
        let mut outline = Vec::new();
        for (at, corner) in corners.iter().enumerate() {
            walk(*corner, corners[(at + 1) % corners.len()], &mut outline);
        }
        Self::from_runs(width, height, &runs(&outline, width, height))
    }
}

/// The points of an edge, both ends among them, one a column of a flat edge, one a row of a steep one.
fn walk(from: (i64, i64), to: (i64, i64), points: &mut Vec<(i64, i64)>) {
    let (across, down) = ((to.0 - from.0).abs(), (to.1 - from.1).abs());
    let flat = across >= down;
    let backwards = if flat { from.0 > to.0 } else { from.1 > to.1 };
    let (start, end) = if backwards { (to, from) } else { (from, to) };
    let length = if flat { across } else { down };
    if length == 0 {
        points.push(start);
        return;
    }
    let slope = if flat { (end.1 - start.1) as f64 / length as f64 } else { (end.0 - start.0) as f64 / length as f64 };
    for step in 0..=length {
        let along = if backwards { length - step } else { step };
        let aside = |from: i64| (from as f64 + slope * along as f64 + 0.5) as i64;
        points.push(if flat { (start.0 + along, aside(start.1)) } else { (aside(start.0), start.1 + along) });
    }
}

/// The run lengths between the places where the outline crosses the middle of a column of pixels.
fn runs(outline: &[(i64, i64)], width: u32, height: u32) -> Vec<u32> {
    let mut crossings: Vec<u32> = outline
        .windows(2)
        .filter(|pair| pair[0].0 != pair[1].0)
        .filter_map(|pair| {
            let (before, after) = (pair[0], pair[1]);
            let column = (if after.0 < before.0 { after.0 } else { after.0 - 1 } as f64 + 0.5) / SCALE - 0.5;
            let row = (before.1.min(after.1) as f64 + 0.5) / SCALE - 0.5;
            let within = column.floor() == column && column >= 0.0 && column <= f64::from(width) - 1.0;
            within.then(|| column as u32 * height + row.clamp(0.0, f64::from(height)).ceil() as u32)
        })
        .collect();
    crossings.push(width * height);
    crossings.sort_unstable();
    let mut last = 0;
    crossings.into_iter().map(|at| at - std::mem::replace(&mut last, at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_those_of_pycocotools() {
        // (polygon, width, height, counts) of pycocotools.mask.frPyObjects, made with tests/data/make_polygons.py
        let stored: Vec<(Vec<f64>, u32, u32, String)> = serde_json::from_str(include_str!("../../tests/data/polygons.json")).unwrap();
        assert!(stored.len() > 100);
        for (polygon, width, height, counts) in stored {
            let mask = Mask::from_polygon(width, height, &polygon).unwrap();
            assert_eq!(mask, Mask::from_counts(width, height, &counts).unwrap(), "{polygon:?} {width}x{height}");
        }
    }

    #[test]
    fn what_is_no_polygon_is_refused() {
        for bad in [&[][..], &[1.0, 1.0, 2.0, 2.0], &[1.0; 7], &[f64::NAN; 6], &[1e300; 6]] {
            assert!(Mask::from_polygon(5, 5, bad).is_err(), "{bad:?}");
        }
    }
}

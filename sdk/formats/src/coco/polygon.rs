//! Polygons to masks as COCO's own API draws them (`rleFrPoly`): the outline is walked at five times the resolution, and a pixel belongs to the
//! polygon when its centre lies inside, whatever the order of the corners.

use convert_sdk::{Error, Mask, Result};

/// Steps of the outline along a pixel's side.
const SCALE: i64 = 5;
/// Corners lie within so many pixels of the origin.
const FARTHEST: f64 = 262_140.0;
/// Most corners of an object's polygons.
const MAX_CORNERS: usize = 1 << 20;
/// Most places where the edges of an object's polygons may cross columns of pixels: its mask has at most as many runs.
const MAX_CROSSINGS: u64 = 1 << 24;

/// What any of an object's polygons covers, x and y of the corners in turn, as pycocotools draws them; nothing where there are none. An edge costs at most as much as the
/// image has columns, whatever lies outside.
///
/// # Errors
/// Fewer than three corners, half a corner, a number that is not finite or far outside of any image, a zero side of the image, more than 1,048,576 corners,
/// edges that cross more than 16,777,216 columns of pixels.
pub fn fill(width: u32, height: u32, polygons: &[impl AsRef<[f64]>]) -> Result<Mask> {
    let nothing = Mask::empty(width, height)?;
    let corners: usize = polygons.iter().map(|polygon| polygon.as_ref().len() / 2).sum();
    if corners > MAX_CORNERS {
        return Err(Error::invalid(format!("polygons of {corners} corners are more than the limit of {MAX_CORNERS}")));
    }
    let mut crossings = 0;
    let mut parts = Vec::with_capacity(polygons.len());
    for polygon in polygons {
        let edges = edges(polygon.as_ref())?;
        crossings += edges.iter().map(|edge| edge.columns(width).count() as u64).sum::<u64>();
        if crossings > MAX_CROSSINGS {
            return Err(Error::invalid(format!("the edges of the polygons cross more than the limit of {MAX_CROSSINGS} columns of pixels")));
        }
        parts.push(Mask::from_runs(width, height, &runs(&edges, width, height))?);
    }
    // Neighbours are merged in pairs, so that a run is looked at but a few times however many polygons there are.
    while parts.len() > 1 {
        let pair = |pair: &[Mask]| pair.get(1).map_or_else(|| Ok(pair[0].clone()), |other| pair[0].union(other));
        parts = parts.chunks(2).map(pair).collect::<Result<_>>()?;
    }
    Ok(parts.pop().unwrap_or(nothing))
}

/// The edges of a polygon, in steps of the outline.
fn edges(polygon: &[f64]) -> Result<Vec<Edge>> {
    let possible = |number: &f64| number.abs() < FARTHEST;
    if polygon.len() < 6 || polygon.len() % 2 == 1 || !polygon.iter().all(possible) {
        return Err(Error::invalid(format!("a polygon of {} numbers is none: x and y of at least three corners are needed", polygon.len())));
    }
    let step = |number: f64| (SCALE as f64 * number + 0.5) as i64;
    let corners: Vec<(i64, i64)> = polygon.chunks(2).map(|corner| (step(corner[0]), step(corner[1]))).collect();
    Ok(corners.iter().enumerate().map(|(at, corner)| Edge::new(*corner, corners[(at + 1) % corners.len()])).collect())
}

/// An edge, walked one step a point along its longer side, upwards in that direction.
struct Edge {
    start: (i64, i64),
    end: (i64, i64),
    flat: bool,
    /// How much the shorter side moves a point; 0 of an edge without length.
    slope: f64,
}

impl Edge {
    fn new(from: (i64, i64), to: (i64, i64)) -> Self {
        let (across, down) = ((to.0 - from.0).abs(), (to.1 - from.1).abs());
        let flat = across >= down;
        let backwards = if flat { from.0 > to.0 } else { from.1 > to.1 };
        let (start, end) = if backwards { (to, from) } else { (from, to) };
        let (length, rise) = if flat { (across, end.1 - start.1) } else { (down, end.0 - start.0) };
        Self { start, end, flat, slope: if length == 0 { 0.0 } else { rise as f64 / length as f64 } }
    }

    /// The columns of pixels whose middle it crosses: from the step 5c + 2 to 5c + 3, or back.
    fn columns(&self, width: u32) -> std::ops::Range<i64> {
        let (left, right) = (self.start.0.min(self.end.0), self.start.0.max(self.end.0));
        let first = (left - 2 + SCALE - 1).div_euclid(SCALE).max(0);
        let last = (right - 3).div_euclid(SCALE).min(i64::from(width) - 1);
        first..(last + 1).max(first)
    }

    /// The place on the shorter side of a point.
    fn aside(&self, from: i64, along: i64) -> i64 {
        (from as f64 + self.slope * along as f64 + 0.5) as i64
    }

    /// The upper of the two steps between which it crosses the middle of a column.
    fn crossing(&self, column: i64) -> i64 {
        let before = SCALE * column + 2;
        if self.flat {
            let along = before - self.start.0;
            return self.aside(self.start.1, along).min(self.aside(self.start.1, along + 1));
        }
        // The first point beyond the middle: points go one way.
        let (mut low, mut high) = (0, self.end.1 - self.start.1);
        while low + 1 < high {
            let along = low.midpoint(high);
            let x = self.aside(self.start.0, along);
            let beyond = if self.slope > 0.0 { x > before } else { x <= before };
            if beyond { high = along } else { low = along }
        }
        self.start.1 + high - 1
    }
}

/// The run lengths between the places where the edges cross the middle of a column of pixels.
fn runs(edges: &[Edge], width: u32, height: u32) -> Vec<u32> {
    let place = |edge: &Edge, column: i64| {
        let row = (edge.crossing(column) as f64 + 0.5) / SCALE as f64 - 0.5;
        column as u32 * height + row.clamp(0.0, f64::from(height)).ceil() as u32
    };
    let mut crossings: Vec<u32> = edges.iter().flat_map(|edge| edge.columns(width).map(move |column| place(edge, column))).collect();
    crossings.push(width * height);
    crossings.sort_unstable();
    let mut last = 0;
    crossings.into_iter().map(|at| at - std::mem::replace(&mut last, at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(width: u32, height: u32, polygon: &[f64]) -> Result<Mask> {
        fill(width, height, &[polygon])
    }

    #[test]
    fn masks_are_those_of_pycocotools() {
        // (polygon, width, height, counts) of pycocotools.mask.frPyObjects, made with tests/data/make_polygons.py
        let stored: Vec<(Vec<f64>, u32, u32, String)> = serde_json::from_str(include_str!("../../tests/data/polygons.json")).unwrap();
        assert!(stored.len() > 100);
        for (polygon, width, height, counts) in stored {
            let mask = filled(width, height, &polygon).unwrap();
            assert_eq!(mask, Mask::from_counts(width, height, &counts).unwrap(), "{polygon:?} {width}x{height}");
        }
    }

    #[test]
    fn what_is_no_polygon_is_refused() {
        for bad in [&[][..], &[1.0, 1.0, 2.0, 2.0], &[1.0; 7], &[f64::NAN; 6], &[1e300; 6]] {
            assert!(filled(5, 5, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_object_costs_what_its_image_is_wide_and_no_more_than_the_limits() {
        // far outside on all sides: the image is covered, whatever the polygon's own size
        let around = [-262_000.0, -262_000.0, 262_000.0, -262_000.0, 262_000.0, 262_000.0, -262_000.0, 262_000.0];
        assert_eq!(filled(50, 40, &around).unwrap(), Mask::full(50, 40).unwrap());
        let zigzag: Vec<f64> = (0..300).flat_map(|at| [if at % 2 == 0 { 0.0 } else { 262_000.0 }, 0.5]).collect();
        let error = filled(262_000, 1, &zigzag).unwrap_err().to_string();
        assert!(error.contains("cross more than the limit of 16777216 columns"), "{error}");
        let error = filled(5, 5, &vec![1.0; 2 * MAX_CORNERS + 2]).unwrap_err().to_string();
        assert!(error.contains("1048577 corners"), "{error}");
    }

    #[test]
    fn many_polygons_are_one_mask() {
        let square = |x: f64| vec![x, 0.0, x + 1.0, 0.0, x + 1.0, 2.0, x, 2.0];
        let mask = fill(7, 2, &[square(0.0), square(2.0), square(3.0), square(6.0), square(6.0)]).unwrap();
        assert_eq!(mask.to_pixels(), [1, 0, 1, 1, 0, 0, 1].repeat(2));
        assert!(fill(7, 2, &[[0.0; 6]; 0]).unwrap().is_empty());
    }
}

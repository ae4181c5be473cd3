//! A mask as an SVG path: crisp at any size, and a few hundred bytes.

use convert_formats::outline::{outlines, svg_path};
use convert_sdk::{Mask, Result};

/// Longest side in pixels at which a mask is traced.
const TRACE_SIZE: u32 = 256;

/// How far, in half pixels of the traced size, a simplified outline may leave the middles of the pixels' edges: the stairs of a slanted line
/// are up to one half pixel away from it.
const TOLERANCE: f64 = 1.4;

/// A path with its own coordinate system.
pub struct Outline {
    /// Width of the coordinate system.
    pub width: u32,
    /// Height of the coordinate system.
    pub height: u32,
    /// The `d` attribute, for `fill-rule="evenodd"`; empty where the mask vanishes at this size.
    pub path: String,
}

/// The size at which a mask of an image is traced.
fn traced_size(width: u32, height: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= TRACE_SIZE {
        return (width, height);
    }
    let scale = |side: u32| (u64::from(side) * u64::from(TRACE_SIZE) / u64::from(longest)).max(1) as u32;
    (scale(width), scale(height))
}

/// The outline of a mask, in half pixels of the traced size.
pub fn outline(mask: &Mask) -> Result<Outline> {
    let (width, height) = traced_size(mask.width(), mask.height());
    let path = svg_path(&outlines(&mask.resize_nearest(width, height)?, TOLERANCE));
    Ok(Outline { width: 2 * width, height: 2 * height, path })
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::BoundingBox;

    #[test]
    fn a_box_keeps_its_sides_to_half_a_pixel() {
        let boxed = outline(&Mask::from_box(60, 40, BoundingBox { x: 10, y: 5, width: 30, height: 20 }).unwrap()).unwrap();
        assert_eq!((boxed.width, boxed.height), (120, 80));
        assert_eq!(boxed.path, "M21 10l58 0l1 39l-59 1z");
    }

    #[test]
    fn a_disc_stays_small() {
        let pixels: Vec<u8> = (0..800 * 800).map(|at| u8::from((at % 800 - 400i32).pow(2) + (at / 800 - 400i32).pow(2) < 300 * 300)).collect();
        let disc = Mask::from_pixels(800, 800, &pixels).unwrap();
        let bytes = outline(&disc).unwrap().path.len();
        assert!(bytes < 800, "{bytes} bytes");
    }
}

//! Crops, mirrors and warps of square pixel grids with any number of channels.

use convert_sdk::BoundingBox;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// torchvision's RandomResizedCrop: area and aspect of the crop, drawn up to ten times.
const AREA: (f64, f64) = (0.08, 1.0);
const ASPECT: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
const TRIES: usize = 10;

/// A random crop of an image of `width` x `height` pixels; the whole middle part of a fitting aspect when ten tries do not fit.
pub fn random_crop(width: u32, height: u32, random: &mut ChaCha8Rng) -> BoundingBox {
    let area = f64::from(width) * f64::from(height);
    for _ in 0..TRIES {
        let target = area * random.random_range(AREA.0..AREA.1);
        let aspect = random.random_range(ASPECT.0.ln()..ASPECT.1.ln()).exp();
        let (w, h) = ((target * aspect).sqrt().round() as u32, (target / aspect).sqrt().round() as u32);
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            return BoundingBox { x: random.random_range(0..=width - w), y: random.random_range(0..=height - h), width: w, height: h };
        }
    }
    let ratio = f64::from(width) / f64::from(height);
    let w = if ratio > ASPECT.1 { (f64::from(height) * ASPECT.1).round() as u32 } else { width }.clamp(1, width);
    let h = if ratio < ASPECT.0 { (f64::from(width) / ASPECT.0).round() as u32 } else { height }.clamp(1, height);
    BoundingBox { x: (width - w) / 2, y: (height - h) / 2, width: w, height: h }
}

/// The crop of a one-channel grid with rows of `stride`, at `size` x `size` by the nearest pixel.
pub fn nearest(crop: &BoundingBox, pixels: &[u8], stride: u32, size: u32) -> Vec<u8> {
    let source = |at: u32, start: u32, length: u32| start + ((f64::from(at) + 0.5) * f64::from(length) / f64::from(size)) as u32;
    let row = |y: u32| source(y, crop.y, crop.height) as usize * stride as usize;
    (0..size).flat_map(|y| (0..size).map(move |x| pixels[row(y) + source(x, crop.x, crop.width) as usize])).collect()
}

/// Swaps left and right in place.
pub fn mirror(pixels: &mut [u8], size: u32, channels: usize) {
    for row in pixels.chunks_exact_mut(size as usize * channels) {
        for x in 0..size as usize / 2 {
            let other = (size as usize - 1 - x) * channels;
            (0..channels).for_each(|channel| row.swap(x * channels + channel, other + channel));
        }
    }
}

/// A warp of a square grid: what comes from outside is 0, pixels are taken from the nearest (torchvision's default).
#[derive(Clone, Copy, Debug)]
pub enum Warp {
    /// Columns a row.
    ShearX(f64),
    /// Rows a column.
    ShearY(f64),
    /// Pixels.
    TranslateX(f64),
    /// Pixels.
    TranslateY(f64),
    /// Degrees, around the middle.
    Rotate(f64),
}

impl Warp {
    /// The warped grid.
    pub fn apply(self, pixels: &[u8], size: u32, channels: usize) -> Vec<u8> {
        let middle = f64::from(size) / 2.0;
        let (sine, cosine) = if let Self::Rotate(degrees) = self { degrees.to_radians().sin_cos() } else { (0.0, 1.0) };
        let source = |x: f64, y: f64| match self {
            Self::ShearX(shear) => (x - shear * y, y),
            Self::ShearY(shear) => (x, y - shear * x),
            Self::TranslateX(shift) => (x - shift, y),
            Self::TranslateY(shift) => (x, y - shift),
            Self::Rotate(_) => {
                let (dx, dy) = (x - middle, y - middle);
                (cosine * dx + sine * dy + middle, cosine * dy - sine * dx + middle)
            }
        };
        let mut warped = vec![0; pixels.len()];
        for y in 0..size {
            for x in 0..size {
                let (from_x, from_y) = source(f64::from(x) + 0.5, f64::from(y) + 0.5);
                let (column, row) = (from_x.floor(), from_y.floor());
                let inside = |at: f64| (0.0..f64::from(size)).contains(&at);
                if inside(column) && inside(row) {
                    let (to, from) = ((y * size + x) as usize * channels, (row as usize * size as usize + column as usize) * channels);
                    warped[to..to + channels].copy_from_slice(&pixels[from..from + channels]);
                }
            }
        }
        warped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warps_move_pixels_where_they_say() {
        let grid: Vec<u8> = (1..=9).collect();
        assert_eq!(Warp::TranslateX(1.0).apply(&grid, 3, 1), [0, 1, 2, 0, 4, 5, 0, 7, 8]);
        assert_eq!(Warp::TranslateY(-1.0).apply(&grid, 3, 1), [4, 5, 6, 7, 8, 9, 0, 0, 0]);
        assert_eq!(Warp::Rotate(90.0).apply(&grid, 3, 1), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        let mut pairs: Vec<u8> = (0..8).collect();
        mirror(&mut pairs, 2, 2);
        assert_eq!(pairs, [2, 3, 0, 1, 6, 7, 4, 5]);
    }

    #[test]
    fn crops_lie_inside_whatever_the_aspect() {
        for (width, height) in [(500, 375), (1, 1), (2000, 20), (20, 2000)] {
            for index in 0..50 {
                let crop = random_crop(width, height, &mut crate::randomness::stream(0, crate::randomness::Purpose::View, index));
                assert!(crop.width > 0 && crop.height > 0 && crop.x + crop.width <= width && crop.y + crop.height <= height, "{crop:?}");
            }
        }
        let crop = BoundingBox { x: 1, y: 0, width: 2, height: 2 };
        assert_eq!(nearest(&crop, &[1, 2, 3, 4, 5, 6], 3, 2), [2, 3, 5, 6]);
    }
}

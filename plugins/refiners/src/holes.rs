//! Filling the holes of a mask.

use convert_sdk::{Mask, Result};
use opencv::core::{BORDER_CONSTANT, CV_32S, Mat, MatTraitConst, MatTraitConstManual, Scalar, copy_make_border};
use opencv::imgproc::connected_components;

use crate::keep_opencv_on_one_thread;

/// The mask with its holes filled, as `scipy.ndimage.binary_fill_holes` does it: background from which no path of 4-connected background
/// leads to the border becomes foreground.
///
/// # Errors
/// What OpenCV reports.
pub fn fill_holes(mask: &Mask) -> Result<Mask> {
    keep_opencv_on_one_thread()?;
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let background: Vec<u8> = mask.to_pixels().iter().map(|pixel| 1 - pixel).collect();
    let image = Mat::new_rows_cols_with_data(mask.height() as i32, mask.width() as i32, &background)?;
    // A frame of background joins all background that touches the border: one component, and the first one met in scan order.
    let mut framed = Mat::default();
    copy_make_border(&image, &mut framed, 1, 1, 1, 1, BORDER_CONSTANT, Scalar::all(1.0))?;
    let mut components = Mat::default();
    connected_components(&framed, &mut components, 4, CV_32S)?;
    let outside = *components.at_2d::<i32>(0, 0)?;
    let labels = components.data_typed::<i32>()?;
    let filled: Vec<u8> =
        (0..height).flat_map(|y| labels[(y + 1) * (width + 2) + 1..][..width].iter()).map(|label| u8::from(*label != outside)).collect();
    Mask::from_pixels(mask.width(), mask.height(), &filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let pixels: Vec<u8> = rows.iter().flat_map(|row| row.bytes().map(|byte| u8::from(byte == b'#'))).collect();
        Mask::from_pixels(rows[0].len() as u32, rows.len() as u32, &pixels).unwrap()
    }

    #[test]
    fn holes_are_4_connected_background_without_a_way_to_the_border() {
        // scipy.ndimage.binary_fill_holes of the same mask
        let before = mask(&["..........", ".####..##.", ".#..#.#..#", ".#..#..##.", ".####.....", "....#.###.", "####..#.#.", "#..#..##.."]);
        let after = mask(&["..........", ".####..##.", ".####.####", ".####..##.", ".####.....", "....#.###.", "####..###.", "#..#..##.."]);
        assert_eq!(fill_holes(&before).unwrap(), after);
    }

    #[test]
    fn full_empty_and_smallest_masks_stay_as_they_are() {
        for mask in [Mask::full(5, 3).unwrap(), Mask::empty(5, 3).unwrap(), Mask::full(1, 1).unwrap(), Mask::empty(1, 1).unwrap()] {
            assert_eq!(fill_holes(&mask).unwrap(), mask);
        }
    }
}

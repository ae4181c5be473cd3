//! What segmentation and grouping see of an image: smoothed colours, and each pixel's places in the histograms.

use convert_sdk::{Image, Result};
use opencv::core::{CV_32F, CV_32FC3, Mat, MatTraitConst, MatTraitConstManual, Size};
use opencv::imgproc::{COLOR_RGB2HSV, COLOR_RGB2Lab, cvt_color_def, gaussian_blur_def, scharr_def};

use crate::config::ColourSpace;

/// Bins of each channel's colours (section 3.2 of the paper).
pub const COLOUR_BINS: usize = 25;
/// Directions of the derivatives, and bins of each (section 3.2).
pub const DIRECTIONS: usize = 8;
/// Bins of each direction and channel.
pub const DERIVATIVE_BINS: usize = 10;
/// Standard deviation of the Gaussian behind the derivatives (section 3.2).
const DERIVATIVE_SIGMA: f64 = 1.0;
/// What makes the sums of Scharr's kernel grey levels a pixel: the sum of its positive weights, 16, times the two pixels that it reaches across.
const SCHARR_WEIGHT: f32 = 32.0;

/// An image in a colour space.
#[derive(Debug)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Smoothed colours in the unit of bytes, for the graph.
    pub smooth: Vec<[f32; 3]>,
    /// Each pixel's bin in the histogram of each channel's colours.
    pub colours: Vec<[u8; 3]>,
    /// Each pixel's bin in the histogram of each channel's derivative in each direction.
    pub derivatives: Vec<[[u8; DIRECTIONS]; 3]>,
}

impl Picture {
    /// An image in a colour space, smoothed by a Gaussian of a standard deviation for the graph.
    ///
    /// # Errors
    /// What OpenCV reports.
    pub fn new(image: &Image<'_>, space: ColourSpace, sigma: f64) -> Result<Self> {
        // The host is at as many images at once as there are threads. Said before every use: OpenCV crashes when it is said while threads of its own are at work.
        opencv::core::set_num_threads(0)?;
        let rgb = Mat::new_rows_cols_with_data(image.height() as i32, image.width() as i32 * 3, image.pixels())?;
        let rgb = rgb.reshape(3, image.height() as i32)?;
        let mut bytes = Mat::default();
        match space {
            ColourSpace::Hsv => cvt_color_def(&rgb, &mut bytes, COLOR_RGB2HSV)?,
            ColourSpace::Lab => cvt_color_def(&rgb, &mut bytes, COLOR_RGB2Lab)?,
            ColourSpace::Rgb => rgb.copy_to(&mut bytes)?,
        }
        let mut floats = Mat::default();
        bytes.convert_to_def(&mut floats, CV_32FC3)?;
        let smooth = triples(&smoothed(&floats, sigma)?)?;
        let base = smoothed(&floats, DERIVATIVE_SIGMA)?;
        let along = |x, y| -> Result<Vec<[f32; 3]>> {
            let mut derivative = Mat::default();
            scharr_def(&base, &mut derivative, CV_32F, x, y)?;
            triples(&derivative)
        };
        Ok(Self {
            width: image.width() as usize,
            smooth,
            colours: bytes.data_bytes()?.as_chunks::<3>().0.iter().map(|pixel| pixel.map(colour_bin)).collect(),
            derivatives: derivative_bins(&along(1, 0)?, &along(0, 1)?),
        })
    }
}

/// An image after a Gaussian of a standard deviation; none where that is 0.
fn smoothed(image: &Mat, sigma: f64) -> Result<Mat> {
    if sigma == 0.0 {
        return Ok(image.clone());
    }
    let mut smooth = Mat::default();
    gaussian_blur_def(image, &mut smooth, Size::new(0, 0), sigma)?;
    Ok(smooth)
}

fn triples(image: &Mat) -> Result<Vec<[f32; 3]>> {
    Ok(image.reshape(1, image.rows())?.data_typed::<f32>()?.as_chunks::<3>().0.to_vec())
}

fn colour_bin(byte: u8) -> u8 {
    (usize::from(byte) * COLOUR_BINS / 256) as u8
}

fn derivative_bins(dx: &[[f32; 3]], dy: &[[f32; 3]]) -> Vec<[[u8; DIRECTIONS]; 3]> {
    let directions: [(f32, f32); DIRECTIONS] = std::array::from_fn(|at| {
        let angle = std::f32::consts::TAU * at as f32 / DIRECTIONS as f32;
        (angle.cos() / SCHARR_WEIGHT, angle.sin() / SCHARR_WEIGHT)
    });
    let bins = |dx: f32, dy: f32| directions.map(|(x, y)| derivative_bin(x * dx + y * dy));
    dx.iter().zip(dy).map(|(dx, dy)| std::array::from_fn(|channel| bins(dx[channel], dy[channel]))).collect()
}

/// The bin of a derivative in grey levels a pixel: 0 for hardly any, or one in the other direction; most of the others are narrow, since most derivatives are small.
fn derivative_bin(value: f32) -> u8 {
    const EDGES: [f32; DERIVATIVE_BINS - 1] = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0];
    EDGES.iter().filter(|edge| value >= **edge).count() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_has_its_slope_in_the_directions_that_see_it() {
        // Five grey levels a column.
        let pixels: Vec<u8> = (0..32 * 32).flat_map(|at: u32| [(at % 32 * 5) as u8; 3]).collect();
        let picture = Picture::new(&Image::new(32, 32, pixels).unwrap(), ColourSpace::Rgb, 0.8).unwrap();
        // 5 across, 5 / √2 = 3.5 on the diagonals, none backwards.
        assert_eq!(picture.derivatives[16 * 32 + 16], [[4, 3, 0, 0, 0, 0, 0, 3]; 3]);
        assert_eq!(picture.colours[16 * 32 + 16], [(16 * 5 * 25 / 256) as u8; 3]);
        let smooth = picture.smooth[16 * 32 + 16];
        assert!(smooth.iter().all(|value| (value - 80.0).abs() < 1e-3), "{smooth:?}");
    }

    #[test]
    fn colours_are_those_of_their_space() {
        let red = Image::new(4, 4, [255, 0, 0].repeat(16)).unwrap();
        let smooth = |space| Picture::new(&red, space, 0.0).unwrap().smooth[5];
        assert_eq!(smooth(ColourSpace::Rgb), [255.0, 0.0, 0.0]);
        assert_eq!(smooth(ColourSpace::Hsv), [0.0, 255.0, 255.0]);
        // L*a*b* of sRGB's red is (53.2, 80.1, 67.2); OpenCV stores L · 255 / 100 and a, b + 128.
        assert_eq!(smooth(ColourSpace::Lab), [136.0, 208.0, 195.0]);
    }
}

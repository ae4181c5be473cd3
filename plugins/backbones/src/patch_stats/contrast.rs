//! `k`: vectors made for normalised cuts, whose cosine is a Gaussian kernel of how differently two patches look.
//!
//! MaskCut compares patches by cosine and a threshold τ. Plain statistics are a bad match for that: their cosines are all near 1, and once the
//! image's mean is taken away the background's are noise. So each patch is first described by smoothed colour and gradient energy, and then
//! mapped by random Fourier features (Rahimi & Recht 2007), with which cos(f_i, f_j) ≈ exp(−‖x_i − x_j‖² / 2σ²); σ is relative to the image's own spread.

use super::pixels::Planes;
use crate::random::Normal;

/// L*, a*, b* and the gradient energy at two scales.
const CHANNELS: usize = 5;
const FREQUENCIES: usize = 128;
/// Radii of the blur, in pixels, before the gradient is taken.
const SCALES: [usize; 2] = [0, 3];
/// Weights of the channels: lightness counts less than colour, since shading changes it; gradients by the eye's measure on drawn and photographed textures.
const WEIGHTS: [f32; CHANNELS] = [0.6, 1.0, 1.0, 1.0, 2.0];
/// The kernel's width in units of the image's root mean square distance from its mean.
const WIDTH: f32 = 0.6;
/// The least kernel width, in L*a*b* units, so that noise of a flat image is not taken for structure.
const LEAST_WIDTH: f32 = 4.0;
/// Steps and radius (in patches) of the edge-preserving smoothing.
const SMOOTHING: (usize, usize) = (3, 2);

/// Numbers a patch.
pub const DIMENSION: usize = 2 * FREQUENCIES;

/// The vectors of all patches, row by row; their length is 1.
pub fn describe(planes: &Planes, patch: usize) -> Vec<f32> {
    let (rows, columns) = (planes.height / patch, planes.width / patch);
    let mut points = statistics(planes, patch, rows * columns);
    let width = (WIDTH * spread(&points)).max(LEAST_WIDTH);
    for _ in 0..SMOOTHING.0 {
        points = smoothed(&points, rows, columns, width);
    }
    fourier_features(&points, width)
}

/// The weighted channels of each patch.
fn statistics(planes: &Planes, patch: usize, patches: usize) -> Vec<[f32; CHANNELS]> {
    let mut points = vec![[0.0; CHANNELS]; patches];
    let gradients =
        SCALES.map(|radius| if radius == 0 { planes.gradient(&planes.lab[0]) } else { planes.gradient(&planes.blurred(&planes.lab[0], radius)) });
    planes.for_each_pixel(patch, |at, pixel| {
        for (channel, plane) in planes.lab.iter().enumerate() {
            points[at][channel] += plane[pixel];
        }
        for (scale, gradient) in gradients.iter().enumerate() {
            points[at][3 + scale] += gradient.across[pixel].hypot(gradient.down[pixel]);
        }
    });
    let share = 1.0 / (patch * patch) as f32;
    for point in &mut points {
        for (value, weight) in point.iter_mut().zip(WEIGHTS) {
            *value *= share * weight;
        }
    }
    points
}

/// The root mean square distance from the mean.
fn spread(points: &[[f32; CHANNELS]]) -> f32 {
    let count = points.len() as f64;
    let variance: f64 = (0..CHANNELS)
        .map(|channel| {
            let mean = points.iter().map(|point| f64::from(point[channel])).sum::<f64>() / count;
            points.iter().map(|point| (f64::from(point[channel]) - mean).powi(2)).sum::<f64>() / count
        })
        .sum();
    variance.sqrt() as f32
}

/// One step of mean-shift filtering: each patch becomes the mean of the neighbours that look like it.
fn smoothed(points: &[[f32; CHANNELS]], rows: usize, columns: usize, width: f32) -> Vec<[f32; CHANNELS]> {
    let radius = SMOOTHING.1;
    let mut result = Vec::with_capacity(points.len());
    for row in 0..rows {
        for column in 0..columns {
            let centre = points[row * columns + column];
            let (mut sum, mut total) = ([0.0; CHANNELS], 0.0);
            for y in row.saturating_sub(radius)..=(row + radius).min(rows - 1) {
                for x in column.saturating_sub(radius)..=(column + radius).min(columns - 1) {
                    let point = points[y * columns + x];
                    let weight = (-distance_squared(&centre, &point) / (2.0 * width * width)).exp();
                    total += weight;
                    for (sum, value) in sum.iter_mut().zip(point) {
                        *sum += weight * value;
                    }
                }
            }
            result.push(sum.map(|value| value / total)); // the centre's own weight is 1
        }
    }
    result
}

fn distance_squared(a: &[f32; CHANNELS], b: &[f32; CHANNELS]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Cosines and sines of fixed random projections, the same in every run.
fn fourier_features(points: &[[f32; CHANNELS]], width: f32) -> Vec<f32> {
    let mut normal = Normal::new(0x70a7_c457);
    let frequencies: Vec<[f32; CHANNELS]> = (0..FREQUENCIES).map(|_| std::array::from_fn(|_| normal.next() / width)).collect();
    let scale = (1.0 / FREQUENCIES as f32).sqrt();
    let mut values = Vec::with_capacity(points.len() * DIMENSION);
    for point in points {
        for frequency in &frequencies {
            let phase: f32 = frequency.iter().zip(point).map(|(frequency, value)| frequency * value).sum();
            values.extend([scale * phase.cos(), scale * phase.sin()]);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_is_near_the_gaussian_kernel() {
        let width = 10.0;
        let points = [[0.0; CHANNELS], [6.0, 0.0, 0.0, 8.0, 0.0], [60.0, 0.0, 0.0, 0.0, 0.0]];
        let values = fourier_features(&points, width);
        let cosine = |i: usize, j: usize| -> f32 { (0..DIMENSION).map(|at| values[i * DIMENSION + at] * values[j * DIMENSION + at]).sum() };
        assert!((cosine(0, 0) - 1.0).abs() < 1e-4);
        assert!((cosine(0, 1) - (-0.5f32).exp()).abs() < 0.12, "{}", cosine(0, 1));
        assert!(cosine(0, 2).abs() < 0.2, "{}", cosine(0, 2));
    }
}

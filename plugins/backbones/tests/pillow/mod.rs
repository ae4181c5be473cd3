//! Pillow's `resize(…, LANCZOS)` to the bit (`Resample.c`): with it a test of the transformer does not depend on how the sdk resizes.

use convert_sdk::Image;

/// Fraction bits of Pillow's fixed-point weights.
const PRECISION: i32 = 32 - 8 - 2;
const SUPPORT: f64 = 3.0;

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
    if (-SUPPORT..SUPPORT).contains(&x) { sinc(x) * sinc(x / SUPPORT) } else { 0.0 }
}

/// For each output position, the first input position and the weights from there on.
fn weights(from: usize, to: usize) -> Vec<(usize, Vec<i32>)> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let one = |at: usize| {
        let centre = (at as f64 + 0.5) * scale;
        let first = ((centre - SUPPORT * stretch + 0.5) as i64).max(0) as usize;
        let last = ((centre + SUPPORT * stretch + 0.5) as usize).min(from);
        let raw: Vec<f64> = (first..last).map(|x| lanczos((x as f64 - centre + 0.5) * (1.0 / stretch))).collect();
        let sum: f64 = raw.iter().sum();
        let fixed = raw.iter().map(|weight| {
            let scaled = weight / sum * f64::from(1 << PRECISION);
            (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
        });
        (first, fixed.collect())
    };
    (0..to).map(one).collect()
}

fn rounded(values: impl Iterator<Item = (i32, u8)>) -> u8 {
    let sum: i32 = values.map(|(weight, value)| weight * i32::from(value)).sum();
    ((sum + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8
}

/// The image at S×S pixels: across first, then down, rounded to 8 bits after each.
pub fn resize(image: &Image<'_>, size: usize) -> Image<'static> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let pixels = image.pixels();
    let mut across = Vec::with_capacity(size * height * 3);
    let (columns, rows) = (weights(width, size), weights(height, size));
    for y in 0..height {
        for (first, weights) in &columns {
            let value = |channel| rounded(weights.iter().enumerate().map(|(at, weight)| (*weight, pixels[(y * width + first + at) * 3 + channel])));
            across.extend((0..3).map(value));
        }
    }
    let mut result = Vec::with_capacity(size * size * 3);
    for (first, weights) in &rows {
        for at in 0..size * 3 {
            result.push(rounded(weights.iter().enumerate().map(|(y, weight)| (*weight, across[(first + y) * size * 3 + at]))));
        }
    }
    Image::new(size as u32, size as u32, result).unwrap()
}

//! The numbers of every pixel that patches are described with.

use convert_sdk::Image;

/// CIE L*a*b* and gradients of an image, one plane a quantity, row by row.
pub struct Planes {
    pub width: usize,
    pub height: usize,
    /// L* in [0, 100], a* and b* about [-100, 100].
    pub lab: [Vec<f32>; 3],
}

/// The horizontal and vertical derivative of a plane, by central differences with the border repeated.
pub struct Gradient {
    pub across: Vec<f32>,
    pub down: Vec<f32>,
}

impl Planes {
    /// The planes of an sRGB image (D65).
    pub fn new(image: &Image<'_>) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let linear = linear_table();
        let mut lab = [const { Vec::new() }; 3];
        for plane in &mut lab {
            plane.reserve_exact(width * height);
        }
        for pixel in image.pixels().as_chunks::<3>().0 {
            let [r, g, b] = pixel.map(|channel| linear[channel as usize]);
            // IEC 61966-2-1's matrix, divided by the white point of D65
            let x = companded((0.412_456_4 * r + 0.357_576_1 * g + 0.180_437_5 * b) / 0.950_47);
            let y = companded(0.212_672_9 * r + 0.715_152_2 * g + 0.072_175 * b);
            let z = companded((0.019_333_9 * r + 0.119_192 * g + 0.950_304_1 * b) / 1.088_83);
            lab[0].push(116.0 * y - 16.0);
            lab[1].push(500.0 * (x - y));
            lab[2].push(200.0 * (y - z));
        }
        Self { width, height, lab }
    }

    /// The derivative of a plane of this size.
    pub fn gradient(&self, plane: &[f32]) -> Gradient {
        let (width, height) = (self.width, self.height);
        let mut across = vec![0.0; width * height];
        let mut down = vec![0.0; width * height];
        for y in 0..height {
            let (above, below) = (y.saturating_sub(1) * width, (y + 1).min(height - 1) * width);
            for x in 0..width {
                let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
                across[y * width + x] = 0.5 * (plane[y * width + right] - plane[y * width + left]);
                down[y * width + x] = 0.5 * (plane[below + x] - plane[above + x]);
            }
        }
        Gradient { across, down }
    }

    /// A plane of this size through a box filter of side `2 * radius + 1`, applied twice in each direction (nearly a Gaussian), the border repeated.
    pub fn blurred(&self, plane: &[f32], radius: usize) -> Vec<f32> {
        let mut result = plane.to_vec();
        for _ in 0..2 {
            let mut next = vec![0.0; result.len()];
            for y in 0..self.height {
                let row = y * self.width;
                box_filter(&result[row..row + self.width], radius, |x, value| next[row + x] = value);
            }
            let mut column = vec![0.0; self.height];
            for x in 0..self.width {
                for (y, value) in column.iter_mut().enumerate() {
                    *value = next[y * self.width + x];
                }
                box_filter(&column, radius, |y, value| result[y * self.width + x] = value);
            }
        }
        result
    }

    /// Calls `each` with the patch's number and the pixel's, for every pixel of every whole patch.
    pub fn for_each_pixel(&self, patch: usize, mut each: impl FnMut(usize, usize)) {
        let (rows, columns) = (self.height / patch, self.width / patch);
        for y in 0..rows * patch {
            for x in 0..columns * patch {
                each(y / patch * columns + x / patch, y * self.width + x);
            }
        }
    }
}

fn box_filter(line: &[f32], radius: usize, mut put: impl FnMut(usize, f32)) {
    let last = line.len() - 1;
    let share = 1.0 / (2 * radius + 1) as f32;
    for at in 0..line.len() {
        // summed afresh each time, so that no rounding error runs along the line
        let sum: f32 = (0..=2 * radius).map(|offset| line[(at + offset).saturating_sub(radius).min(last)]).sum();
        put(at, sum * share);
    }
}

fn linear_table() -> [f32; 256] {
    std::array::from_fn(|value| {
        let value = value as f32 / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    })
}

fn companded(value: f32) -> f32 {
    const LIMIT: f32 = 216.0 / 24_389.0;
    if value > LIMIT { value.cbrt() } else { (24_389.0 / 27.0 * value + 16.0) / 116.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_values_are_those_of_the_standard() {
        // white, black, sRGB red, as colorimetry tables have them
        let cases = [([255, 255, 255], [100.0, 0.0, 0.0]), ([0, 0, 0], [0.0, 0.0, 0.0]), ([255, 0, 0], [53.24, 80.09, 67.20])];
        for (pixel, expected) in cases {
            let planes = Planes::new(&Image::new(1, 1, pixel.to_vec()).unwrap());
            for (plane, expected) in planes.lab.iter().zip(expected) {
                assert!((plane[0] - expected).abs() < 0.05, "{pixel:?}: {} instead of {expected}", plane[0]);
            }
        }
    }

    #[test]
    fn a_ramp_has_a_constant_gradient_and_survives_the_blur_inside() {
        let planes = Planes { width: 12, height: 4, lab: [const { Vec::new() }; 3] };
        let ramp: Vec<f32> = (0..48).map(|at| (at % 12) as f32 * 3.0).collect();
        assert!((planes.gradient(&ramp).across[12 + 5] - 3.0).abs() < 1e-6);
        assert!((planes.gradient(&ramp).down[12 + 5]).abs() < 1e-6);
        assert!((planes.blurred(&ramp, 1)[12 + 5] - 15.0).abs() < 1e-5);
    }
}

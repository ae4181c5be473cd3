//! Mean-field inference.

use convert_sdk::{Error, Image, Mask, Result};

use super::lattice::{Lattice, Values};

/// The energies and how long to minimise them. SPEC 2 has the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrfParameters {
    /// The probability of the coarse mask's label at each pixel, in (0.5, 1).
    pub unary_probability: f64,
    /// Standard deviation of the Gaussian term, in pixels.
    pub gaussian_sigma: f32,
    /// Weight of the Gaussian term.
    pub gaussian_weight: f32,
    /// Standard deviation of the bilateral term's positions, in pixels.
    pub bilateral_sigma: f32,
    /// Standard deviation of the bilateral term's colours, in grey levels of 0..255.
    pub colour_sigma: f32,
    /// Weight of the bilateral term.
    pub bilateral_weight: f32,
    /// Mean-field iterations.
    pub iterations: u32,
}

/// The CRF of an image: its two lattices, shared by all masks of the image's size.
pub struct CrfModel {
    width: u32,
    height: u32,
    parameters: CrfParameters,
    position: Lattice<3>,
    bilateral: Lattice<6>,
}

impl CrfModel {
    /// Builds the lattices.
    pub fn new(image: &Image<'_>, parameters: CrfParameters) -> Self {
        let width = image.width() as usize;
        let points = width * image.height() as usize;
        let pixels = image.pixels();
        let at = |point: usize, sigma: f32| [(point % width) as f32 / sigma, (point / width) as f32 / sigma];
        let CrfParameters { gaussian_sigma, bilateral_sigma, colour_sigma, .. } = parameters;
        let position = Lattice::new(points, |point| at(point, gaussian_sigma));
        let bilateral = Lattice::new(points, |point| {
            let [x, y] = at(point, bilateral_sigma);
            let colour = &pixels[point * 3..point * 3 + 3];
            [x, y, f32::from(colour[0]) / colour_sigma, f32::from(colour[1]) / colour_sigma, f32::from(colour[2]) / colour_sigma]
        });
        Self { width: image.width(), height: image.height(), parameters, position, bilateral }
    }

    /// The foreground's probability Q at every pixel, in row order, for each mask.
    ///
    /// # Errors
    /// A mask of another size than the image's.
    pub fn foreground(&self, masks: &[&Mask]) -> Result<Vec<Vec<f32>>> {
        Ok(self.logits(masks)?.into_iter().map(|logits| logits.into_iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect()).collect())
    }

    /// The more probable label at every pixel (the MAP of the mean field), for each mask.
    ///
    /// # Errors
    /// A mask of another size than the image's.
    pub fn refine(&self, masks: &[&Mask]) -> Result<Vec<Mask>> {
        let label = |logits: Vec<f32>| {
            let pixels: Vec<u8> = logits.into_iter().map(|logit| u8::from(logit > 0.0)).collect();
            Mask::from_pixels(self.width, self.height, &pixels)
        };
        self.logits(masks)?.into_iter().map(label).collect()
    }

    /// log Q(foreground) − log Q(background), masks filtered together where there are several.
    fn logits(&self, masks: &[&Mask]) -> Result<Vec<Vec<f32>>> {
        if let Some(other) = masks.iter().find(|mask| (mask.width(), mask.height()) != (self.width, self.height)) {
            let (width, height) = (self.width, self.height);
            return Err(Error::invalid(format!(
                "a mask of {}x{} on a CRF of {width}x{height}: resize the image to it",
                other.width(),
                other.height()
            )));
        }
        let mut logits = Vec::with_capacity(masks.len());
        for group in masks.chunks(4) {
            match group.len() {
                1 => logits.extend(self.mean_field::<1>(group)),
                2 => logits.extend(self.mean_field::<2>(group)),
                _ => logits.extend(self.mean_field::<4>(group)),
            }
        }
        Ok(logits)
    }

    /// At most `C` masks at once.
    fn mean_field<const C: usize>(&self, masks: &[&Mask]) -> Vec<Vec<f32>> {
        let points = self.width as usize * self.height as usize;
        let pixels: Vec<Vec<u8>> = masks.iter().map(|mask| mask.to_pixels()).collect();
        let energy = unary_difference(self.parameters.unary_probability);
        let mut unary = vec![[0.0; C]; points];
        for (channel, pixels) in pixels.iter().enumerate() {
            for (unary, pixel) in unary.iter_mut().zip(pixels) {
                unary[channel] = if *pixel != 0 { energy } else { -energy };
            }
        }
        let mut position = self.position.values::<C>();
        let mut bilateral = self.bilateral.values::<C>();
        for (point, unary) in unary.iter().enumerate() {
            self.splat(&mut position, &mut bilateral, point, unary);
        }
        // A pass over the pixels reads the messages of one iteration and spreads the beliefs of the next.
        for _ in 1..self.parameters.iterations {
            self.pass_messages(&mut position, &mut bilateral);
            for (point, unary) in unary.iter().enumerate() {
                let logits = self.collect(&position, &bilateral, point, unary);
                self.splat(&mut position, &mut bilateral, point, &logits);
            }
        }
        if self.parameters.iterations > 0 {
            self.pass_messages(&mut position, &mut bilateral);
            for (point, unary) in unary.iter_mut().enumerate() {
                *unary = self.collect(&position, &bilateral, point, unary);
            }
        }
        (0..masks.len()).map(|channel| unary.iter().map(|logits| logits[channel]).collect()).collect()
    }

    #[inline(always)]
    fn splat<const C: usize>(&self, position: &mut Values<C>, bilateral: &mut Values<C>, point: usize, logits: &[f32; C]) {
        let belief = logits.map(belief);
        self.position.splat(position, point, belief);
        self.bilateral.splat(bilateral, point, belief);
    }

    fn pass_messages<const C: usize>(&self, position: &mut Values<C>, bilateral: &mut Values<C>) {
        self.position.blur(position);
        position.restart();
        self.bilateral.blur(bilateral);
        bilateral.restart();
    }

    #[inline(always)]
    fn collect<const C: usize>(&self, position: &Values<C>, bilateral: &Values<C>, point: usize, unary: &[f32; C]) -> [f32; C] {
        let near = self.position.slice_blurred(position, point);
        let alike = self.bilateral.slice_blurred(bilateral, point);
        std::array::from_fn(|c| unary[c] + self.parameters.gaussian_weight * near[c] + self.parameters.bilateral_weight * alike[c])
    }
}

/// log p − log(1 − p), both clipped as CutLER clips them.
fn unary_difference(probability: f64) -> f32 {
    let energy = |p: f64| -(p.clamp(1e-5, 1.0).ln());
    (energy(1.0 - probability) - energy(probability)) as f32
}

/// Q(foreground) − Q(background) = tanh(logit / 2), within 2e-7.
#[inline(always)]
fn belief(logit: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exp(logit))
}

/// e^x to about 1e-7 (relative) for |x| ≤ 80, beyond which it stays: Cephes' polynomial, free of branches so that channels share an instruction.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23
    let x = x.clamp(-80.0, 80.0);
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = x - n * (355.0 / 512.0) + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4f32;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    let value = p * r * r + r + 1.0;
    value * f32::from_bits(((n as i32 + 127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_exponential_is_one() {
        for step in -8000..8000 {
            let x = step as f32 / 100.0;
            let relative = f64::from(exp(x)) / f64::from(x).exp() - 1.0;
            assert!(relative.abs() < 3e-7, "{x}: {relative}");
        }
        assert!((belief(1.0) - 0.5f32.tanh()).abs() < 2e-7);
        assert_eq!((belief(1e9), belief(-1e9)), (1.0, -1.0));
    }

    #[test]
    fn the_unary_of_the_softmax_pair_is_one() {
        assert!((unary_difference(1.0 / (1.0 + (-1.0f64).exp())) - 1.0).abs() < 1e-6);
    }
}

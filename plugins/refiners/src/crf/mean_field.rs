//! Mean-field inference.

use std::sync::Arc;

use convert_sdk::{Error, Image, Mask, Result};
use multiversion::multiversion;

use super::lattice::{Lattice, add_scaled, channels, channels_mut};

/// The energies and how long to minimise them. Method 2 has the values.
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

/// What depends on an image's size alone: the lattice of the Gaussian term, and the order in which pixels are worked on.
pub struct PositionLattice {
    width: u32,
    height: u32,
    sigma: f32,
    order: Vec<u32>,
    lattice: Lattice<3>,
}

impl PositionLattice {
    /// The lattice for images of a size and a standard deviation in pixels.
    pub fn new(width: u32, height: u32, sigma: f32) -> Self {
        let order = visiting_order(width as usize, height as usize);
        let lattice = Lattice::new(Lattice::default(), order.len(), place_reach(width, height, sigma), |point| {
            let at = order[point];
            [(at % width) as f32 / sigma, (at / width) as f32 / sigma]
        });
        Self { width, height, sigma, order, lattice }
    }

    /// Whether it serves images of this size under these parameters.
    pub fn fits(&self, width: u32, height: u32, parameters: &CrfParameters) -> bool {
        (self.width, self.height, self.sigma) == (width, height, parameters.gaussian_sigma)
    }
}

/// The CRF of an image: its two lattices, shared by all masks of the image's size.
pub struct CrfModel {
    width: u32,
    height: u32,
    parameters: CrfParameters,
    position: Arc<PositionLattice>,
    memory: CrfMemory,
}

/// What a CRF keeps of an image, and, once that is done with, the memory for the next one.
#[derive(Default)]
pub struct CrfMemory {
    bilateral: Lattice<6>,
    messages: [Messages; 2],
}

impl CrfModel {
    /// Builds the lattices.
    pub fn new(image: &Image<'_>, parameters: CrfParameters) -> Self {
        let position = PositionLattice::new(image.width(), image.height(), parameters.gaussian_sigma);
        Self::with_position(image, parameters, Arc::new(position), CrfMemory::default())
    }

    /// Builds the lattice of the image's colours, and that of its positions unless the given one [fits](PositionLattice::fits), in the memory of a CRF that is done with.
    pub fn with_position(image: &Image<'_>, parameters: CrfParameters, position: Arc<PositionLattice>, mut memory: CrfMemory) -> Self {
        let (width, height) = (image.width(), image.height());
        if !position.fits(width, height, &parameters) {
            return Self::new(image, parameters);
        }
        let CrfParameters { bilateral_sigma, colour_sigma, .. } = parameters;
        let [x, y] = place_reach(width, height, bilateral_sigma);
        let colour = 255.0 / f64::from(colour_sigma);
        let places: Vec<f32> = (0..width.max(height)).map(|at| at as f32 / bilateral_sigma).collect();
        let colours: [f32; 256] = std::array::from_fn(|value| value as f32 / colour_sigma);
        let (pixels, order) = (image.pixels().as_chunks::<3>().0, &position.order);
        memory.bilateral = Lattice::new(memory.bilateral, order.len(), [x, y, colour, colour, colour], |point| {
            let at = order[point];
            let [red, green, blue] = pixels[at as usize].map(|value| colours[usize::from(value)]);
            [places[(at % width) as usize], places[(at / width) as usize], red, green, blue]
        });
        Self { width, height, parameters, position, memory }
    }

    /// Its memory, for the next image.
    pub fn into_memory(self) -> CrfMemory {
        self.memory
    }

    /// The foreground's probability Q at every pixel, in row order, for each mask.
    ///
    /// # Errors
    /// A mask of another size than the image's.
    pub fn foreground(&mut self, masks: &[&Mask]) -> Result<Vec<Vec<f32>>> {
        Ok(self.logits(masks)?.into_iter().map(|logits| logits.into_iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect()).collect())
    }

    /// The more probable label at every pixel (the MAP of the mean field), for each mask.
    ///
    /// # Errors
    /// A mask of another size than the image's.
    pub fn refine(&mut self, masks: &[&Mask]) -> Result<Vec<Mask>> {
        let (width, height) = (self.width, self.height);
        let label = |logits: Vec<f32>| {
            let pixels: Vec<u8> = logits.into_iter().map(|logit| u8::from(logit > 0.0)).collect();
            Mask::from_pixels(width, height, &pixels)
        };
        self.logits(masks)?.into_iter().map(label).collect()
    }

    /// log Q(foreground) − log Q(background), masks filtered together where there are several.
    fn logits(&mut self, masks: &[&Mask]) -> Result<Vec<Vec<f32>>> {
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

    /// At most `C` masks at once, of which there are four at most.
    fn mean_field<const C: usize>(&mut self, masks: &[&Mask]) -> Vec<Vec<f32>> {
        let points = self.width as usize * self.height as usize;
        let energy = unary_difference(self.parameters.unary_probability);
        // A pixel's labels in the masks, a bit each; the terms they stand for would be read anew from memory in every pass.
        let mut labels = vec![0u8; points];
        for (channel, mask) in masks.iter().enumerate() {
            let pixels = mask.to_pixels();
            labels.iter_mut().zip(&self.position.order).for_each(|(labels, at)| *labels |= pixels[*at as usize] << channel);
        }
        let terms: [[f32; C]; 16] =
            std::array::from_fn(|labels| std::array::from_fn(|channel| if labels >> channel & 1 == 1 { energy } else { -energy }));
        let [mut last, mut next] = std::mem::take(&mut self.memory.messages);
        next.clear::<C>(self);
        for (start, labels) in labels.chunks(CHUNK).enumerate() {
            let mut logits = [[0.0; C]; CHUNK];
            unary(&terms, labels, &mut logits);
            next.send(self, start * CHUNK, &mut logits[..labels.len()]);
        }
        for _ in 1..self.parameters.iterations {
            std::mem::swap(&mut last, &mut next);
            last.blur::<C>(self, &mut next);
            next.clear::<C>(self);
            pass(self, &labels, &terms, &last, &mut next);
        }
        let mut logits = vec![[0.0; C]; points];
        unary(&terms, &labels, &mut logits);
        if self.parameters.iterations > 0 {
            next.blur::<C>(self, &mut last);
            for (start, logits) in logits.chunks_mut(CHUNK).enumerate() {
                next.receive(self, start * CHUNK, logits);
            }
        }
        self.memory.messages = [last, next];
        let scatter = |channel: usize| {
            let mut scattered = vec![0.0; points];
            for (at, logits) in self.position.order.iter().zip(&logits) {
                scattered[*at as usize] = logits[channel];
            }
            scattered
        };
        (0..masks.len()).map(scatter).collect()
    }
}

/// A pass over the pixels, which reads the messages of one iteration and spreads the beliefs of the next.
#[multiversion(targets("x86_64+avx"))]
fn pass<const C: usize>(model: &CrfModel, labels: &[u8], terms: &[[f32; C]; 16], last: &Messages, next: &mut Messages) {
    for (start, labels) in labels.chunks(CHUNK).enumerate() {
        let mut logits = [[0.0; C]; CHUNK];
        unary(terms, labels, &mut logits);
        last.receive(model, start * CHUNK, &mut logits[..labels.len()]);
        next.send(model, start * CHUNK, &mut logits[..labels.len()]);
    }
}

/// The unary terms of pixels with these labels.
#[inline(always)]
fn unary<const C: usize>(terms: &[[f32; C]; 16], labels: &[u8], logits: &mut [[f32; C]]) {
    logits.iter_mut().zip(labels).for_each(|(logits, labels)| *logits = terms[usize::from(labels % 16)]);
}

/// Pixels whose exponentials are taken together.
const CHUNK: usize = 64;

/// What the pixels send to one another: values on both lattices.
#[derive(Default)]
struct Messages {
    position: Vec<f32>,
    bilateral: Vec<f32>,
}

impl Messages {
    fn clear<const C: usize>(&mut self, model: &CrfModel) {
        model.position.lattice.clear::<C>(&mut self.position);
        model.memory.bilateral.clear::<C>(&mut self.bilateral);
    }

    fn blur<const C: usize>(&mut self, model: &CrfModel, spare: &mut Self) {
        model.position.lattice.blur::<C>(&mut self.position, &mut spare.position);
        model.memory.bilateral.blur::<C>(&mut self.bilateral, &mut spare.bilateral);
    }

    /// Spreads the beliefs of pixels from `start` on, which `logits` become.
    #[inline(always)]
    fn send<const C: usize>(&mut self, model: &CrfModel, start: usize, logits: &mut [[f32; C]]) {
        beliefs(logits.as_flattened_mut());
        let (position, bilateral) = (channels_mut(&mut self.position), channels_mut(&mut self.bilateral));
        for (offset, belief) in logits.iter().enumerate() {
            model.position.lattice.splat(position, start + offset, *belief);
            model.memory.bilateral.splat(bilateral, start + offset, *belief);
        }
    }

    /// Adds what arrives at pixels from `start` on to their unary terms.
    #[inline(always)]
    fn receive<const C: usize>(&self, model: &CrfModel, start: usize, logits: &mut [[f32; C]]) {
        let near = model.parameters.gaussian_weight * Lattice::<3>::ALPHA;
        let alike = model.parameters.bilateral_weight * Lattice::<6>::ALPHA;
        let (position, bilateral) = (channels(&self.position), channels(&self.bilateral));
        for (offset, logits) in logits.iter_mut().enumerate() {
            add_scaled(logits, near, &model.position.lattice.slice(position, start + offset));
        }
        for (offset, logits) in logits.iter_mut().enumerate() {
            add_scaled(logits, alike, &model.memory.bilateral.slice(bilateral, start + offset));
        }
    }
}

/// The largest coordinates in an image, in units of a standard deviation.
fn place_reach(width: u32, height: u32, sigma: f32) -> [f64; 2] {
    [width, height].map(|side| f64::from(side) / f64::from(sigma))
}

/// The pixels tile by tile within larger tiles, so that the lattice points that neighbours share stay in the nearest caches.
fn visiting_order(width: usize, height: usize) -> Vec<u32> {
    let mut order = Vec::with_capacity(width * height);
    for (left, top, right, bottom) in tiles(64, 0, 0, width, height) {
        for (left, top, right, bottom) in tiles(8, left, top, right, bottom) {
            (top..bottom).for_each(|y| order.extend((left..right).map(|x| (y * width + x) as u32)));
        }
    }
    order
}

/// Tiles of a rectangle, row by row: left, top, right and bottom of each.
fn tiles(side: usize, left: usize, top: usize, right: usize, bottom: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    let across = move |y: usize| (left..right).step_by(side).map(move |x| (x, y, (x + side).min(right), (y + side).min(bottom)));
    (top..bottom).step_by(side).flat_map(across)
}

/// log p − log(1 − p), both clipped as CutLER clips them.
fn unary_difference(probability: f64) -> f32 {
    let energy = |p: f64| -(p.clamp(1e-5, 1.0).ln());
    (energy(1.0 - probability) - energy(probability)) as f32
}

/// Beliefs in the place of logits. Also compiled for wider registers; the results have the same bits.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx2+avx", "x86_64+avx2+avx"))]
fn beliefs(logits: &mut [f32]) {
    logits.iter_mut().for_each(|logit| *logit = belief(*logit));
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
    // The sum's lowest bits are n, as an integer.
    value * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
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

    /// The numbers one by one are computed as on every processor of the kind.
    #[test]
    fn wide_registers_change_no_bit() {
        let logits: Vec<f32> = (-3000..3000).map(|step| step as f32 * 0.0137).chain([1e9, -1e9, 0.0, -0.0]).collect();
        let mut wide = logits.clone();
        beliefs(&mut wide);
        for (logit, wide) in logits.into_iter().zip(wide) {
            assert_eq!(belief(std::hint::black_box(logit)).to_bits(), wide.to_bits(), "{logit}");
        }
    }

    #[test]
    fn the_memory_of_another_image_changes_no_bit() {
        let mut memory = CrfMemory::default();
        // Larger and smaller ones, of one to five masks; the small deviations have keys of 64 and 128 bits.
        for (width, height, count, iterations, bilateral_sigma, colour_sigma) in [
            (40, 30, 4, 3, 50.0, 5.0),
            (7, 5, 1, 2, 50.0, 5.0),
            (1, 1, 2, 1, 50.0, 5.0),
            (9, 4, 5, 10, 50.0, 0.01),
            (40, 30, 3, 0, 50.0, 5.0),
            (33, 31, 2, 2, 0.01, 0.01),
            (40, 30, 4, 10, 50.0, 5.0),
        ] {
            let pixels: Vec<u8> = (0..width * height * 3).map(|at| (at * 31 % 251) as u8).collect();
            let image = Image::new(width, height, pixels).unwrap();
            let mask = |mask: u32| {
                let pixels: Vec<u8> = (0..width * height).map(|at| u8::from((at + mask).is_multiple_of(mask + 2))).collect();
                Mask::from_pixels(width, height, &pixels).unwrap()
            };
            let masks: Vec<Mask> = (0..count).map(mask).collect();
            let parameters = CrfParameters {
                unary_probability: 0.73,
                gaussian_sigma: 3.0,
                gaussian_weight: 7.0,
                bilateral_sigma,
                colour_sigma,
                bilateral_weight: 10.0,
                iterations,
            };
            let bits = |model: &mut CrfModel| -> Vec<u32> {
                let masks: Vec<&Mask> = masks.iter().collect();
                model.foreground(&masks).unwrap().into_iter().flatten().map(f32::to_bits).collect()
            };
            let mut model = CrfModel::with_position(&image, parameters, Arc::new(PositionLattice::new(width, height, 3.0)), memory);
            assert_eq!(bits(&mut model), bits(&mut CrfModel::new(&image, parameters)), "{width}x{height}");
            memory = model.into_memory();
        }
    }

    #[test]
    fn every_pixel_is_visited_once() {
        let mut order = visiting_order(150, 11);
        order.sort_unstable();
        assert_eq!(order, (0..150 * 11).collect::<Vec<u32>>());
    }

    #[test]
    fn the_unary_of_the_softmax_pair_is_one() {
        assert!((unary_difference(1.0 / (1.0 + (-1.0f64).exp())) - 1.0).abs() < 1e-6);
    }
}

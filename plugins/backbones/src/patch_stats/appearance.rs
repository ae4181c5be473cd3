//! `patch`: what a patch looks like, in absolute terms, so that the mean over a region is the region's own description.
//!
//! The parts: a soft histogram of L*a*b* colours, mean and spread of each channel, soft histograms of gradient orientations at three
//! scales, and the [arrangement] of colours and edges around the patch.

use super::arrangement;
use super::pixels::Planes;

const LIGHTNESS_BINS: usize = 3;
const CHROMA_BINS: usize = 5;
const COLOURS: usize = LIGHTNESS_BINS * CHROMA_BINS * CHROMA_BINS;
const ORIENTATIONS: usize = arrangement::ORIENTATIONS;
/// Radii of the blur, in pixels, before the gradient is taken.
const SCALES: [usize; 3] = [0, 2, 5];
const MOMENTS: usize = 6;

const STATISTICS: usize = COLOURS + MOMENTS + SCALES.len() * ORIENTATIONS;

/// Numbers a patch.
pub const DIMENSION: usize = STATISTICS + arrangement::DIMENSION;

/// The descriptors of all patches, row by row.
pub fn describe(planes: &Planes, patch: usize) -> Vec<f32> {
    let patches = (planes.height / patch) * (planes.width / patch);
    let mut values = vec![0.0; patches * DIMENSION];
    add_colours(planes, patch, &mut values);
    for (scale, radius) in SCALES.into_iter().enumerate() {
        add_orientations(planes, patch, radius, COLOURS + MOMENTS + scale * ORIENTATIONS, &mut values);
    }
    finish(patch, &mut values);
    add_arrangements(planes.width / patch, &mut values);
    values
}

/// Sums of the colour histogram and of each channel and its square.
fn add_colours(planes: &Planes, patch: usize, values: &mut [f32]) {
    planes.for_each_pixel(patch, |at, pixel| {
        let vector = &mut values[at * DIMENSION..(at + 1) * DIMENSION];
        let lab = [planes.lab[0][pixel], planes.lab[1][pixel], planes.lab[2][pixel]];
        let light = soft_bin(lab[0] / 100.0, LIGHTNESS_BINS);
        let [green_red, blue_yellow] = [lab[1], lab[2]].map(|value| soft_bin((value + 60.0) / 120.0, CHROMA_BINS));
        for (l, weight_l) in light {
            for (a, weight_a) in green_red {
                for (b, weight_b) in blue_yellow {
                    vector[(l * CHROMA_BINS + a) * CHROMA_BINS + b] += weight_l * weight_a * weight_b;
                }
            }
        }
        for (channel, value) in lab.into_iter().enumerate() {
            let value = value / 100.0;
            vector[COLOURS + channel] += value;
            vector[COLOURS + 3 + channel] += value * value;
        }
    });
}

/// Gradient magnitudes summed by orientation (unsigned), shared between the two nearest bins.
fn add_orientations(planes: &Planes, patch: usize, radius: usize, offset: usize, values: &mut [f32]) {
    let lightness = if radius == 0 { planes.lab[0].clone() } else { planes.blurred(&planes.lab[0], radius) };
    let gradient = planes.gradient(&lightness);
    planes.for_each_pixel(patch, |at, pixel| {
        let (across, down) = (gradient.across[pixel], gradient.down[pixel]);
        let magnitude = across.hypot(down) / 100.0;
        let turn = down.atan2(across) / std::f32::consts::PI; // (-1, 1]; opposite directions are one orientation
        let position = turn.rem_euclid(1.0) * ORIENTATIONS as f32;
        let (low, share) = (position as usize, position.fract());
        let histogram = &mut values[at * DIMENSION + offset..at * DIMENSION + offset + ORIENTATIONS];
        histogram[low % ORIENTATIONS] += magnitude * (1.0 - share);
        histogram[(low + 1) % ORIENTATIONS] += magnitude * share;
    });
}

/// Sums become means, squares become spreads; gradients are rooted, since their distribution has a long tail.
fn finish(patch: usize, values: &mut [f32]) {
    let share = 1.0 / (patch * patch) as f32;
    for vector in values.chunks_exact_mut(DIMENSION) {
        for value in vector.iter_mut() {
            *value *= share;
        }
        for channel in 0..3 {
            let mean = vector[COLOURS + channel];
            vector[COLOURS + 3 + channel] = (vector[COLOURS + 3 + channel] - mean * mean).max(0.0).sqrt();
        }
        for value in &mut vector[COLOURS + MOMENTS..STATISTICS] {
            *value = value.sqrt();
        }
    }
}

/// The part of the vector that depends on the neighbours, from what the statistics say of each patch.
fn add_arrangements(columns: usize, values: &mut [f32]) {
    // the middle scale's orientations: fine enough for edges, smooth enough to ignore noise
    const EDGES: usize = COLOURS + MOMENTS + ORIENTATIONS;
    let cells: Vec<arrangement::Cell> = values
        .chunks_exact(DIMENSION)
        .map(|vector| arrangement::Cell {
            colour: std::array::from_fn(|channel| vector[COLOURS + channel]),
            edges: std::array::from_fn(|orientation| vector[EDGES + orientation]),
        })
        .collect();
    let arrangements = arrangement::describe(&cells, columns);
    for (vector, arrangement) in values.chunks_exact_mut(DIMENSION).zip(arrangements.chunks_exact(arrangement::DIMENSION)) {
        vector[STATISTICS..].copy_from_slice(arrangement);
    }
}

/// The two bins around a position in [0, 1] and their weights; positions outside count as the end bins.
fn soft_bin(position: f32, bins: usize) -> [(usize, f32); 2] {
    let scaled = position.clamp(0.0, 1.0) * (bins - 1) as f32;
    let low = (scaled as usize).min(bins - 2);
    let share = scaled - low as f32;
    [(low, 1.0 - share), (low + 1, share)]
}

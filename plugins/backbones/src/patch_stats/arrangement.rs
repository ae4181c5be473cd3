//! How colours and edges lie around a patch, so that the mean over a region says which arrangements occur in it.
//!
//! The mean of a plain description of the neighbourhood would only blur it. The mean of its random Fourier features (Rahimi & Recht 2007) is the kernel
//! mean embedding of the neighbourhoods' distribution, which keeps what a bag of visual words keeps. On 277 true masks of 100 synthetic scenes
//! (one seed) it raised the share named rightly from 0.830 to 0.870 with one training region an image, and left it at 0.953 with all regions.

use crate::random::Normal;

/// Bins of edge directions.
pub const ORIENTATIONS: usize = 8;
const FREQUENCIES: usize = 96;
/// A patch and its eight neighbours.
const NEIGHBOURS: usize = 9;
const CENTRE: usize = 4;
const CELL: usize = ORIENTATIONS + 3;
/// Inverse of the kernel's width. On the same scenes 1, 1.5 and 2 differ by less than their noise; 4 is worse than none of this.
const FREQUENCY_SCALE: f32 = 1.5;
/// What the patch's own colour and its neighbours' difference from it count, next to edges of unit length.
const OWN_COLOUR: f32 = 2.0;
const COLOUR_DIFFERENCE: f32 = 0.5;
/// Edge energy below which edges fade out instead of being raised to unit length.
const FAINT: f32 = 0.05;
/// The typical size of the other numbers of a descriptor.
const AMPLITUDE: f32 = 0.1;

/// Numbers a patch.
pub const DIMENSION: usize = 2 * FREQUENCIES;

/// What is known of a patch: mean L*a*b* / 100 and rooted gradient magnitudes by orientation.
pub struct Cell {
    pub colour: [f32; 3],
    pub edges: [f32; ORIENTATIONS],
}

/// The features of all patches, row by row.
pub fn describe(cells: &[Cell], columns: usize) -> Vec<f32> {
    let mut normal = Normal::new(0x0c0f_f5e7);
    let frequencies: Vec<[f32; NEIGHBOURS * CELL]> = (0..FREQUENCIES).map(|_| std::array::from_fn(|_| normal.next() * FREQUENCY_SCALE)).collect();
    let mut values = Vec::with_capacity(cells.len() * DIMENSION);
    for at in 0..cells.len() {
        let near = neighbourhood(cells, columns, at);
        for frequency in &frequencies {
            let phase: f32 = frequency.iter().zip(&near).map(|(frequency, value)| frequency * value).sum();
            values.extend([AMPLITUDE * phase.cos(), AMPLITUDE * phase.sin()]);
        }
    }
    values
}

/// Edges and colours of the 3×3 patches around one, the border repeated.
fn neighbourhood(cells: &[Cell], columns: usize, at: usize) -> [f32; NEIGHBOURS * CELL] {
    let (row, column, rows) = (at / columns, at % columns, cells.len() / columns);
    let mut near = [0.0; NEIGHBOURS * CELL];
    let mut energy = 0.0;
    for (place, slot) in near.chunks_exact_mut(CELL).enumerate() {
        let (y, x) = ((row + place / 3).saturating_sub(1).min(rows - 1), (column + place % 3).saturating_sub(1).min(columns - 1));
        let other = &cells[y * columns + x];
        let (edges, colour) = slot.split_at_mut(ORIENTATIONS);
        edges.copy_from_slice(&other.edges);
        energy += edges.iter().map(|edge| edge * edge).sum::<f32>();
        for (channel, value) in colour.iter_mut().enumerate() {
            let own = cells[at].colour[channel];
            *value = if place == CENTRE { OWN_COLOUR * own } else { COLOUR_DIFFERENCE * (other.colour[channel] - own) };
        }
    }
    let scale = 1.0 / (energy + FAINT).sqrt();
    for slot in near.chunks_exact_mut(CELL) {
        slot[..ORIENTATIONS].iter_mut().for_each(|edge| *edge *= scale);
    }
    near
}

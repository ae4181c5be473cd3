//! How much each cell of a label map counts for a mask. Both rules are linear in the map, so that they come to one weight a cell, and the map is never upsampled.

use convert_sdk::Mask;

/// Weights of `rows` x `columns` cells, row by row, which sum to 1; `None` when the mask covers nothing of the map.
pub type CellWeights = Option<Vec<f64>>;

/// The paper's rule: the map is upsampled bilinearly to the mask's size with its corner cells on the corners (align_corners), and averaged over the mask's pixels.
pub fn upsampled(mask: &Mask, rows: usize, columns: usize) -> CellWeights {
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let (across, down) = (aligned(width, columns), aligned(height, rows));
    // The weights of the first n pixel rows, summed: a run of pixels in a column costs one difference.
    let mut sums = vec![vec![0.0; rows]; height + 1];
    for (y, ((low, share), high)) in down.iter().enumerate() {
        sums[y + 1] = sums[y].clone();
        sums[y + 1][*low] += 1.0 - share;
        sums[y + 1][*high] += share;
    }
    let mut weights = vec![0.0; rows * columns];
    let mut at = 0usize;
    for (index, run) in mask.runs().iter().enumerate() {
        let end = at + *run as usize;
        while index % 2 == 1 && at < end {
            let (x, top) = (at / height, at % height);
            let bottom = (top + end - at).min(height);
            let ((left, share), right) = across[x];
            for row in 0..rows {
                let weight = sums[bottom][row] - sums[top][row];
                weights[row * columns + left] += weight * (1.0 - share);
                weights[row * columns + right] += weight * share;
            }
            at += bottom - top;
        }
        at = end;
    }
    normalised(weights)
}

/// For each of `size` pixels the cell before it, its distance to that cell's centre in cells, and the cell after it.
fn aligned(size: usize, cells: usize) -> Vec<((usize, f64), usize)> {
    let step = if size > 1 { (cells - 1) as f64 / (size - 1) as f64 } else { 0.0 };
    (0..size)
        .map(|pixel| {
            let place = pixel as f64 * step;
            let low = (place.floor() as usize).min(cells - 1);
            ((low, place - low as f64), (low + 1).min(cells - 1))
        })
        .collect()
}

/// The authors' rule: the mask is shrunk to the map's size as OpenCV's `INTER_LINEAR` does (between the two nearest pixels, whatever lies between the
/// samples), and weighs the cells.
pub fn shrunk(mask: &Mask, rows: usize, columns: usize) -> CellWeights {
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let pixels = mask.to_pixels();
    let (across, down) = (sampled(width, columns), sampled(height, rows));
    let mut weights = Vec::with_capacity(rows * columns);
    for ((top, below), bottom) in &down {
        for ((left, beside), right) in &across {
            let value = |x: &usize, y: &usize| f64::from(pixels[y * width + x]);
            let upper = value(left, top) * (1.0 - beside) + value(right, top) * beside;
            let lower = value(left, bottom) * (1.0 - beside) + value(right, bottom) * beside;
            weights.push(upper * (1.0 - below) + lower * below);
        }
    }
    normalised(weights)
}

/// For each of `cells` samples the pixel before it, its distance to that pixel in pixels, and the pixel after it: pixel centres, clamped at the borders.
fn sampled(size: usize, cells: usize) -> Vec<((usize, f64), usize)> {
    let scale = size as f64 / cells as f64;
    (0..cells)
        .map(|cell| {
            let place = ((cell as f64 + 0.5) * scale - 0.5).clamp(0.0, (size - 1) as f64);
            let low = place.floor() as usize;
            ((low, place - low as f64), (low + 1).min(size - 1))
        })
        .collect()
}

fn normalised(mut weights: Vec<f64>) -> CellWeights {
    let sum: f64 = weights.iter().sum();
    if sum <= 0.0 {
        return None;
    }
    weights.iter_mut().for_each(|weight| *weight /= sum);
    Some(weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::BoundingBox;

    fn close(got: &[f64], expected: &[f64]) {
        assert!(got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{got:?} instead of {expected:?}");
    }

    #[test]
    fn corner_pixels_are_corner_cells_and_the_middle_is_between() {
        let mask = |x, y, width, height| Mask::from_box(5, 3, BoundingBox { x, y, width, height }).unwrap();
        close(&upsampled(&mask(0, 0, 1, 1), 2, 3).unwrap(), &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        close(&upsampled(&mask(4, 2, 1, 1), 2, 3).unwrap(), &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        close(&upsampled(&mask(1, 1, 1, 1), 2, 3).unwrap(), &[0.25, 0.25, 0.0, 0.25, 0.25, 0.0]);
        close(&upsampled(&mask(0, 0, 5, 3), 2, 3).unwrap(), &[0.15, 0.2, 0.15, 0.15, 0.2, 0.15]);
        assert_eq!(upsampled(&Mask::empty(5, 3).unwrap(), 2, 3), None);
        close(&upsampled(&Mask::full(1, 1).unwrap(), 2, 2).unwrap(), &[1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_mask_between_the_samples_shrinks_to_nothing() {
        // cv2.resize of a 12x1 mask to 3x1: samples halfway between the pixels 1|2, 5|6 and 9|10
        let mask = |x, width| Mask::from_box(12, 1, BoundingBox { x, y: 0, width, height: 1 }).unwrap();
        close(&shrunk(&mask(2, 8), 1, 3).unwrap(), &[0.25, 0.5, 0.25]);
        assert_eq!(shrunk(&mask(3, 2), 1, 3), None);
    }
}

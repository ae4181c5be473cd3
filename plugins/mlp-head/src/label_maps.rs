//! Label maps from a trained head (paper F.3): the head applied to every patch by itself, in ReLabel's form.

use convert_backbones::{Features, torch};
use convert_sdk::{Error, LabelMap, Result};
use tch::Tensor;

use crate::config::Pooling;
use crate::head::Ensemble;
use crate::pooling;

/// The label map of an image: the logits of its patches, averaged over each of 15×15 cells, and of each cell the best five classes (fewer where there are fewer).
///
/// With `mean-std` pooling each patch is pooled with its neighbours.
///
/// A cell's logits are shifted so that their mean over all classes is 0: cross-entropy leaves that shift open, and a reader of the map takes absent classes for 0.
pub fn of(features: &Features, head: &Ensemble, pooling: Pooling) -> Result<LabelMap> {
    let (patches, classes) = (features.rows * features.columns, head.outputs());
    let values = match pooling {
        Pooling::Mean => features.values.clone(),
        Pooling::MeanStd => (0..patches).flat_map(|patch| pooling::pool(features, &neighbourhood(features, patch), pooling)).collect(),
    };
    let logits: Vec<f32> = torch(|| {
        let vectors = Tensor::f_from_slice(&values)?.f_view([patches as i64, pooling.width(features.dimension) as i64])?;
        Vec::try_from(&head.forward(&vectors)?.f_contiguous()?.f_view([-1])?)
    })?;
    if logits.iter().any(|logit| !logit.is_finite()) {
        return Err(Error::numeric("the head's logits are not finite"));
    }
    let (down, across) = (shares(features.rows, LabelMap::SIDE), shares(features.columns, LabelMap::SIDE));
    let depth = LabelMap::DEPTH.min(classes);
    let cells = LabelMap::SIDE * LabelMap::SIDE;
    let (mut best_logits, mut best_classes) = (vec![0.0f32; depth * cells], vec![0u32; depth * cells]);
    let mut sums = vec![0.0f64; classes];
    for cell in 0..cells {
        sums.fill(0.0);
        for (row, height) in &down[cell / LabelMap::SIDE] {
            for (column, width) in &across[cell % LabelMap::SIDE] {
                let at = (row * features.columns + column) * classes;
                sums.iter_mut().zip(&logits[at..at + classes]).for_each(|(sum, logit)| *sum += height * width * f64::from(*logit));
            }
        }
        let mean = sums.iter().sum::<f64>() / classes as f64;
        let mut order: Vec<usize> = (0..classes).collect();
        order.sort_by(|a, b| sums[*b].total_cmp(&sums[*a]).then(a.cmp(b)));
        for (rank, class) in order.into_iter().take(depth).enumerate() {
            best_logits[rank * cells + cell] = (sums[class] - mean) as f32;
            best_classes[rank * cells + cell] = class as u32;
        }
    }
    LabelMap::new(depth, LabelMap::SIDE, LabelMap::SIDE, best_logits, best_classes)
}

/// Patches to each side of one: a single patch has no spread, and a head that learned from spreads needs some.
const REACH: usize = 2;

/// The patches around one, itself included.
fn neighbourhood(features: &Features, patch: usize) -> Vec<usize> {
    let around = |at: usize, length: usize| at.saturating_sub(REACH)..(at + REACH + 1).min(length);
    let columns = around(patch % features.columns, features.columns);
    around(patch / features.columns, features.rows).flat_map(|row| columns.clone().map(move |column| row * features.columns + column)).collect()
}

/// For each of `cells` equal parts of `length` patches, the patches it overlaps and their shares of the part, which sum to 1.
fn shares(length: usize, cells: usize) -> Vec<Vec<(usize, f64)>> {
    let size = length as f64 / cells as f64;
    (0..cells)
        .map(|cell| {
            let (start, end) = (cell as f64 * size, (cell + 1) as f64 * size);
            let patches = start.floor() as usize..(end.ceil() as usize).min(length);
            patches.map(|patch| (patch, (end.min((patch + 1) as f64) - start.max(patch as f64)).max(0.0) / size)).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{Head, Layer};

    /// Patches of one number each, and a head whose logit of class c is c + 1 times that number.
    fn map(rows: usize, columns: usize, classes: usize, values: Vec<f32>) -> LabelMap {
        let weight: Vec<f32> = (1..=classes).map(|factor| factor as f32).collect();
        let layer = Layer { weight: Tensor::from_slice(&weight).view([-1, 1]), bias: Tensor::zeros([classes as i64], tch::kind::FLOAT_CPU) };
        of(
            &Features { rows, columns, dimension: 1, values, class_token: None },
            &Ensemble::new(vec![Head { layers: vec![layer] }]).unwrap(),
            Pooling::Mean,
        )
        .unwrap()
    }

    #[test]
    fn a_patch_that_covers_cells_gives_them_its_best_classes_around_a_mean_of_zero() {
        let map = map(1, 3, 7, vec![1.0, -1.0, 0.5]);
        assert_eq!((map.depth(), map.rows(), map.columns()), (5, 15, 15));
        // logits 1 to 7, mean 4
        assert_eq!(map.cell(0).collect::<Vec<_>>(), [(6, 3.0), (5, 2.0), (4, 1.0), (3, 0.0), (2, -1.0)]);
        assert_eq!(map.cell(7).collect::<Vec<_>>(), [(0, 3.0), (1, 2.0), (2, 1.0), (3, 0.0), (4, -1.0)]);
        assert_eq!(map.cell(14 * 15 + 14).next(), Some((6, 1.5)));
    }

    #[test]
    fn cells_average_the_patches_that_they_cover_and_few_classes_make_a_thin_map() {
        let map = map(30, 30, 2, (0..900).map(|at| (at % 30) as f32).collect());
        assert_eq!(map.depth(), 2);
        assert_eq!(map.cell(3).next(), Some((1, 6.5 * 0.5))); // columns 6 and 7; logits 6.5 and 13, mean 9.75
        let sums: Vec<f64> = shares(28, 15).iter().map(|cell| cell.iter().map(|(_, share)| share).sum()).collect();
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-12), "{sums:?}");
        let grid = Features { rows: 4, columns: 6, dimension: 1, values: vec![0.0; 24], class_token: None };
        assert_eq!(neighbourhood(&grid, 5), [3, 4, 5, 9, 10, 11, 15, 16, 17]);
    }
}

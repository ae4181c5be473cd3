//! From a mask to the patches it covers, and from patches to one vector (method 4).

use convert_backbones::Features;
use convert_sdk::Mask;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::config::{CropPart, Pooling};

/// The patches of a region in a grid of `rows` x `columns`: those covered by more than `threshold`, the best-covered ones where there is none; all without a mask.
/// Never empty.
pub fn active_patches(mask: Option<&Mask>, (rows, columns): (usize, usize), threshold: f32) -> Vec<usize> {
    let Some(mask) = mask else { return (0..rows * columns).collect() };
    let coverage = mask.coverage(columns as u32, rows as u32);
    let above: Vec<usize> = (0..coverage.len()).filter(|patch| coverage[*patch] > threshold).collect();
    if !above.is_empty() {
        return above;
    }
    let best = coverage.iter().copied().fold(0.0, f32::max);
    (0..coverage.len()).filter(|patch| coverage[*patch] == best).collect()
}

/// The patches that are left when each is dropped with a probability; all of them if none is left.
pub fn with_dropout(patches: Vec<usize>, probability: f64, random: &mut ChaCha8Rng) -> Vec<usize> {
    let left: Vec<usize> = patches.iter().copied().filter(|_| random.random::<f64>() >= probability).collect();
    if left.is_empty() { patches } else { left }
}

/// The vector of some patches.
pub fn pool(features: &Features, patches: &[usize], pooling: Pooling) -> Vec<f32> {
    let mut vector = mean(features, patches.iter().copied());
    if pooling == Pooling::MeanStd {
        let deviation = deviation(features, patches, &vector);
        vector.extend(deviation);
    }
    vector
}

/// A part of the vector of a crop, in which the region has some patches.
pub fn crop_part(features: &Features, patches: &[usize], part: CropPart) -> Vec<f32> {
    let all: Vec<usize> = (0..features.rows * features.columns).collect();
    let of = |patches: &[usize]| mean(features, patches.iter().copied());
    match part {
        CropPart::ClassToken => features.class_token.clone().unwrap_or_default(),
        CropPart::MaskMean => of(patches),
        CropPart::MaskStd => deviation(features, patches, &of(patches)),
        CropPart::AllMean => of(&all),
        CropPart::AllStd => deviation(features, &all, &of(&all)),
    }
}

/// The standard deviation of the features of some patches around their mean.
fn deviation(features: &Features, patches: &[usize], mean: &[f32]) -> Vec<f32> {
    let mut squares = vec![0.0f64; features.dimension];
    for patch in patches {
        for ((sum, value), mean) in squares.iter_mut().zip(features.patch(*patch)).zip(mean) {
            *sum += (f64::from(*value) - f64::from(*mean)).powi(2);
        }
    }
    let count = patches.len().max(1) as f64;
    squares.into_iter().map(|sum| (sum / count).sqrt() as f32).collect()
}

/// The mean of the features of some patches, summed in double precision in the given order.
fn mean(features: &Features, patches: impl ExactSizeIterator<Item = usize>) -> Vec<f32> {
    let count = patches.len().max(1) as f64;
    let mut sums = vec![0.0f64; features.dimension];
    for patch in patches {
        for (sum, value) in sums.iter_mut().zip(features.patch(patch)) {
            *sum += f64::from(*value);
        }
    }
    sums.into_iter().map(|sum| (sum / count) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use convert_sdk::BoundingBox;

    fn features() -> Features {
        Features { rows: 2, columns: 3, dimension: 1, values: vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], class_token: Some(vec![9.0]) }
    }

    #[test]
    fn patches_above_the_threshold_are_active_and_the_best_ones_where_there_is_none() {
        let region = |x, y, width, height| Mask::from_box(12, 8, BoundingBox { x, y, width, height }).unwrap();
        assert_eq!(active_patches(Some(&region(0, 0, 7, 4)), (2, 3), 0.5), [0, 1]);
        assert_eq!(active_patches(Some(&region(0, 0, 5, 4)), (2, 3), 0.0), [0, 1]);
        assert_eq!(active_patches(Some(&region(5, 5, 1, 1)), (2, 3), 0.5), [4]);
        assert_eq!(active_patches(Some(&region(3, 0, 2, 2)), (2, 3), 0.5), [0, 1]);
        assert_eq!(active_patches(None, (2, 3), 0.5), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn the_mean_is_over_the_active_patches() {
        assert_eq!(pool(&features(), &[1, 2, 5], Pooling::Mean), [8.0 / 3.0]);
        assert_eq!(pool(&features(), &[1, 5], Pooling::MeanStd), [3.0, 2.0]);
        let part = |part| crop_part(&features(), &[1, 5], part);
        assert_eq!([CropPart::ClassToken, CropPart::MaskMean, CropPart::MaskStd, CropPart::AllMean].map(part).concat(), [9.0, 3.0, 2.0, 2.5]);
    }

    #[test]
    fn dropping_every_patch_keeps_all() {
        let mut random = crate::randomness::stream(0, crate::randomness::Purpose::View, 0);
        assert_eq!(with_dropout(vec![1, 2], 1.0, &mut random), [1, 2]);
        assert_eq!(with_dropout(vec![1, 2], 0.0, &mut random), [1, 2]);
        let left = with_dropout((0..1000).collect(), 0.25, &mut random).len();
        assert!((700..800).contains(&left), "{left}");
    }
}

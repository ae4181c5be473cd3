//! Which regions of the hierarchies become masks, and in which order.

use crate::grouping::Hierarchy;
use crate::regions::Bounds;

/// What each of the image's sides that a region touches does to its score: what goes on outside the image is often background.
const SIDE_FACTOR: f32 = 0.75;

/// A region of a hierarchy that may become a mask.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Its pixels, as positions in row order.
    pub pixels: &'a [u32],
    /// See [`score`].
    pub score: f32,
    /// How many regions its hierarchy joined after it.
    pub level: usize,
    /// The scale of its hierarchy's segments.
    pub scale: f32,
    bounds: Bounds,
}

/// Which candidates are kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The smallest share of the image.
    pub min_area: f64,
    /// The largest share of the image.
    pub max_area: f64,
    /// The largest IoU with one that is kept.
    pub max_iou: f64,
    /// How many.
    pub max_masks: usize,
}

impl<'a> Candidate<'a> {
    /// All regions of the hierarchy of an image of a size, from the whole image down.
    pub fn of_hierarchy(hierarchy: &'a Hierarchy, scale: f32, width: u32, height: u32) -> impl Iterator<Item = Candidate<'a>> {
        hierarchy.nodes.iter().rev().enumerate().map(move |(level, node)| Candidate {
            pixels: hierarchy.pixels(node),
            score: score(node.size, node.bounds, level, width, height),
            level,
            scale,
            bounds: node.bounds,
        })
    }

    fn size(&self) -> u32 {
        self.pixels.len() as u32
    }
}

/// The share of its box that a region fills, by 1 + its level, with a factor for each of the image's sides that it touches. The level is what the paper ranks by, times a random number
/// there; what it does for recall is spread masks over sizes and places, which the limit on their IoU does here.
fn score(size: u32, bounds: Bounds, level: usize, width: u32, height: u32) -> f32 {
    let sides = [bounds.left == 0, bounds.top == 0, bounds.right == width, bounds.bottom == height].into_iter().filter(|touched| *touched).count();
    size as f32 / bounds.area() as f32 * SIDE_FACTOR.powi(sides as i32) / (1 + level) as f32
}

/// The best-scored candidates within the limits, the best first; of equally good ones the earlier.
pub fn best<'a>(mut candidates: Vec<Candidate<'a>>, limits: &Limits, width: u32, height: u32) -> Vec<Candidate<'a>> {
    let total = f64::from(width) * f64::from(height);
    candidates.retain(|candidate| (limits.min_area..=limits.max_area).contains(&(f64::from(candidate.size()) / total)));
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<(Candidate<'_>, Vec<u64>)> = Vec::new();
    for candidate in candidates {
        if kept.len() == limits.max_masks {
            break;
        }
        if !kept.iter().any(|(rival, bits)| iou_is_above(limits.max_iou, &candidate, rival, bits)) {
            let mut bits = vec![0; (width as usize * height as usize).div_ceil(64)];
            candidate.pixels.iter().for_each(|pixel| bits[*pixel as usize / 64] |= 1 << (pixel % 64));
            kept.push((candidate, bits));
        }
    }
    kept.into_iter().map(|(candidate, _)| candidate).collect()
}

/// Whether a candidate's IoU with another, whose pixels are the set bits, is above a limit. Sizes and boxes settle most cases.
fn iou_is_above(limit: f64, candidate: &Candidate<'_>, rival: &Candidate<'_>, bits: &[u64]) -> bool {
    let (a, b) = (candidate.size(), rival.size());
    if f64::from(a.min(b)) <= limit * f64::from(a.max(b)) || !candidate.bounds.meets(rival.bounds) {
        return false;
    }
    let common = candidate.pixels.iter().filter(|pixel| bits[**pixel as usize / 64] >> (*pixel % 64) & 1 == 1).count() as u32;
    f64::from(common) > limit * f64::from(a + b - common)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: u32 = 10;

    fn pixels(left: u32, top: u32, width: u32, height: u32) -> Vec<u32> {
        (top..top + height).flat_map(|y| (left..left + width).map(move |x| y * SIDE + x)).collect()
    }

    fn candidate(pixels: &[u32], score: f32) -> Candidate<'_> {
        let (xs, ys) = (pixels.iter().map(|pixel| pixel % SIDE), pixels.iter().map(|pixel| pixel / SIDE));
        let bounds =
            Bounds { left: xs.clone().min().unwrap(), top: ys.clone().min().unwrap(), right: xs.max().unwrap() + 1, bottom: ys.max().unwrap() + 1 };
        Candidate { pixels, score, level: 0, scale: 1.0, bounds }
    }

    fn kept(candidates: &[(Vec<u32>, f32)], limits: Limits) -> Vec<f32> {
        let all = candidates.iter().map(|(pixels, score)| candidate(pixels, *score)).collect();
        best(all, &limits, SIDE, SIDE).iter().map(|candidate| candidate.score).collect()
    }

    const ALL: Limits = Limits { min_area: 0.0, max_area: 1.0, max_iou: 1.0, max_masks: 100 };

    #[test]
    fn what_is_too_small_too_large_or_too_like_a_better_one_goes() {
        // IoU of the first two: 12 / 20; the third has nothing in common with them, though boxes meet.
        let corner: Vec<u32> = [pixels(0, 0, 5, 1), pixels(4, 1, 1, 4)].concat();
        let candidates =
            [(pixels(0, 1, 4, 4), 0.5), (pixels(0, 0, 4, 4), 0.9), (corner, 0.7), (pixels(0, 0, 10, 10), 0.1), (pixels(9, 9, 1, 1), 0.2)];
        assert_eq!(kept(&candidates, ALL), [0.9, 0.7, 0.5, 0.2, 0.1]);
        assert_eq!(kept(&candidates, Limits { max_iou: 0.6, ..ALL }), [0.9, 0.7, 0.5, 0.2, 0.1]);
        assert_eq!(kept(&candidates, Limits { max_iou: 0.59, ..ALL }), [0.9, 0.7, 0.2, 0.1]);
        assert_eq!(kept(&candidates, Limits { min_area: 0.09, max_area: 0.16, ..ALL }), [0.9, 0.7, 0.5]);
        assert_eq!(kept(&candidates, Limits { max_masks: 2, ..ALL }), [0.9, 0.7]);
    }

    #[test]
    fn of_the_same_mask_one_stays_and_of_equal_scores_the_earlier_comes_first() {
        let candidates = [(pixels(0, 0, 3, 3), 0.5), (pixels(0, 0, 3, 3), 0.5), (pixels(5, 5, 3, 3), 0.5)];
        let all: Vec<Candidate<'_>> = candidates.iter().map(|(pixels, score)| candidate(pixels, *score)).collect();
        let found = best(all, &Limits { max_iou: 0.99, ..ALL }, SIDE, SIDE);
        assert_eq!(found.iter().map(|candidate| candidate.pixels[0]).collect::<Vec<_>>(), [0, 55]);
    }
}

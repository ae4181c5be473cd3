//! From an eigenvector to a mask on the patch grid (method 1.5 and 1.6).

/// The patches of a grid of `rows` x `columns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Patches down the image.
    pub rows: usize,
    /// Patches across the image.
    pub columns: usize,
}

impl Grid {
    /// How many patches there are.
    pub fn patches(&self) -> usize {
        self.rows * self.columns
    }

    /// The patch that has a pixel of an image of `width` x `height` pixels.
    pub fn patch_at(&self, x: u32, y: u32, width: u32, height: u32) -> usize {
        let along = |at: u32, side: u32, patches: usize| (at as usize * patches / side as usize).min(patches - 1);
        along(y, height, self.rows) * self.columns + along(x, width, self.columns)
    }

    fn corners(&self) -> [usize; 4] {
        let (right, bottom) = (self.columns - 1, (self.rows - 1) * self.columns);
        [0, right, bottom, bottom + right]
    }

    /// The part of `region` that is 4-connected to `seed`; empty when the seed is outside.
    pub fn component(&self, region: &[bool], seed: usize) -> Vec<bool> {
        let mut component = vec![false; region.len()];
        let mut stack = vec![seed];
        while let Some(patch) = stack.pop() {
            if !region[patch] || component[patch] {
                continue;
            }
            component[patch] = true;
            let (row, column) = (patch / self.columns, patch % self.columns);
            let neighbours = [
                (row > 0).then(|| patch - self.columns),
                (row + 1 < self.rows).then(|| patch + self.columns),
                (column > 0).then(|| patch - 1),
                (column + 1 < self.columns).then(|| patch + 1),
            ];
            stack.extend(neighbours.into_iter().flatten());
        }
        component
    }
}

/// What an eigenvector means on the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The foreground's component around the seed, in row order.
    pub mask: Vec<bool>,
    /// The foreground's other components.
    pub others: Vec<Vec<bool>>,
    /// Whether patches outside of the mask could as well have been its seed: their entries are equally large but for rounding.
    pub tied: bool,
}

/// The foreground of a cut. A side with `corners` of the four corner patches is background; patches that are not `present` are on neither side.
/// Where a side holds that many corners and the strongest patch as well, the vector's sign decides.
pub fn part_of(vector: &[f64], present: &[bool], grid: Grid, corners: usize) -> Part {
    let values = || vector.iter().zip(present);
    let count = present.iter().filter(|present| **present).count().max(1);
    let mean = values().filter(|(_, present)| **present).map(|(value, _)| value).sum::<f64>() / count as f64;
    let above: Vec<bool> = values().map(|(value, present)| *present && *value > mean).collect();
    let below: Vec<bool> = above.iter().zip(present).map(|(above, present)| *present && !above).collect();
    let covers_corners = grid.corners().into_iter().filter(|corner| above[*corner]).count() >= corners;
    let strongest_above = largest(vector, present, f64::abs).first().is_some_and(|patch| above[*patch]);
    if covers_corners || !strongest_above {
        split(grid, below, &largest(vector, present, |value| -value))
    } else {
        split(grid, above, &largest(vector, present, |value| value))
    }
}

/// A region as the component of its seed and the others.
fn split(grid: Grid, mut region: Vec<bool>, seeds: &[usize]) -> Part {
    let mut components = Vec::new();
    let mut take = |seed: usize| {
        let component = grid.component(&region, seed);
        region.iter_mut().zip(&component).for_each(|(left, taken)| *left &= !taken);
        component.contains(&true).then(|| components.push(component)).is_some()
    };
    let equal = seeds.iter().filter(|seed| take(**seed)).count();
    (0..grid.patches()).for_each(|patch| {
        take(patch);
    });
    // Any of equally good seeds would do, and LAPACK's rounding picks one. The largest component is the likeliest object; the last of equally large
    // ones agrees with the reference's ties.
    let area = |component: &Vec<bool>| component.iter().filter(|inside| **inside).count();
    let best = (0..equal).max_by_key(|index| area(&components[*index]));
    let mask = best.map_or_else(|| vec![false; grid.patches()], |best| components.remove(best));
    Part { mask, others: components, tied: equal > 1 }
}

/// The patches of the largest value, and those that rounding could have made the largest: patches with equal rows of A have equal entries in exact arithmetic.
fn largest(vector: &[f64], present: &[bool], key: impl Fn(f64) -> f64) -> Vec<usize> {
    let values = || vector.iter().zip(present).map(|(value, present)| if *present { key(*value) } else { f64::NEG_INFINITY });
    let largest = values().fold(f64::NEG_INFINITY, f64::max);
    let limit = largest - 1e-7 * largest.abs();
    values().enumerate().filter(|(_, value)| *value >= limit && value.is_finite()).map(|(patch, _)| patch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { rows: 3, columns: 4 };

    fn part(vector: [f64; 12]) -> Part {
        part_of(&vector, &[true; 12], GRID, 3)
    }

    fn mask(vector: [f64; 12]) -> Vec<usize> {
        let part = part(vector);
        assert!(!part.tied);
        (0..12).filter(|patch| part.mask[*patch]).collect()
    }

    #[test]
    fn the_side_without_the_corners_is_the_mask_and_its_seed_s_component_counts() {
        // patches 1, 5 and 7 against the rest, 7 apart from 1 and 5
        let vector = [-1.0, 2.0, -1.0, -1.0, -1.0, 3.0, -1.0, 2.5, -1.0, -1.0, -1.0, -1.0];
        assert_eq!(mask(vector), [1, 5]);
        let others = part(vector).others;
        assert_eq!(others.len(), 1);
        assert!(others[0][7] && others[0].iter().filter(|inside| **inside).count() == 1);
    }

    #[test]
    fn absent_patches_are_on_neither_side_and_do_not_weigh() {
        let vector = [-1.0, 2.0, -1.0, -1.0, -1.0, 3.0, 900.0, -1.0, -1.0, -1.0, -1.0, -1.0];
        let mut present = [true; 12];
        present[6] = false;
        let part = part_of(&vector, &present, GRID, 3);
        assert_eq!((0..12).filter(|patch| part.mask[*patch]).collect::<Vec<_>>(), [1, 5]);
    }

    #[test]
    fn with_two_corners_each_the_seed_decides() {
        let vector = [5.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0];
        assert_eq!(mask(vector), [0, 1, 4, 5, 8, 9]);
    }

    #[test]
    fn where_a_side_holds_the_corners_and_the_seed_the_sign_decides() {
        let vector = [-4.0, 1.0, -1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0];
        assert_eq!(mask(vector), [0, 2, 3, 4, 7, 8, 9, 10, 11]);
        assert_eq!(mask(vector.map(|value| -value)), [1, 5, 6]);
    }

    #[test]
    fn connection_is_by_edges_only() {
        let vector = [-1.0, -1.0, 2.0, -1.0, -1.0, 1.9, -1.0, -1.0, -1.0, 1.8, -1.0, -1.0];
        assert_eq!(mask(vector), [2]);
    }

    #[test]
    fn of_equally_large_entries_in_different_components_the_largest_component_is_taken() {
        let vector = [-1.0, 2.0, -1.0, -1.0, -1.0, 2.0, -1.0, 2.0, -1.0, -1.0, -1.0, -1.0];
        let part = part(vector);
        assert!(part.tied && part.mask[1] && !part.mask[7]);
    }
}

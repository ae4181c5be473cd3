//! From an eigenvector to a mask on the patch grid (SPEC 1.5 and 1.6).

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

    fn corners(&self) -> [usize; 4] {
        let (right, bottom) = (self.columns - 1, (self.rows - 1) * self.columns);
        [0, right, bottom, bottom + right]
    }

    /// The part of `region` that is 4-connected to `seed`; empty when the seed is outside.
    fn component(&self, region: &[bool], seed: usize) -> Vec<bool> {
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

/// A mask on the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Whether a patch belongs to it, in row order.
    pub mask: Vec<bool>,
    /// Whether patches outside of it could as well have been its seed: their entries are equally large but for rounding.
    pub tied: bool,
}

/// The part of the image that an eigenvector means: its foreground's component around the seed. `corners` of the four corner patches make a background.
/// Where a side holds that many corners and the seed, the vector's sign decides.
pub fn part_of(vector: &[f64], grid: Grid, corners: usize) -> Part {
    let mean = vector.iter().sum::<f64>() / vector.len() as f64;
    let above: Vec<bool> = vector.iter().map(|value| *value > mean).collect();
    let covered = grid.corners().into_iter().filter(|corner| above[*corner]).count();
    let strongest_above = largest(vector.iter().map(|value| value.abs())).first().is_some_and(|patch| above[*patch]);
    let (region, seeds): (Vec<bool>, Vec<usize>) = if covered >= corners || !strongest_above {
        (above.into_iter().map(|above| !above).collect(), largest(vector.iter().map(|value| -value)))
    } else {
        (above, largest(vector.iter().copied()))
    };
    // Any of equally good seeds would do, and LAPACK's rounding picks one. The largest component is the likeliest object; the last of equally large
    // ones agrees with the reference's three ties.
    let mut components: Vec<Vec<bool>> = Vec::new();
    for seed in seeds {
        if !components.iter().any(|component| component[seed]) {
            components.push(grid.component(&region, seed));
        }
    }
    let tied = components.len() > 1;
    let area = |component: &Vec<bool>| component.iter().filter(|inside| **inside).count();
    let mask = components.into_iter().max_by_key(area).unwrap_or_else(|| vec![false; vector.len()]);
    Part { mask, tied }
}

/// The largest of the values, and those that rounding could have made the largest: patches with equal rows of A have equal entries in exact arithmetic.
fn largest(values: impl Iterator<Item = f64> + Clone) -> Vec<usize> {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    let limit = largest - 1e-7 * largest.abs();
    values.enumerate().filter(|(_, value)| *value >= limit).map(|(patch, _)| patch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { rows: 3, columns: 4 };

    fn mask(vector: [f64; 12]) -> Vec<usize> {
        let part = part_of(&vector, GRID, 3);
        assert!(!part.tied);
        (0..12).filter(|patch| part.mask[*patch]).collect()
    }

    #[test]
    fn the_side_without_the_corners_is_the_mask_and_its_seed_s_component_counts() {
        // patches 1, 5 and 7 against the rest, 7 apart from 1 and 5
        let vector = [-1.0, 2.0, -1.0, -1.0, -1.0, 3.0, -1.0, 2.5, -1.0, -1.0, -1.0, -1.0];
        assert_eq!(mask(vector), [1, 5]);
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
        let part = part_of(&vector, GRID, 3);
        assert!(part.tied && part.mask[1] && !part.mask[7]);
    }
}

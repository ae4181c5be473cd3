//! Label maps: for each cell of a grid over an image, its best classes with their logits (ReLabel's form; method 3, paper 3.2 and F.3).

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The best classes of each cell of a grid that lies over the whole image, with their logits; all other classes of a cell count 0.
///
/// Valid by construction: no side is zero, the logits are finite, and no class stands twice in one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct LabelMap {
    depth: usize,
    rows: usize,
    columns: usize,
    logits: Vec<f32>,
    classes: Vec<u32>,
}

/// A map as it was read.
#[derive(Deserialize)]
struct Unchecked {
    depth: usize,
    rows: usize,
    columns: usize,
    logits: Vec<f32>,
    classes: Vec<u32>,
}

impl TryFrom<Unchecked> for LabelMap {
    type Error = String;
    fn try_from(map: Unchecked) -> Result<Self, String> {
        Self::new(map.depth, map.rows, map.columns, map.logits, map.classes).map_err(|error| error.message)
    }
}

impl LabelMap {
    /// Classes a cell in ReLabel's maps.
    pub const DEPTH: usize = 5;
    /// Cells along each side of ReLabel's maps.
    pub const SIDE: usize = 15;

    /// A map from its logits and their classes, both `[depth, rows, columns]` in row order.
    ///
    /// # Errors
    /// A zero side, a wrong number of values, a logit that is not finite, a class that stands twice in one cell.
    pub fn new(depth: usize, rows: usize, columns: usize, logits: Vec<f32>, classes: Vec<u32>) -> Result<Self> {
        let (size, cells) = (depth.saturating_mul(rows).saturating_mul(columns), rows.saturating_mul(columns));
        if size == 0 || logits.len() != size || classes.len() != size {
            return Err(Error::invalid(format!(
                "a label map of {depth} classes a cell and {rows}x{columns} cells needs {size} logits and classes, got {} and {}",
                logits.len(),
                classes.len()
            )));
        }
        if let Some(logit) = logits.iter().find(|logit| !logit.is_finite()) {
            return Err(Error::numeric(format!("a label map holds the logit {logit}")));
        }
        for cell in 0..cells {
            let mut seen: Vec<u32> = (0..depth).map(|rank| classes[rank * cells + cell]).collect();
            seen.sort_unstable();
            if let Some(pair) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(Error::invalid(format!("cell {cell} of a label map holds the class {} twice", pair[0])));
            }
        }
        Ok(Self { depth, rows, columns, logits, classes })
    }

    /// Classes a cell.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Cells down the image.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Cells across the image.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The logits, `[depth, rows, columns]`.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// The classes, `[depth, rows, columns]`.
    pub fn classes(&self) -> &[u32] {
        &self.classes
    }

    /// The classes and logits of a cell, counted row by row.
    pub fn cell(&self, cell: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let cells = self.rows * self.columns;
        (0..self.depth).map(move |rank| (self.classes[rank * cells + cell], self.logits[rank * cells + cell]))
    }
}

//! MaskCut: repeated normalised cuts (SPEC 1.3 to 1.8; Wang et al., CutLER, CVPR 2023).

use convert_sdk::{Error, Result};

use crate::affinity::Affinity;
use crate::bipartition::{Grid, part_of};
use crate::eigen::{SecondEigenvector, second_eigenvector};

/// What MaskCut needs besides the features. SPEC 1 has the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// τ: patches of a greater cosine are alike.
    pub tau: f32,
    /// ε: the affinity of patches that are not.
    pub epsilon: f64,
    /// N: how many cuts are tried.
    pub masks: usize,
    /// From the second cut on, a mask of at most this share of the grid is rejected.
    pub min_area: f64,
    /// From the second cut on, a mask whose IoU with the one before is above this is rejected.
    pub max_iou: f64,
    /// A side of the cut that covers this many of the four corner patches is background.
    pub corners: usize,
    /// End at the first rejection.
    pub early_stop: bool,
}

/// One iteration of MaskCut.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// The mask on the patch grid, in row order; all false when it was rejected.
    pub mask: Vec<bool>,
    /// The eigenvector and its figures.
    pub eigen: SecondEigenvector,
    /// Whether this cut or one that it follows is left to chance: the eigenvector is not determined, or patches in several places are equally good seeds.
    pub degenerate: bool,
}

impl Cut {
    /// Whether the iteration gave no mask.
    pub fn is_rejected(&self) -> bool {
        !self.mask.contains(&true)
    }
}

/// The cuts of an image, one an iteration, rejected ones among them; fewer than asked for when nothing is left to cut.
///
/// # Errors
/// Features that are not one vector a patch.
pub fn maskcut(values: &[f32], grid: Grid, parameters: &Parameters) -> Result<Vec<Cut>> {
    if grid.patches() == 0 {
        return Err(Error::invalid("a patch grid without patches cannot be cut"));
    }
    let mut affinity = Affinity::new(values, grid.patches(), parameters.tau, parameters.epsilon)?;
    let mut cuts: Vec<Cut> = Vec::with_capacity(parameters.masks);
    while cuts.len() < parameters.masks && affinity.has_active() {
        // After a rejection nothing has changed, so the same cut recurs: only the rule that compares it with the mask before differs.
        let recurring = cuts.iter().rev().take_while(|cut| cut.is_rejected()).last().map(|cut| cut.eigen.clone());
        let Some(eigen) = recurring.or_else(|| second_eigenvector(&affinity)) else { break };
        let part = part_of(&eigen.vector, grid, parameters.corners);
        let degenerate = eigen.degenerate || part.tied || cuts.last().is_some_and(|previous| previous.degenerate);
        let mut mask = part.mask;
        if cuts.last().is_some_and(|previous| is_rejected(&mask, &previous.mask, parameters)) {
            mask.fill(false);
        }
        affinity.remove(&mask);
        let cut = Cut { mask, eigen, degenerate };
        let stop = parameters.early_stop && cut.is_rejected();
        cuts.push(cut);
        if stop {
            break;
        }
    }
    Ok(cuts)
}

/// SPEC 1.7. The mask before may be a rejected, empty one, as in CutLER's code.
fn is_rejected(mask: &[bool], previous: &[bool], parameters: &Parameters) -> bool {
    let count = |keep: fn(bool, bool) -> bool| mask.iter().zip(previous).filter(|(a, b)| keep(**a, **b)).count() as f64;
    let (intersection, union) = (count(|a, b| a && b), count(|a, b| a || b));
    let area = count(|a, _| a) / mask.len() as f64;
    intersection > parameters.max_iou * union || area <= parameters.min_area
}

//! MaskCut: repeated normalised cuts (method 1.3 to 1.8; Wang et al., CutLER, CVPR 2023).
//!
//! Memory for an image of n patches of d numbers: 8·n·d bytes for features, n²/8 for the affinity, 1,280·n while it is computed, and 8·n a Lanczos step: for
//! n = 3600 and d = 768 some 30 MB. A crowded spectrum that the dense solver gets takes about 32·n² bytes, there 415 MB.

use convert_sdk::{Error, Result};

use crate::affinity::Affinity;
use crate::bipartition::{Grid, part_of};
use crate::eigen::{SecondEigenvector, second_eigenvector};

/// What MaskCut needs besides the features. Method 1 has the values.
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
    /// Whether the patches of earlier masks stay in the graph, like none, as method 1.8 has it; otherwise later cuts are of the remaining patches alone.
    pub keep_masked: bool,
    /// Whether the foreground's components besides the seed's become masks of their own, if larger than `min_area`.
    pub split_components: bool,
}

/// One iteration of MaskCut.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// The mask on the patch grid, in row order; all false when it was rejected.
    pub mask: Vec<bool>,
    /// The foreground's other components, where they are wanted.
    pub others: Vec<Vec<bool>>,
    /// The eigenvector and its figures.
    pub eigen: SecondEigenvector,
    /// Whether this cut or one that it follows is left to chance: the eigenvector is not determined, or patches in several places are equally good seeds.
    pub degenerate: bool,
}

impl Cut {
    /// Whether the iteration gave no mask.
    pub fn is_rejected(&self) -> bool {
        !self.mask.contains(&true) && self.others.is_empty()
    }
}

/// The cuts of an image, one an iteration, rejected ones among them; fewer than asked for when nothing is left to cut.
///
/// # Errors
/// Features that are not one vector a patch.
pub fn maskcut(values: &[f32], grid: Grid, parameters: &Parameters) -> Result<Vec<Cut>> {
    cut(Affinity::new(values, grid.patches(), parameters.tau, parameters.epsilon)?, grid, parameters)
}

/// The same, of the patches' affinity.
///
/// # Errors
/// A grid without patches; what libtorch says of a dense problem.
pub fn cut(affinity: Affinity, grid: Grid, parameters: &Parameters) -> Result<Vec<Cut>> {
    let mut cutting = Cutting::new(affinity, grid, parameters)?;
    while !cutting.finished {
        let eigen = cutting.eigenvector()?;
        cutting.apply(eigen);
    }
    Ok(cutting.cuts)
}

/// An image between two cuts.
struct Cutting<'a> {
    affinity: Affinity,
    grid: Grid,
    parameters: &'a Parameters,
    cuts: Vec<Cut>,
    finished: bool,
}

impl<'a> Cutting<'a> {
    fn new(affinity: Affinity, grid: Grid, parameters: &'a Parameters) -> Result<Self> {
        if grid.patches() == 0 {
            return Err(Error::invalid("a patch grid without patches cannot be cut"));
        }
        let finished = parameters.masks == 0 || !affinity.has_active();
        Ok(Self { affinity, grid, parameters, cuts: Vec::with_capacity(parameters.masks), finished })
    }

    /// Where to look for the next cut's vector.
    fn guess(&self) -> &[f64] {
        self.cuts.last().map_or(&[], |cut| &cut.eigen.third)
    }

    /// After a rejection nothing has changed, so the same cut recurs: only the rule that compares it with the mask before differs.
    fn recurring(&self) -> Option<&SecondEigenvector> {
        self.cuts.iter().rev().take_while(|cut| cut.is_rejected()).last().map(|cut| &cut.eigen)
    }

    /// Whether the next cut is of all patches, those of earlier masks among them.
    fn is_whole(&self) -> bool {
        self.parameters.keep_masked || !self.affinity.active().contains(&false)
    }

    /// The next cut's eigenvector: of all patches, or of those that are left and 0 for the others.
    fn eigenvector(&self) -> Result<Option<SecondEigenvector>> {
        match self.recurring() {
            Some(eigen) => Ok(Some(eigen.clone())),
            None if self.is_whole() => second_eigenvector(&self.affinity, self.guess()),
            None => active_eigenvector(&self.affinity, self.guess()),
        }
    }

    /// Makes the cut of an eigenvector; without one, no cut is left.
    fn apply(&mut self, eigen: Option<SecondEigenvector>) {
        let Some(eigen) = eigen else {
            self.finished = true;
            return;
        };
        let parameters = self.parameters;
        let everywhere = vec![true; self.grid.patches()];
        let present = if parameters.keep_masked { &everywhere } else { self.affinity.active() };
        let mut part = part_of(&eigen.vector, present, self.grid, parameters.corners);
        let degenerate = eigen.degenerate || part.tied || self.cuts.last().is_some_and(|previous| previous.degenerate);
        if self.cuts.last().is_some_and(|previous| is_rejected(&part.mask, &previous.mask, parameters)) {
            part.mask.fill(false);
        }
        self.affinity.remove(&part.mask);
        part.others.retain(|other| parameters.split_components && area(other) > parameters.min_area);
        part.others.iter().for_each(|other| self.affinity.remove(other));
        let cut = Cut { mask: part.mask, others: part.others, eigen, degenerate };
        self.finished = parameters.early_stop && cut.is_rejected() || self.cuts.len() + 1 >= parameters.masks || !self.affinity.has_active();
        self.cuts.push(cut);
    }
}

/// Method 1.7. The mask before may be a rejected, empty one, as in CutLER's code.
fn is_rejected(mask: &[bool], previous: &[bool], parameters: &Parameters) -> bool {
    let count = |keep: fn(bool, bool) -> bool| mask.iter().zip(previous).filter(|(a, b)| keep(**a, **b)).count() as f64;
    let (intersection, union) = (count(|a, b| a && b), count(|a, b| a || b));
    intersection > parameters.max_iou * union || area(mask) <= parameters.min_area
}

/// The share of the grid that a mask covers.
fn area(mask: &[bool]) -> f64 {
    mask.iter().filter(|inside| **inside).count() as f64 / mask.len() as f64
}

/// The eigenvector of the patches that are left; 0 for the others. `guess` is where the search begins.
fn active_eigenvector(affinity: &Affinity, guess: &[f64]) -> Result<Option<SecondEigenvector>> {
    let active = affinity.active();
    let left: Vec<f64> = guess.iter().zip(active).filter(|(_, active)| **active).map(|(value, _)| *value).collect();
    let Some(mut eigen) = second_eigenvector(&affinity.active_part(), &left)? else { return Ok(None) };
    let spread = |entries: Vec<f64>| -> Vec<f64> {
        let mut entries = entries.into_iter();
        active.iter().map(|active| if *active { entries.next().unwrap_or(0.0) } else { 0.0 }).collect()
    };
    eigen.vector = spread(std::mem::take(&mut eigen.vector));
    eigen.third = spread(std::mem::take(&mut eigen.third));
    Ok(Some(eigen))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: Parameters = Parameters {
        tau: 0.5,
        epsilon: 1e-5,
        masks: 3,
        min_area: 0.01,
        max_iou: 0.5,
        corners: 3,
        early_stop: true,
        keep_masked: true,
        split_components: false,
    };

    /// A grid whose letters are groups of patches that share nothing.
    fn cuts_of(rows: &[&str], parameters: Parameters) -> Vec<Cut> {
        let letters: Vec<u8> = rows.concat().into_bytes();
        let values: Vec<f32> = letters.iter().flat_map(|letter| (b'a'..=b'd').map(|group| f32::from(u8::from(group == *letter)))).collect();
        maskcut(&values, Grid { rows: rows.len(), columns: rows[0].len() }, &parameters).unwrap()
    }

    fn patches(mask: &[bool]) -> Vec<usize> {
        (0..mask.len()).filter(|patch| mask[*patch]).collect()
    }

    #[test]
    fn equal_objects_apart_are_one_cut_and_split_into_components_on_request() {
        let rows = ["aaaaaa", "abaaba", "abaaaa", "aaaaaa"];
        let plain = cuts_of(&rows, Parameters { masks: 1, ..PARAMETERS });
        assert_eq!((patches(&plain[0].mask), plain[0].others.len()), (vec![7, 13], 0));
        let split = cuts_of(&rows, Parameters { masks: 1, split_components: true, ..PARAMETERS });
        assert_eq!((patches(&split[0].mask), patches(&split[0].others[0])), (vec![7, 13], vec![10]));
    }

    #[test]
    fn a_second_object_is_found_with_and_without_the_first_in_the_graph() {
        let rows = ["aaaaaa", "abbaaa", "aaaaca", "aaaaaa"];
        for keep_masked in [true, false] {
            let cuts = cuts_of(&rows, Parameters { keep_masked, masks: 9, ..PARAMETERS });
            let found: Vec<Vec<usize>> = cuts.iter().map(|cut| patches(&cut.mask)).collect();
            assert!(found.contains(&vec![7, 8]) && found.contains(&vec![16]), "keep_masked {keep_masked}: {found:?}");
        }
    }

    #[test]
    fn without_an_early_stop_every_attempt_is_made() {
        let rows = ["aaaaaa", "abbaaa", "aaaaaa"];
        assert!(cuts_of(&rows, PARAMETERS).len() < 5);
        assert_eq!(cuts_of(&rows, Parameters { early_stop: false, masks: 5, max_iou: 0.0, min_area: 1.0, ..PARAMETERS }).len(), 5);
    }

    #[test]
    fn nothing_to_cut_gives_no_cuts() {
        assert!(cuts_of(&["aaaa", "aaaa"], PARAMETERS).is_empty());
        assert!(cuts_of(&["zzzz", "zzzz"], PARAMETERS).is_empty());
        assert!(cuts_of(&["a"], Parameters { masks: 1000, ..PARAMETERS }).is_empty());
    }
}

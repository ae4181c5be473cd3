//! The rule by which a refined mask that is no longer the proposed one is dropped (method 1.10).

use convert_sdk::{Mask, Proposal, Refinement, Result};

/// Keeps a proposal with its refined mask, unless that is empty or its IoU with the mask before is below `min_iou`.
pub(crate) fn keep_if_alike(proposal: &Proposal, refined: Mask, min_iou: f64, step: &str) -> Result<Refinement> {
    if refined.is_empty() {
        return Ok(Refinement::Drop { reason: format!("{step} left nothing of the mask") });
    }
    let iou = proposal.mask.iou(&refined)?;
    if iou < min_iou {
        return Ok(Refinement::Drop { reason: format!("{step} changed the mask too much: iou {iou:.3} is below {min_iou}") });
    }
    Ok(Refinement::Keep(Proposal { mask: refined, ..proposal.clone() }))
}

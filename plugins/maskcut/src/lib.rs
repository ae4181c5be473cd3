//! Proposer maskcut: normalised cuts on patch features.

mod affinity;
mod bipartition;
mod eigen;
mod maskcut;
mod proposer;
#[cfg(test)]
mod rules;
mod sign;
mod tridiagonal;
mod vectors;

pub use affinity::Affinity;
pub use bipartition::{Grid, Part, part_of};
pub use eigen::{SecondEigenvector, second_eigenvector};
pub use maskcut::{Cut, Parameters, cut, maskcut};
pub use proposer::{MaskCut, MaskCutConfig};

convert_sdk::export_plugins! {
    proposer "maskcut" => MaskCut { results_version: 1, seeded: false, device: true },
}

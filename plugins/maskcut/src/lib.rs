//! Proposer maskcut: normalised cuts on patch features.

mod affinity;
mod bipartition;
mod eigen;
mod maskcut;
mod proposer;
mod sign;
mod tridiagonal;
mod vectors;

pub use affinity::Affinity;
pub use bipartition::{mask_of, Grid};
pub use eigen::{second_eigenvector, SecondEigenvector};
pub use maskcut::{maskcut, Cut, Parameters};
pub use proposer::{MaskCut, MaskCutConfig};

convert_sdk::export_plugins! {
    proposer "maskcut" => MaskCut,
}

//! Fully connected CRFs with Gaussian pairwise terms and two labels (Krähenbühl & Koltun, NeurIPS 2011; method 2).
//!
//! The pairwise terms are filtered on permutohedral lattices (Adams, Baek & Davis, Eurographics 2010) exactly as `pydensecrf` filters them, so that the
//! results are its results up to rounding. Two labels with Potts terms need one number a pixel instead of two: the messages enter only as their
//! difference, and the filter is linear, so the difference of the two filtered probabilities is the filtered difference.
//!
//! Memory: about 110 bytes a pixel, and 110 to 150 bytes a lattice point, of which a photo of 480x480 has some 40,000 to 450,000. While a lattice is built, a hash table of
//! its points besides: 32 to 64 bytes a pixel, and 32 MB at most before it must grow.

mod lanes;
mod lattice;
mod mean_field;
mod packing;
mod simplex;
mod table;

pub use mean_field::{CrfMemory, CrfModel, CrfParameters, PositionLattice};

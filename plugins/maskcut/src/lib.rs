//! Proposer maskcut: normalised cuts on patch features

//! What the host relies on and no type says, as one check a role, for the tests of plugins:
//!
//! ```ignore
//! #[test]
//! fn it_keeps_the_rules() {
//!     convert_testing::proposer::<Grid>(r#"{"cells": 3}"#);
//! }
//! ```
//!
//! Each check builds the plugin from a config (JSON) as the host does, calls it through the ABI with synthetic images, and panics with the rule that is broken: the same input gives the same output, also from
//! several threads and in batches; odd sizes and empty input are no panic; answers have the sizes and numbers that were asked for; every config key has its documentation, and others are refused.

mod build;
mod images;
mod input;
mod roles;

pub use images::images;
pub use roles::{dataset, exporter, extractor, labeler, postprocessor, proposer, refiner, selector};

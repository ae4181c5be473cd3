//! The proposer `coco-masks`: masks that exist already, CutLER's pseudo-masks above all.

mod file;
mod proposer;
mod results;
mod segmentation;
mod spool;

pub use proposer::{CocoMasks, CocoMasksConfig, Missing};

convert_sdk::export_plugins! {
    proposer "coco-masks" => CocoMasks,
}

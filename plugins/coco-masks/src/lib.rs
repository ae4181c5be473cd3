//! What exists already: the proposers `coco-masks`, CutLER's pseudo-masks above all, and `imagenet-s`; the labeler `region-results`.

mod file;
mod imagenet_s;
mod labeler;
mod proposer;
mod results;
mod segmentation;
mod spool;

pub use imagenet_s::{ImageNetS, ImageNetSConfig};
pub use labeler::{StoredResults, StoredResultsConfig};
pub use proposer::{CocoMasks, CocoMasksConfig, Missing};

convert_sdk::export_plugins! {
    proposer "coco-masks" => CocoMasks { results_version: 1, seeded: false },
    proposer "imagenet-s" => ImageNetS { results_version: 1, seeded: false },
    labeler "region-results" => StoredResults { results_version: 1, seeded: false },
}

//! Exporters: the labels as files that other programs read.

mod coco;
mod cutler_coco;
mod multilabel_tsv;
mod region_results;

pub use coco::{Coco, CocoConfig};
pub use cutler_coco::{CutlerCoco, CutlerCocoConfig};
pub use multilabel_tsv::{MultilabelTsv, MultilabelTsvConfig};
pub use region_results::{RegionResults, RegionResultsConfig};

convert_sdk::export_plugins! {
    exporter "multilabel-tsv" => MultilabelTsv,
    exporter "coco" => Coco,
    exporter "cutler-coco" => CutlerCoco,
    exporter "region-results" => RegionResults,
}

//! Exporters: the labels as files that other programs read.

mod coco;
mod multilabel_tsv;

pub use coco::{Coco, CocoConfig};
pub use multilabel_tsv::{MultilabelTsv, MultilabelTsvConfig};

convert_sdk::export_plugins! {
    exporter "multilabel-tsv" => MultilabelTsv,
    exporter "coco" => Coco,
}

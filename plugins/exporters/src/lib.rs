//! Exporters: the labels as files that other programs read.

mod coco;
mod jsonl;
mod multilabel_tsv;
mod parquet;
mod rows;
mod training_json;

pub use coco::{Coco, CocoConfig};
pub use jsonl::{Jsonl, JsonlConfig};
pub use multilabel_tsv::{MultilabelTsv, MultilabelTsvConfig};
pub use parquet::{Parquet, ParquetConfig};
pub use training_json::{TrainingJson, TrainingJsonConfig};

convert_sdk::export_plugins! {
    exporter "multilabel-tsv" => MultilabelTsv,
    exporter "coco" => Coco,
    exporter "jsonl" => Jsonl,
    exporter "parquet" => Parquet,
    exporter "training-json" => TrainingJson,
}

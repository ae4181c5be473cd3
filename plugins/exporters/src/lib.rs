//! Exporters: the labels as files that other programs read.

mod coco;
mod coco_file;
mod cutler_coco;
mod jsonl;
mod multilabel_tsv;
mod parquet;
mod region_results;
mod rows;
mod training_json;

pub use coco::{Coco, CocoConfig};
pub use cutler_coco::{CutlerCoco, CutlerCocoConfig};
pub use jsonl::{Jsonl, JsonlConfig};
pub use multilabel_tsv::{MultilabelTsv, MultilabelTsvConfig};
pub use parquet::{Parquet, ParquetConfig};
pub use region_results::{RegionResults, RegionResultsConfig};
pub use training_json::{TrainingJson, TrainingJsonConfig};

convert_sdk::export_plugins! {
    exporter "multilabel-tsv" => MultilabelTsv { results_version: 1, seeded: false },
    exporter "coco" => Coco { results_version: 1, seeded: false },
    exporter "cutler-coco" => CutlerCoco { results_version: 1, seeded: false },
    exporter "region-results" => RegionResults { results_version: 1, seeded: false },
    exporter "jsonl" => Jsonl { results_version: 1, seeded: false },
    exporter "parquet" => Parquet { results_version: 1, seeded: false },
    exporter "training-json" => TrainingJson { results_version: 1, seeded: false },
}

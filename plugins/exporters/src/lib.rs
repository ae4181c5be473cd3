//! Exporters: the labels as files that other programs read.

mod coco;
mod coco_file;
mod cutler_coco;
mod cvat;
mod hf_imagefolder;
mod jsonl;
mod label_studio;
mod multilabel_tsv;
mod parquet;
mod pictures;
mod region_results;
mod rows;
#[cfg(test)]
mod rules;
mod training_json;
mod webdataset;
mod yolo_seg;
mod zip_file;

pub use coco::{Coco, CocoConfig};
pub use cutler_coco::{CutlerCoco, CutlerCocoConfig};
pub use cvat::{Cvat, CvatConfig};
pub use hf_imagefolder::{HfImagefolder, HfImagefolderConfig};
pub use jsonl::{Jsonl, JsonlConfig};
pub use label_studio::{LabelStudio, LabelStudioConfig};
pub use multilabel_tsv::{MultilabelTsv, MultilabelTsvConfig};
pub use parquet::{Parquet, ParquetConfig};
pub use region_results::{RegionResults, RegionResultsConfig};
pub use training_json::{TrainingJson, TrainingJsonConfig};
pub use webdataset::{WebDataset, WebDatasetConfig};
pub use yolo_seg::{YoloSeg, YoloSegConfig};

/// Half pixels that an exported outline may leave a mask's border: the stairs of slanted lines vanish.
const OUTLINE_TOLERANCE: f64 = 1.4;

/// Whether a key of a config is a probability.
fn check_probability(key: &str, value: f32) -> convert_sdk::Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(convert_sdk::Error::config(format!("{key} is {value}: give a probability from 0 to 1")))
}

convert_sdk::export_plugins! {
    exporter "multilabel-tsv" => MultilabelTsv { results_version: 1, seeded: false },
    exporter "coco" => Coco { results_version: 2, seeded: false },
    exporter "cutler-coco" => CutlerCoco { results_version: 2, seeded: false },
    exporter "region-results" => RegionResults { results_version: 1, seeded: false },
    exporter "jsonl" => Jsonl { results_version: 2, seeded: false },
    exporter "parquet" => Parquet { results_version: 2, seeded: false },
    exporter "training-json" => TrainingJson { results_version: 2, seeded: false },
    exporter "webdataset" => WebDataset { results_version: 1, seeded: false },
    exporter "hf-imagefolder" => HfImagefolder { results_version: 1, seeded: false },
    exporter "yolo-seg" => YoloSeg { results_version: 1, seeded: false },
    exporter "label-studio" => LabelStudio { results_version: 1, seeded: false },
    exporter "cvat" => Cvat { results_version: 1, seeded: false },
}

//! Each plugin keeps the rules of its role.

use super::{Coco, CutlerCoco, Cvat, HfImagefolder, Jsonl, LabelStudio, MultilabelTsv, Parquet, RegionResults, TrainingJson, WebDataset, YoloSeg};

#[test]
fn multilabel_tsv() {
    convert_testing::exporter::<MultilabelTsv>("{}");
}

#[test]
fn coco() {
    convert_testing::exporter::<Coco>("{}");
}

#[test]
fn cutler_coco() {
    convert_testing::exporter::<CutlerCoco>("{}");
}

#[test]
fn region_results() {
    convert_testing::exporter::<RegionResults>("{}");
}

#[test]
fn jsonl() {
    convert_testing::exporter::<Jsonl>("{}");
}

#[test]
fn parquet() {
    convert_testing::exporter::<Parquet>("{}");
}

#[test]
fn training_json() {
    convert_testing::exporter::<TrainingJson>("{}");
}

#[test]
fn webdataset() {
    convert_testing::exporter::<WebDataset>("{}");
}

#[test]
fn hf_imagefolder() {
    convert_testing::exporter::<HfImagefolder>("{}");
}

#[test]
fn yolo_seg() {
    convert_testing::exporter::<YoloSeg>("{}");
}

#[test]
fn label_studio() {
    convert_testing::exporter::<LabelStudio>("{}");
}

#[test]
fn cvat() {
    convert_testing::exporter::<Cvat>("{}");
}

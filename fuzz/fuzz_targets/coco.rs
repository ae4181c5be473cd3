//! COCO files as datasets, with their annotations as the truth.
#![no_main]
use convert_datasets::Coco;
use convert_fuzz::{dataset, with_file};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|bytes: &[u8]| {
    with_file("coco.json", bytes, |path| {
        dataset::<Coco>(|_| json!({"file": path, "label": "largest-area", "incomplete": "skip", "truth": true}));
    });
});

//! Parquet shards.
#![no_main]
use convert_datasets::Parquet;
use convert_fuzz::{dataset, with_file};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|bytes: &[u8]| {
    with_file("train.parquet", bytes, |_| dataset::<Parquet>(|root| json!({"root": root, "incomplete": "skip"})));
});

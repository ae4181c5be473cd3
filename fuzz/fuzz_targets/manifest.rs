//! Manifests: the first byte says which of the forms.
#![no_main]
use convert_datasets::Manifest;
use convert_fuzz::{dataset, with_file};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let name = ["table.csv", "table.tsv", "table.jsonl"][usize::from(*kind) % 3];
    with_file(name, bytes, |path| dataset::<Manifest>(|_| json!({"file": path})));
});

//! Label sets: tab-separated, ReaL, ImageNetV2, training JSON, COCO.
#![no_main]
use convert_formats::label_sets::{Cooccurrence, Predictions, Truth};
use convert_fuzz::with_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    with_file("labels", bytes, |path| {
        let _ = Predictions::read(path);
        let Ok(truth) = Truth::read(path, 0.5) else { return };
        let mut counts = Cooccurrence::default();
        truth.sets().iter().for_each(|set| drop(counts.add(set)));
        let _ = counts.most_frequent(1, 10);
    });
});

//! Segmentations in all three forms, on an image of 100 x 80 pixels and of unknown size.
#![no_main]
use convert_formats::coco::Segmentation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(segmentation) = serde_json::from_slice::<Segmentation>(bytes) else { return };
    if let Ok(mask) = segmentation.mask((100, 80)) {
        assert_eq!(convert_sdk::Mask::from_counts(mask.width(), mask.height(), &mask.counts()).as_ref(), Ok(&mask));
        let _ = (mask.bounding_box(), mask.fit_to(100, 80), mask.resize_nearest(15, 15));
    }
    let _ = segmentation.mask((0, 0));
});

//! Selectors: which regions of an image the labeler trains on.

mod keep_largest;

pub use keep_largest::{KeepLargest, KeepLargestConfig};

convert_sdk::export_plugins! {
    selector "keep-largest" => KeepLargest,
}

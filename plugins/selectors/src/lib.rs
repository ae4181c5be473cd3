//! Selectors: which regions of an image the labeler trains on.

mod keep_largest;
mod relabel;
#[cfg(test)]
mod rules;

pub use keep_largest::{KeepLargest, KeepLargestConfig};
pub use relabel::{Keep, Maps, RelabelFilter, RelabelFilterConfig};

convert_sdk::export_plugins! {
    selector "keep-largest" => KeepLargest { results_version: 1, seeded: false },
    selector "relabel-filter" => RelabelFilter { results_version: 1, seeded: false },
}

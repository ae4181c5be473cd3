//! Extractor `patch-features`: the features of any backbone, for `convert features`.

mod extractor;
#[cfg(test)]
mod rules;

pub use extractor::{PatchFeatures, PatchFeaturesConfig};

convert_sdk::export_plugins! {
    extractor "patch-features" => PatchFeatures { results_version: 1, seeded: false, device: true },
}

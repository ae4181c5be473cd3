//! Each plugin keeps the rules of its role.

use super::PatchFeatures;

#[test]
fn patch_features() {
    convert_testing::extractor::<PatchFeatures>(r#"{"backbone": {"family": "patch-stats"}, "input_size": 64}"#);
}

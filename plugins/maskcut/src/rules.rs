//! Each plugin keeps the rules of its role.

use super::MaskCut;

#[test]
fn maskcut() {
    convert_testing::proposer::<MaskCut>(r#"{"backbone": {"family": "patch-stats"}, "feature": "k", "input_size": 96, "tau": 0.9, "masks": 2}"#);
}

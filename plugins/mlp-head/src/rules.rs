//! Each plugin keeps the rules of its role.

use super::MlpHead;

#[test]
fn mlp_head() {
    convert_testing::labeler::<MlpHead>(r#"{"backbone": {"family": "patch-stats"}, "input_size": 64, "epochs": 3}"#);
}

//! Each plugin keeps the rules of its role.

use super::Scenes;

#[test]
fn scenes() {
    convert_testing::dataset::<Scenes>(r#"{"count": 6, "size": 64}"#);
}

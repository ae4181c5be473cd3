//! Each plugin keeps the rules of its role.

use super::{KeepLargest, RelabelFilter};

#[test]
fn keep_largest() {
    convert_testing::selector::<KeepLargest>("{}");
}

#[test]
fn relabel_filter() {
    convert_testing::selector::<RelabelFilter>(r#"{"maps": "own", "keep": "best", "rounds": 2}"#);
}

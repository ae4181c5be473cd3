//! The plugin keeps the rules of its role.

use super::SelectiveSearch;

#[test]
fn selective_search() {
    convert_testing::proposer::<SelectiveSearch>("{}");
}

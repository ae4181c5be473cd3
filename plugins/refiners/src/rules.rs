//! Each plugin keeps the rules of its role.

use super::{DenseCrf, DropSmall, FillHoles, GrabCut, Nms};

#[test]
fn dense_crf() {
    convert_testing::refiner::<DenseCrf>(r#"{"iterations": 2}"#);
}

#[test]
fn fill_holes() {
    convert_testing::refiner::<FillHoles>("{}");
}

#[test]
fn drop_small() {
    convert_testing::refiner::<DropSmall>(r#"{"min_area": 0.1}"#);
}

#[test]
fn grabcut() {
    convert_testing::refiner::<GrabCut>("{}");
}

#[test]
fn nms() {
    convert_testing::refiner::<Nms>(r#"{"max_iou": 0.5}"#);
}

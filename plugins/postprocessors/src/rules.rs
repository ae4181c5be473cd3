//! Each plugin keeps the rules of its role.

use super::{AsymmetricThreshold, CooccurrencePrior};

/// The truth of three images, in which the classes 0 and 1 come together.
fn truth() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("truth.json");
    std::fs::write(&file, r#"{"a.jpg": [0, 1], "b.jpg": [0, 1], "c.jpg": [2]}"#).unwrap();
    let calibration = format!(r#"{{"truth": {file:?}, "min_count": 1}}"#);
    (folder, calibration)
}

#[test]
fn cooccurrence_prior() {
    let (_folder, calibration) = truth();
    convert_testing::postprocessor::<CooccurrencePrior>(&format!(r#"{{"calibration": {calibration}}}"#));
}

#[test]
fn asymmetric_threshold() {
    let (folder, calibration) = truth();
    let labels = folder.path().join("labels.tsv");
    std::fs::write(&labels, "a.jpg\t0\t0,1\t1.0,0.5\nb.jpg\t0\t0,1\t1.0,0.25\nc.jpg\t2\t2\t1.0\n").unwrap();
    convert_testing::postprocessor::<AsymmetricThreshold>(&format!(r#"{{"calibration": {calibration}, "labels": {labels:?}}}"#));
}

//! `scripts/bench-gpu.sh` without a GPU: its form for a CPU at a small size, with the libtorch of the build.

use std::process::Command;

use convert_tests::{build_folder, repository};

#[test]
fn the_comparison_of_devices_runs_on_a_cpu_and_finds_it_equal_to_itself() {
    let script = repository().join("scripts/bench-gpu.sh");
    let output = Command::new(script).args(["--device", "cpu", "--small"]).env("BUILD", build_folder()).output().expect("bash can be started");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
    let rows = |title: &str| -> Vec<Vec<String>> {
        let part = text
            .split(&format!("## {title}\n"))
            .nth(1)
            .unwrap_or_else(|| panic!("no part {title}: {text}"))
            .split("\n## ")
            .next()
            .unwrap_or_default();
        let lines = part.lines().filter(|line| line.starts_with("| ")).skip(1);
        lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
    };
    let number = |cell: &str| cell.parse::<f64>().unwrap_or_else(|_| panic!("{cell} is no number: {text}"));

    let features = rows("Features");
    assert_eq!(features.len(), 12, "{text}");
    for row in &features {
        // Against PyTorch's stored features, and bf16 against fp32: far from equal, and far from wrong.
        let (least, most) = if row[1] == "cpu fp32" { (0.0, 1e-5) } else { (1e-6, 2e-2) };
        assert!((least..most).contains(&number(&row[3])), "{row:?}");
    }
    let masks = rows("Masks from stored features");
    assert_eq!(masks.len(), 2, "{text}");
    for row in &masks {
        assert!(number(&row[2]) > 0.0 && row[2] == row[3], "determined cuts are the same one by one and together: {row:?}");
    }
    assert!(text.contains("- cpu fp32: per-image AP 0.") && text.contains("- cpu bf16: masks "), "{text}");
    assert_eq!(rows("Bare models").len(), 8, "{text}");
    let stages = rows("Stages and the chain");
    let names: Vec<&str> = stages.iter().map(|row| row[0].as_str()).collect();
    for name in ["proposals-vit", "refine-vit-1-dense-crf", "train-mlp-head", "predict-mlp-head", "the chain, start and training included"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for cell in stages.iter().flat_map(|row| &row[1..]) {
        assert!(number(cell.split(' ').next().unwrap_or_default()) > 0.0, "{cell}");
    }
}

#[test]
fn a_device_that_is_not_there_ends_the_comparison_in_a_clear_line() {
    if std::path::Path::new("/proc/driver/nvidia/gpus").exists() {
        return convert_tests::skipped("a_device_that_is_not_there_ends_the_comparison_in_a_clear_line", "this machine has one");
    }
    let script = repository().join("scripts/bench-gpu.sh");
    let output = Command::new(script).arg("--small").env("BUILD", build_folder()).output().expect("bash can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("device cuda is not there: ") && errors.contains("take cpu"), "{errors}");
}

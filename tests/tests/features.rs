//! `convert features` and `convert doctor` from outside.

use convert_formats::tensors::TensorFile;
use convert_tests::{Place, convert, repository, shared, skipped, stderr, stdout};

fn models() -> std::path::PathBuf {
    repository().join("plugins/backbones/tests/data")
}

fn features(place: &Place, backbone: &str, images: &[&str]) -> std::process::Output {
    let mut command = convert();
    command.current_dir(place.path("")).args(["features", "--backbone", backbone, "--output", "features.safetensors", "--image"]).args(images);
    command.output().expect("convert can be started")
}

#[test]
fn features_are_one_tensor_with_the_grid_beside_it() {
    let place = Place::new("");
    place.write_images(&["apple", "pear"], 1);
    let backbone =
        format!(r#"{{"family": "dinov3", "weights": "{}", "feature": "v", "layer": 1, "input_size": 64}}"#, models().join("dinov3").display());
    let images = ["data/apple/apple-000.png", "data/pear/pear-000.png"];
    let output = features(&place, &backbone, &images);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let both = TensorFile::open(&place.path("features.safetensors")).unwrap();
    assert_eq!(both.entries()["features"].shape, [2, 16, 32]);
    assert_eq!((both.metadata()["rows"].as_str(), both.metadata()["columns"].as_str()), ("4", "4"));
    assert_eq!(both.metadata()["images"], serde_json::json!(images).to_string());
    let values = both.read_f64("features").unwrap();
    assert!(values.iter().all(|value| value.is_finite()));
    assert_ne!(values[..16 * 32], values[16 * 32..]);
    // The nested form, and an image alone, give the same numbers.
    let nested = format!(
        r#"{{"backbone": {{"family": "dinov3", "weights": "{}"}}, "feature": "v", "layer": 1, "input_size": 64}}"#,
        models().join("dinov3").display()
    );
    let output = features(&place, &nested, &images[1..]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(TensorFile::open(&place.path("features.safetensors")).unwrap().read_f64("features").unwrap(), values[16 * 32..]);
}

/// Everything that is wrong with a backbone ends the command in one line, with exit code 2, before an image is read: the image does not exist.
#[test]
fn a_wrong_backbone_is_refused_before_any_image_is_read() {
    let place = Place::new("");
    let models = models();
    let whole = std::fs::read(models.join("vit/model.safetensors")).unwrap();
    std::fs::write(place.path("short.safetensors"), &whole[..whole.len() - 9]).unwrap();
    let mut broken = whole.clone();
    let last = broken.len() - 4;
    broken[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(place.path("nan.safetensors"), &broken).unwrap();
    std::fs::copy(repository().join("sdk/formats/tests/data/evil.pth"), place.path("evil.pth")).unwrap();
    let vit = models.join("vit").display().to_string();
    let cases = [
        (r#"{"family": "dinov1"}"#.to_owned(), "family dinov1 needs weights"),
        (r#"{"family": "dinov1", "weights": "none.pth"}"#.to_owned(), "does not exist"),
        (r#"{"family": "dinov1", "weights": "short.safetensors", "heads": 2}"#.to_owned(), "whole safetensors file"),
        (r#"{"family": "dinov1", "weights": "nan.safetensors", "heads": 2}"#.to_owned(), "holds numbers that are not finite"),
        (r#"{"family": "dinov1", "weights": "evil.pth"}"#.to_owned(), "refused: the pickle asks for posix.system"),
        (format!(r#"{{"family": "dinov2", "weights": "{vit}"}}"#), "set family: dinov1"),
        (
            format!(r#"{{"family": "dinov1", "weights": "{vit}", "input_size": 30}}"#),
            "input_size 30 is not a multiple of the backbone's patch size 8",
        ),
        (format!(r#"{{"family": "dinov1", "weights": "{vit}", "heads": 5}}"#), "its width 32 cannot be split into 5 heads"),
        (format!(r#"{{"family": "dinov1", "weights": "{vit}", "layer": 3}}"#), "layer 3 is not one of this dinov1 backbone's layers 1 to 2"),
        (r#"{"family": "dinov3", "weights": "dinov3-vitb16"}"#.to_owned(), "get dinov3_vitb16_pretrain_lvd1689m-73cec8be.pth from"),
        (r#"{"famly": "dinov3"}"#.to_owned(), "unknown key `famly`"),
    ];
    for (backbone, expected) in cases {
        let output = features(&place, &backbone, &["missing.jpg"]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{backbone}: {text}");
        assert!(text.contains(expected), "{backbone}: {text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("error:")).count(), 1, "{backbone}: {text}");
        assert!(!place.path("features.safetensors").exists());
    }
}

#[test]
fn a_named_file_is_found_and_checked_by_the_doctor() {
    let place = Place::new("");
    std::fs::write(place.path("dinov3_vits16_pretrain_lvd1689m-08c60483.pth"), "not what it says").unwrap();
    let output = convert().arg("doctor").env("CONVERT_WEIGHTS", place.path("")).output().expect("convert can be started");
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let row = text.lines().find(|line| line.contains("dinov3-vits16 ")).expect("a row for the file");
    assert!(row.contains("WRONG: its SHA-256 begins with"), "{row}");
    assert!(text.contains("plugins in"), "{text}");
    // What the backbones find of libtorch and its devices.
    let finding =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no line {name}: {text}")).trim().to_owned();
    let folder = finding("libtorch ").split(" in ").nth(1).map(std::path::PathBuf::from).expect("a version in a folder");
    assert!(folder.join("libtorch_cpu.so").is_file(), "{}", folder.display());
    assert!(finding("cuda ").contains("libtorch"), "{text}");
    assert!(finding("devices ").starts_with("cpu"), "{text}");
    assert_eq!(finding("precision "), "auto is fp32 on a CPU, bf16 on CUDA");
}

/// Decoding and LANCZOS against Pillow on 50 photos: at most 1 grey level apart anywhere, 0.02 in the mean.
#[test]
fn preprocessing_is_pillows() {
    let Some(shared) = shared("preprocessing_is_pillows") else { return };
    let python = repository().join("vendor/venv/bin/python");
    if !python.exists() {
        return skipped("preprocessing_is_pillows", "vendor/venv is missing: run scripts/setup.sh --python");
    }
    let folder = tempfile::tempdir().unwrap();
    let script = repository().join("tests/tests/data/pillow_resize.py");
    let status =
        std::process::Command::new(python).arg(script).arg(shared.join("photos")).arg(folder.path()).status().expect("python can be started");
    assert!(status.success());
    let list: Vec<(String, u32)> = serde_json::from_slice(&std::fs::read(folder.path().join("list.json")).unwrap()).unwrap();
    assert_eq!(list.len(), 50);
    let (mut worst, mut sum, mut count) = (0, 0u64, 0u64);
    for (index, (photo, size)) in list.iter().enumerate() {
        let image = convert::engine::images::decode(&std::fs::read(photo).unwrap(), Default::default()).unwrap();
        let ours = image.resize_lanczos(*size, *size).unwrap();
        let expected = std::fs::read(folder.path().join(format!("{index}.rgb"))).unwrap();
        assert_eq!(ours.pixels().len(), expected.len());
        for (a, b) in ours.pixels().iter().zip(&expected) {
            worst = worst.max(a.abs_diff(*b));
            sum += u64::from(a.abs_diff(*b));
        }
        count += expected.len() as u64;
    }
    let mean = sum as f64 / count as f64;
    println!("50 photos: largest difference {worst}, mean {mean:.6}");
    assert!(worst <= 1 && mean <= 0.02, "largest difference {worst}, mean {mean}");
}

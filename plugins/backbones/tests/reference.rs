//! Features against those that the original code gave in PyTorch (shared reference data, method 1.1 and 1.2).

use std::io::Write as _;
use std::path::{Path, PathBuf};

use convert_backbones::{Backbone, BackboneConfig, Family, FeatureKind, FeatureRequest, Precision};
use convert_formats::tensors::TensorFile;
use convert_sdk::{Context, Image, InputPath};
use tch::{Kind, Tensor};

fn shared(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CONVERT_SHARED").map(PathBuf::from);
    if folder.is_none() {
        // Not by `eprintln`, which the test harness captures.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: CONVERT_SHARED is not set");
    }
    folder
}

fn decode(path: &Path) -> Image<'static> {
    let bytes = std::fs::read(path).unwrap();
    let mut started = mozjpeg::Decompress::new_mem(&bytes).unwrap().rgb().unwrap();
    let (width, height) = (started.width() as u32, started.height() as u32);
    let pixels: Vec<u8> = started.read_scanlines().unwrap();
    Image::new(width, height, pixels).unwrap()
}

/// The values of a little-endian float16 .npy file; its header is not looked at.
fn read_npy(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let count = ((bytes.len() - start) / 2) as i64;
    Vec::try_from(Tensor::from_data_size(&bytes[start..], &[count], Kind::Half).to_kind(Kind::Float)).unwrap()
}

/// ‖ours − expected‖ / ‖expected‖
fn relative_error(ours: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(ours.len(), expected.len());
    let sum = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    sum(&mut ours.iter().zip(expected).map(|(a, b)| f64::from(a - b))) / sum(&mut expected.iter().map(|b| f64::from(*b)))
}

#[test]
fn features_of_every_kind_are_those_of_pytorch() {
    let Some(shared) = shared("features_of_every_kind_are_those_of_pytorch") else { return };
    let config = BackboneConfig {
        family: Family::Dinov1,
        weights: Some(InputPath::from(shared.join("weights/vit_tiny_patch16_224.safetensors"))),
        mean: Some([0.5; 3]),
        std: Some([0.5; 3]),
        ..Default::default()
    };
    let backbone = Backbone::load(&config, &Context::for_tests(&[])).unwrap();
    // one photo of each request in the reference's index.json
    let cases = [
        ("000000000034", FeatureKind::Q, 8, 480),
        ("000000000326", FeatureKind::V, 10, 480),
        ("000000000397", FeatureKind::K, 8, 448),
        ("000000000562", FeatureKind::Q, 8, 768),
        ("000000000623", FeatureKind::K, 8, 448),
    ];
    for (name, kind, layer, input_size) in cases {
        let expected = read_npy(&shared.join(format!("reference/maskcut/{name}.features.npy")));
        let photo = ["", "images/", "images/train2017/"].map(|folder| shared.join(format!("photos/coco128/{folder}{name}.jpg")));
        let photo = photo.iter().find(|path| path.exists()).expect("the photo is there");
        let request = FeatureRequest { kind, layer: Some(layer), input_size };
        let ours = backbone.features(&[decode(photo)], &request).unwrap().remove(0);
        // the stored ones are rounded to float16: 2.1e-4
        let error = relative_error(&ours.values, &expected);
        eprintln!("{name}: relative error {error:.2e}");
        assert!(error <= 3e-4, "{name}: relative error {error:.2e}");
    }
}

/// A fixture: the weights, their config, the side of the input and the expected features.
struct Fixture {
    name: String,
    config: BackboneConfig,
    input_size: u32,
    features: TensorFile,
}

/// All fixtures: files of the original layout beside their shape, folders of the hub's.
fn fixtures(folder: &Path) -> Vec<Fixture> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let one = |path: &PathBuf| {
        let (shape, features) = match path.is_dir() {
            true => (path.join("fixture.json"), path.join("features.safetensors")),
            false if path.extension().is_some_and(|end| end == "pth") => (path.with_extension("json"), path.with_extension("features.safetensors")),
            false => return None,
        };
        let shape: serde_json::Value = serde_json::from_slice(&std::fs::read(shape).unwrap()).unwrap();
        let config = BackboneConfig {
            family: serde_json::from_value(shape["family"].clone()).unwrap(),
            weights: Some(InputPath::from(path.clone())),
            heads: shape["num_heads"].as_u64().map(|heads| heads as u32),
            ..Default::default()
        };
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Some(Fixture { name, config, input_size: shape["input_size"].as_u64().unwrap() as u32, features: TensorFile::open(&features).unwrap() })
    };
    names.iter().filter_map(one).collect()
}

#[test]
fn every_family_layout_and_kind_gives_the_original_codes_features() {
    let Some(shared) = shared("every_family_layout_and_kind_gives_the_original_codes_features") else { return };
    let folder = shared.join("reference/vit");
    let image = decode(&folder.join("image.JPEG"));
    let fixtures = fixtures(&folder);
    assert_eq!(fixtures.len(), 11);
    for (precision, limit) in [(Precision::Fp32, 1e-4), (Precision::Bf16, 2e-2)] {
        for fixture in &fixtures {
            let backbone = Backbone::load(&BackboneConfig { precision, ..fixture.config.clone() }, &Context::for_tests(&[])).unwrap();
            for kind in [FeatureKind::Q, FeatureKind::K, FeatureKind::V, FeatureKind::Patch] {
                if !fixture.features.entries().contains_key(kind.name()) {
                    continue; // the hub's code gives patch tokens alone
                }
                let expected: Vec<f32> = fixture.features.read_f64(kind.name()).unwrap().iter().map(|value| *value as f32).collect();
                let request = FeatureRequest { kind, layer: None, input_size: fixture.input_size };
                let ours = backbone.features(std::slice::from_ref(&image), &request).unwrap().remove(0);
                let error = relative_error(&ours.values, &expected);
                eprintln!("{} {} {precision:?}: relative error {error:.2e}", fixture.name, kind.name());
                assert!(error <= limit, "{} {}: relative error {error:.2e}", fixture.name, kind.name());
                if kind == FeatureKind::Patch
                    && let Ok(expected) = fixture.features.read_f64("cls")
                {
                    let expected: Vec<f32> = expected.iter().map(|value| *value as f32).collect();
                    let error = relative_error(ours.class_token.as_deref().expect("a class token"), &expected);
                    assert!(error <= limit, "{} class token: relative error {error:.2e}", fixture.name);
                }
            }
        }
    }
}

//! Features of a really trained ViT-Ti/16 against those that PyTorch gave (shared reference data, SPEC 1.1 and 1.2).

mod pillow;

use std::path::{Path, PathBuf};

use convert_backbones::{Backbone, BackboneConfig, Family, FeatureKind, FeatureRequest};
use convert_sdk::{Context, Image, InputFile};
use tch::{Kind, Tensor};

fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("CONVERT_SHARED").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: CONVERT_SHARED is not set to the folder of the shared reference data");
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
    let Some(shared) = shared() else { return };
    let config = BackboneConfig {
        family: Family::Dinov1,
        weights: Some(InputFile::from(shared.join("weights/vit_tiny_patch16_224.safetensors"))),
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
    ];
    for (name, kind, layer, input_size) in cases {
        let expected = read_npy(&shared.join(format!("reference/maskcut/{name}.features.npy")));
        let photo = ["", "images/", "images/train2017/"].map(|folder| shared.join(format!("photos/coco128/{folder}{name}.jpg")));
        let photo = photo.iter().find(|path| path.exists()).expect("the photo is there");
        let request = FeatureRequest { kind, layer: Some(layer), input_size };
        let ours = backbone.features(&[pillow::resize(&decode(photo), input_size as usize)], &request).unwrap().remove(0);
        // the stored ones are rounded to float16: 2.1e-4
        let error = relative_error(&ours.values, &expected);
        eprintln!("{name}: relative error {error:.2e}");
        assert!(error <= 3e-4, "{name}: relative error {error:.2e}");
    }
}

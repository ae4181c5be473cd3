//! Family patch-stats on synthetic images.

use convert_backbones::{Backbone, BackboneConfig, FeatureKind, FeatureRequest, Features};
use convert_sdk::{Context, Image};

/// A disc on a striped ground.
fn scene() -> Image<'static> {
    let pixels: Vec<u8> = (0..96 * 96)
        .flat_map(|at| {
            let (x, y) = (at % 96, at / 96);
            let inside = (x - 48i32).pow(2) + (y - 40i32).pow(2) < 24 * 24;
            let stripe = if (x + y) % 6 < 3 { 10 } else { 0 };
            if inside { [200, 60, 40] } else { [90 + stripe, 120 + stripe, 80] }
        })
        .collect();
    Image::new(96, 96, pixels).unwrap()
}

fn features(kind: FeatureKind) -> Features {
    let backbone = Backbone::load(&BackboneConfig::default(), &Context::for_tests(&[])).unwrap();
    let request = FeatureRequest { kind, layer: None, input_size: 96 };
    let features = backbone.features(&[scene()], &request).unwrap().remove(0);
    assert_eq!((features.rows, features.columns, features.dimension), (12, 12, backbone.dimension(&request)));
    assert_eq!(features.values.len(), 144 * features.dimension);
    features
}

fn cosine(features: &Features, a: usize, b: usize) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let (a, b) = (features.patch(a), features.patch(b));
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn the_cosine_of_k_parts_object_and_ground() {
    let features = features(FeatureKind::K);
    let (object, also_object, ground, also_ground) = (5 * 12 + 6, 4 * 12 + 5, 12, 11 * 12 + 10);
    assert!(cosine(&features, object, also_object) > 0.7);
    assert!(cosine(&features, ground, also_ground) > 0.7);
    assert!(cosine(&features, object, ground) < 0.2);
}

#[test]
fn patch_describes_equal_patches_equally_and_is_finite() {
    let features = features(FeatureKind::Patch);
    assert!(features.values.iter().all(|value| value.is_finite()));
    assert!(cosine(&features, 5 * 12 + 6, 5 * 12 + 5) > cosine(&features, 5 * 12 + 6, 0) + 0.1);
}

#[test]
fn kinds_layers_and_keys_of_transformers_are_refused() {
    let backbone = Backbone::load(&BackboneConfig::default(), &Context::for_tests(&[])).unwrap();
    let refused = |kind, layer| backbone.check(&FeatureRequest { kind, layer, input_size: 96 }).unwrap_err().to_string();
    assert!(refused(FeatureKind::V, None).contains("has no v"));
    assert!(refused(FeatureKind::Patch, Some(3)).contains("has no layer 3"));
    let config = BackboneConfig { mean: Some([0.5; 3]), ..Default::default() };
    assert!(Backbone::load(&config, &Context::for_tests(&[])).unwrap_err().to_string().contains("has no mean"));
}

//! Family dinov1 on a tiny checkpoint of random weights: determinism, the layer cut, and what is said of broken files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convert_backbones::{Backbone, BackboneConfig, Family, FeatureKind, FeatureRequest, Features};
use convert_sdk::{Context, Image, InputPath};
use safetensors::tensor::{Dtype, TensorView};

const WIDTH: usize = 64;
const PATCH: usize = 4;
const DEPTH: usize = 3;

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn random(seed: u64, count: usize, scale: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * scale
        })
        .collect()
}

fn checkpoint() -> Tensors {
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("patch_embed.proj.weight".into(), vec![WIDTH, 3, PATCH, PATCH]),
        ("patch_embed.proj.bias".into(), vec![WIDTH]),
        ("cls_token".into(), vec![1, 1, WIDTH]),
        ("pos_embed".into(), vec![1, 1 + 3 * 3, WIDTH]),
        ("norm.weight".into(), vec![WIDTH]),
        ("norm.bias".into(), vec![WIDTH]),
    ];
    for block in 0..DEPTH {
        let parts: [(&str, &[usize]); 6] = [
            ("norm1", &[WIDTH]),
            ("attn.qkv", &[3 * WIDTH, WIDTH]),
            ("attn.proj", &[WIDTH, WIDTH]),
            ("norm2", &[WIDTH]),
            ("mlp.fc1", &[2 * WIDTH, WIDTH]),
            ("mlp.fc2", &[WIDTH, 2 * WIDTH]),
        ];
        for (part, shape) in parts {
            shapes.push((format!("blocks.{block}.{part}.weight"), shape.to_vec()));
            shapes.push((format!("blocks.{block}.{part}.bias"), vec![shape[0]]));
        }
    }
    shapes
        .into_iter()
        .enumerate()
        .map(|(seed, (name, shape))| (name, (shape.clone(), random(seed as u64 + 1, shape.iter().product(), 0.6))))
        .collect()
}

fn write(folder: &Path, tensors: &Tensors) -> PathBuf {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> =
        tensors.iter().map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())).collect();
    let views = bytes.iter().map(|(name, shape, bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    let path = folder.join("tiny.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

fn load(path: &Path) -> convert_sdk::Result<Backbone> {
    let config = BackboneConfig { family: Family::Dinov1, weights: Some(InputPath::from(path.to_owned())), heads: Some(1), ..Default::default() };
    Backbone::load(&config, &Context::for_tests(&[]))
}

fn image(seed: u64) -> Image<'static> {
    let pixels: Vec<u8> = random(seed, 30 * 20 * 3, 255.0).iter().map(|value| (value + 127.5) as u8).collect();
    Image::new(30, 20, pixels).unwrap()
}

fn request(kind: FeatureKind, layer: Option<u32>) -> FeatureRequest {
    FeatureRequest { kind, layer, input_size: 20 }
}

#[test]
fn threads_and_batches_do_not_change_a_byte() {
    let folder = tempfile::tempdir().unwrap();
    let backbone = load(&write(folder.path(), &checkpoint())).unwrap();
    let images: Vec<Image<'_>> = (0..6).map(image).collect();
    let request = request(FeatureKind::Patch, None);
    let alone: Vec<Features> = images.iter().flat_map(|image| backbone.features(std::slice::from_ref(image), &request).unwrap()).collect();
    assert_eq!((alone[0].rows, alone[0].columns, alone[0].dimension), (5, 5, WIDTH));
    assert_ne!(alone[0], alone[1]);
    assert_eq!(backbone.features(&images, &request).unwrap(), alone);
    let threaded: Vec<Features> = std::thread::scope(|scope| {
        let (backbone, request) = (&backbone, &request);
        let handles: Vec<_> =
            images.iter().map(|image| scope.spawn(move || backbone.features(std::slice::from_ref(image), request).unwrap())).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    });
    assert_eq!(threaded, alone);
}

#[test]
fn an_early_layer_needs_nothing_of_the_later_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = checkpoint();
    let whole = load(&write(folder.path(), &tensors)).unwrap();
    let expected = whole.features(&[image(1)], &request(FeatureKind::K, Some(2))).unwrap();
    assert_ne!(expected, whole.features(&[image(1)], &request(FeatureKind::V, Some(2))).unwrap());
    tensors.retain(|name, _| !name.starts_with("blocks.2."));
    let shorter = load(&write(folder.path(), &tensors)).unwrap();
    assert_eq!(shorter.features(&[image(1)], &request(FeatureKind::K, None)).unwrap(), expected);
}

#[test]
fn broken_weights_are_refused_by_the_name_of_the_tensor() {
    let folder = tempfile::tempdir().unwrap();
    type Change = fn(&mut Tensors);
    let cases: [(Change, &str); 5] = [
        (|tensors| drop(tensors.remove("blocks.1.attn.proj.bias")), "tensor blocks.1.attn.proj.bias is missing"),
        (|tensors| drop(tensors.insert("norm.bias".into(), (vec![63], vec![0.0; 63]))), "tensor norm.bias has shape [63] instead of [64]"),
        (
            |tensors| drop(tensors.insert("cls_token".into(), (vec![1, 1, 64], vec![f32::NAN; 64]))),
            "tensor cls_token holds numbers that are not finite",
        ),
        (|tensors| drop(tensors.insert("pos_embed".into(), (vec![1, 8, 64], vec![0.0; 512]))), "8 positions, which is not 1 + a square"),
        (|tensors| tensors.clear(), "it has no tensor at all"),
    ];
    for (change, expected) in cases {
        let mut tensors = checkpoint();
        change(&mut tensors);
        let message = load(&write(folder.path(), &tensors)).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("tiny.safetensors"), "{message}");
    }
    let path = write(folder.path(), &checkpoint());
    let bytes = std::fs::read(&path).unwrap();
    for broken in [&bytes[..bytes.len() - 7], b"PK\x03\x04 not safetensors at all"] {
        std::fs::write(&path, broken).unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("whole"));
    }
}

#[test]
fn impossible_requests_and_configs_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let backbone = load(&write(folder.path(), &checkpoint())).unwrap();
    let refused = |request: FeatureRequest| backbone.check(&request).unwrap_err().to_string();
    assert_eq!(
        refused(FeatureRequest { input_size: 22, ..request(FeatureKind::K, None) }),
        "input_size 22 is not a multiple of the backbone's patch size 4: 24 is the nearest that is"
    );
    assert_eq!(refused(request(FeatureKind::K, Some(4))), "layer 4 is not one of this dinov1 backbone's layers 1 to 3");
    let config = BackboneConfig { family: Family::Dinov1, ..Default::default() };
    let message = Backbone::load(&config, &Context::for_tests(&[])).unwrap_err().to_string();
    assert_eq!(message, "family dinov1 needs weights: name a file, or one of docs/backbones.md");
}

//! Every family in both layouts on small random models, against what transformers' code gives in PyTorch (tests/data/make.py).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convert_backbones::{Backbone, BackboneConfig, Family, FeatureKind, FeatureRequest, Precision};
use convert_formats::tensors::TensorFile;
use convert_sdk::{Context, Image, InputPath};
use safetensors::tensor::{Dtype, TensorView};

const KINDS: [FeatureKind; 4] = [FeatureKind::Q, FeatureKind::K, FeatureKind::V, FeatureKind::Patch];
const MODELS: [(&str, Family); 5] = [
    ("vit", Family::Dinov1),
    ("dinov2", Family::Dinov2),
    ("dinov2-registers", Family::Dinov2),
    ("dinov3", Family::Dinov3),
    ("dinov3-gated", Family::Dinov3),
];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn picture(side: u32) -> Image<'static> {
    let pixels = (0..side * side * 3).map(|at| {
        let (c, x, y) = (at % 3, at / 3 % side, at / 3 / side);
        ((7 * x + 13 * y + 31 * c + x * y) % 256) as u8
    });
    Image::new(side, side, pixels.collect::<Vec<_>>()).unwrap()
}

fn load(family: Family, weights: PathBuf, heads: Option<u32>, precision: Precision) -> convert_sdk::Result<Backbone> {
    let config = BackboneConfig { family, weights: Some(InputPath::from(weights)), heads, precision, ..Default::default() };
    Backbone::load(&config, &Context::for_tests(&[]))
}

/// ‖ours − expected‖ / ‖expected‖
fn relative_error(ours: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(ours.len(), expected.len());
    let difference: f64 = ours.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    (difference / expected.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

fn check(backbone: &Backbone, features: &TensorFile, kinds: &[FeatureKind], side: u32, limit: f64, what: &str) {
    for kind in kinds {
        let request = FeatureRequest { kind: *kind, layer: None, input_size: side };
        let ours = backbone.features(&[picture(side)], &request).unwrap().remove(0);
        let error = relative_error(&ours.values, &features.read_f64(kind.name()).unwrap());
        assert!(error <= limit, "{what} {}: relative error {error:.2e}", kind.name());
    }
}

#[test]
fn the_hubs_models_give_the_hubs_features() {
    for (name, family) in MODELS {
        let features = TensorFile::open(&data(name).join("features.safetensors")).unwrap();
        let side: u32 = features.metadata()["side"].parse().unwrap();
        for (precision, limit) in [(Precision::Fp32, 1e-4), (Precision::Bf16, 2e-2)] {
            // The number of heads is that of config.json.
            let backbone = load(family, data(name), None, precision).unwrap();
            check(&backbone, &features, &KINDS, side, limit, &format!("{name} {precision:?}"));
        }
    }
}

#[test]
fn the_default_precision_on_a_cpu_is_fp32_and_16_bits_halve_the_matrices() {
    let file = TensorFile::open(&data("vit").join("model.safetensors")).unwrap();
    let bytes: u64 = file.entries().values().map(|entry| (entry.elements() * entry.element_size()) as u64).sum();
    let [auto, fp32, bf16] = [Precision::Auto, Precision::Fp32, Precision::Bf16].map(|it| load(Family::Dinov1, data("vit"), None, it).unwrap());
    assert_eq!((auto.precision(), fp32.precision(), bf16.precision()), (Precision::Fp32, Precision::Fp32, Precision::Bf16));
    assert_eq!((auto.memory(), fp32.memory()), (bytes, bytes));
    assert!(bf16.memory() < bytes * 2 / 3 && bf16.memory() > bytes / 2, "{} of {bytes}", bf16.memory());
    let request = FeatureRequest { kind: FeatureKind::K, layer: None, input_size: 32 };
    let [auto, fp32, bf16] = [auto, fp32, bf16].map(|backbone| backbone.features(&[picture(32)], &request).unwrap());
    assert!(auto == fp32 && bf16 != fp32);
}

/// A tensor's shape and bytes.
type Stored = (Vec<usize>, Vec<u8>);

/// The hub's tensors under the original code's names: queries, keys and values in one, DINOv3's keys with a bias that its mask takes out, gates in one for DINOv2.
fn original(name: &str, family: Family) -> BTreeMap<String, Stored> {
    let file = TensorFile::open(&data(name).join("model.safetensors")).unwrap();
    let read = |name: &str| file.entries().get(name).map(|entry| (entry.shape.clone(), file.read(name).unwrap()));
    let mut tensors = BTreeMap::new();
    let mut put = |name: String, tensor: Option<Stored>| tensor.map(|tensor| tensors.insert(name, tensor));
    let patches = if family == Family::Dinov3 { "embeddings.patch_embeddings" } else { "embeddings.patch_embeddings.projection" };
    let norm = if family == Family::Dinov3 { "norm" } else { "layernorm" };
    for part in ["weight", "bias"] {
        put(format!("patch_embed.proj.{part}"), read(&format!("{patches}.{part}")));
        put(format!("norm.{part}"), read(&format!("{norm}.{part}")));
    }
    put("cls_token".into(), read("embeddings.cls_token"));
    put("pos_embed".into(), read("embeddings.position_embeddings"));
    put(if family == Family::Dinov3 { "storage_tokens" } else { "register_tokens" }.into(), read("embeddings.register_tokens"));
    for block in 0..2 {
        let hub = if family == Family::Dinov3 { format!("layer.{block}") } else { format!("encoder.layer.{block}") };
        let names: &[(&str, &str)] = match family {
            Family::Dinov1 => &[
                ("layernorm_before", "norm1"),
                ("layernorm_after", "norm2"),
                ("intermediate.dense", "mlp.fc1"),
                ("output.dense", "mlp.fc2"),
                ("attention.output.dense", "attn.proj"),
            ],
            Family::Dinov2 => &[
                ("norm1", "norm1"),
                ("norm2", "norm2"),
                ("mlp.fc1", "mlp.fc1"),
                ("mlp.fc2", "mlp.fc2"),
                ("mlp.weights_in", "mlp.w12"),
                ("mlp.weights_out", "mlp.w3"),
                ("attention.output.dense", "attn.proj"),
            ],
            _ if name.contains("gated") => &[
                ("norm1", "norm1"),
                ("norm2", "norm2"),
                ("mlp.gate_proj", "mlp.w1"),
                ("mlp.up_proj", "mlp.w2"),
                ("mlp.down_proj", "mlp.w3"),
                ("attention.o_proj", "attn.proj"),
            ],
            _ => {
                &[("norm1", "norm1"), ("norm2", "norm2"), ("mlp.up_proj", "mlp.fc1"), ("mlp.down_proj", "mlp.fc2"), ("attention.o_proj", "attn.proj")]
            }
        };
        for (from, to) in names {
            for part in ["weight", "bias"] {
                put(format!("blocks.{block}.{to}.{part}"), read(&format!("{hub}.{from}.{part}")));
            }
        }
        for scale in ["1", "2"] {
            put(format!("blocks.{block}.ls{scale}.gamma"), read(&format!("{hub}.layer_scale{scale}.lambda1")));
        }
        let projections = if family == Family::Dinov3 {
            ["q_proj", "k_proj", "v_proj"].map(|name| format!("{hub}.attention.{name}"))
        } else {
            ["query", "key", "value"].map(|name| format!("{hub}.attention.attention.{name}"))
        };
        let joined = |part: &str, shape: Vec<usize>, missing: &[u8]| {
            let bytes = projections.iter().flat_map(|name| read(&format!("{name}.{part}")).map_or_else(|| missing.to_vec(), |(_, bytes)| bytes));
            Some((shape, bytes.collect()))
        };
        put(format!("blocks.{block}.attn.qkv.weight"), joined("weight", vec![96, 32], &[]));
        put(format!("blocks.{block}.attn.qkv.bias"), joined("bias", vec![96], &5f32.to_le_bytes().repeat(32)));
        if family == Family::Dinov3 {
            let mask = (0..96).flat_map(|at: u32| if (32..64).contains(&at) { 0f32 } else { 1f32 }.to_le_bytes());
            put(format!("blocks.{block}.attn.qkv.bias_mask"), Some((vec![96], mask.collect())));
        }
    }
    tensors
}

#[test]
fn the_original_layout_gives_the_same_features() {
    let folder = tempfile::tempdir().unwrap();
    for (name, family) in MODELS {
        let features = TensorFile::open(&data(name).join("features.safetensors")).unwrap();
        let side: u32 = features.metadata()["side"].parse().unwrap();
        let mut tensors = original(name, family);
        if family == Family::Dinov3 {
            // What tells DINOv3 apart; the periods are those of base 100 and 16 channels a head.
            let periods: Vec<u8> = (0..4).flat_map(|i| 100f32.powf(i as f32 / 4.0).to_le_bytes()).collect();
            tensors.insert("rope_embed.periods".into(), (vec![4], periods));
        }
        let path = folder.path().join(format!("{name}.safetensors"));
        write(&path, &tensors);
        for given in [family, Family::Auto] {
            let backbone = load(given, path.clone(), Some(2), Precision::Fp32).unwrap();
            assert_eq!(backbone.family(), family);
            check(&backbone, &features, &KINDS, side, 1e-4, &format!("{name}, original layout"));
        }
    }
}

fn write(path: &Path, tensors: &BTreeMap<String, Stored>) {
    let views = tensors.iter().map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A training's checkpoint of DINOv2: student and teacher, the blocks in chunks (here of one), as `BlockChunk` of its code names them.
#[test]
fn a_checkpoint_in_chunks_gives_the_teachers_features() {
    let folder = tempfile::tempdir().unwrap();
    let features = TensorFile::open(&data("dinov2-registers").join("features.safetensors")).unwrap();
    let side: u32 = features.metadata()["side"].parse().unwrap();
    let in_chunks = |name: &str| match name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
        Some((block, rest)) => format!("blocks.{block}.{block}.{rest}"),
        None => name.to_owned(),
    };
    let mut tensors = BTreeMap::new();
    for (name, (shape, bytes)) in original("dinov2-registers", Family::Dinov2) {
        tensors.insert(format!("student.backbone.{}", in_chunks(&name)), (shape.clone(), vec![0; bytes.len()]));
        tensors.insert(format!("teacher.backbone.{}", in_chunks(&name)), (shape, bytes));
    }
    let path = folder.path().join("training.safetensors");
    write(&path, &tensors);
    let backbone = load(Family::Auto, path, Some(2), Precision::Fp32).unwrap();
    check(&backbone, &features, &KINDS, side, 1e-4, "in chunks");
}

#[test]
fn heads_are_never_guessed_and_a_given_patch_size_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    for (name, family) in MODELS {
        let path = folder.path().join(format!("{name}.safetensors"));
        write(&path, &original(name, family));
        let message = load(Family::Auto, path, None, Precision::Fp32).map(drop).unwrap_err().to_string();
        let expected = match name {
            "vit" => "its width 32 is that of no published model of family dinov1 (192, 384, 768), so that its heads are not known: set heads",
            _ => "its heads are not known: set heads",
        };
        // DINOv3 without its periods is taken for a DINOv2 with layer scale.
        assert!(message.contains(expected), "{name}: {message}");
    }
    let config = BackboneConfig { weights: Some(InputPath::from(data("vit"))), patch_size: Some(16), ..Default::default() };
    let message = Backbone::load(&config, &Context::for_tests(&[])).map(drop).unwrap_err().to_string();
    assert!(message.contains("its patches have 8 pixels a side, not 16: leave patch_size out"), "{message}");
}

#[test]
fn a_wrong_family_and_a_folder_without_weights_are_named() {
    for (name, family) in MODELS {
        for wrong in [Family::Dinov1, Family::Dinov2, Family::Dinov3].into_iter().filter(|wrong| *wrong != family) {
            let message = load(wrong, data(name), None, Precision::Fp32).unwrap_err().to_string();
            assert!(message.contains(&format!("set family: {}", family.name())), "{message}");
        }
    }
    let empty = tempfile::tempdir().unwrap();
    let message = load(Family::Dinov1, empty.path().to_owned(), None, Precision::Fp32).unwrap_err().to_string();
    assert!(message.contains("no .safetensors file"), "{message}");
}

#[test]
fn a_torchscript_module_gives_its_features_and_what_does_not_fit_is_said() {
    let module = |patch_size, file: &str| {
        let config = BackboneConfig { family: Family::Torchscript, weights: Some(InputPath::from(data(file))), patch_size, ..Default::default() };
        Backbone::load(&config, &Context::for_tests(&[]))
    };
    let backbone = module(Some(8), "module.pt").unwrap();
    check(&backbone, &TensorFile::open(&data("module.features.safetensors")).unwrap(), &[FeatureKind::Patch], 32, 1e-5, "module");
    let request = FeatureRequest { kind: FeatureKind::Patch, layer: None, input_size: 32 };
    assert_eq!(backbone.dimension(&request), 6);
    let says = |result: convert_sdk::Result<()>, expected: &str| {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(expected) && !message.contains('\n'), "{message}");
    };
    says(backbone.check(&FeatureRequest { kind: FeatureKind::K, ..request }), "set feature: patch");
    says(backbone.check(&FeatureRequest { layer: Some(8), ..request }), "knows no layers, so layer: 8 cannot be had: leave `layer` out");
    says(module(Some(16), "module.pt").unwrap().check(&request), "gives shape [1, 6, 4, 4] instead of [1, 4, d] or [1, d, 2, 2]");
    says(module(None, "module.pt").map(drop), "needs patch_size");
    says(module(Some(8), "vit/model.safetensors").map(drop), "cannot load the module");
}

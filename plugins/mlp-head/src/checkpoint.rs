//! The files of a training: `head.safetensors`, which predicts, and `last.safetensors`, from which an interrupted training continues.
//!
//! `head.safetensors` holds `0.weight`, `0.bias`, `2.weight`, `2.bias`, …: the state of PyTorch's
//! `nn.Sequential(Linear, GELU, Linear, …)`. Of several heads the others' stand behind `heads.1.`, `heads.2.`, …. Its one metadata entry, `convert`, is a JSON object ([`Description`]).

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use convert_backbones::torch;
use convert_formats::{files, whole_file};
use convert_sdk::{Deserialize, Error, Result, ResultExt, Serialize};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tch::{Device, Kind, Tensor};

use crate::config::{CropPart, Pooling, Regions};
use crate::head::{Ensemble, Head, Layer};

const METADATA_KEY: &str = "convert";

/// What a head was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(crate = "convert_sdk::serde")]
pub struct Description {
    /// The class names, by index.
    pub classes: Vec<String>,
    /// The backbone's family.
    pub family: String,
    /// The kind of features that were pooled.
    pub feature: String,
    /// The block they come from; `None` for the last.
    pub layer: Option<u32>,
    /// S.
    pub input_size: u32,
    /// What a region's vector is.
    #[serde(default)]
    pub pooling: Pooling,
    /// Where the vector of a region comes from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub regions: Regions,
    /// The side of a region's crop, where there are crops.
    #[serde(default, skip_serializing_if = "is_default")]
    pub crop_size: Option<u32>,
    /// What a crop's vector is made of.
    #[serde(default, skip_serializing_if = "is_default")]
    pub crop_pooling: Vec<CropPart>,
    /// The training's settings, for the reader.
    pub training: serde_json::Value,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The state of an unfinished training, besides its tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "convert_sdk::serde")]
pub struct State {
    /// Of the training set and all settings that matter.
    pub fingerprint: String,
    /// Epochs done.
    pub epoch: u32,
    /// Warnings so far.
    pub warnings: Vec<String>,
    /// Regions whose mask left its view, over all epochs.
    #[serde(default)]
    pub lost_views: u64,
    /// Images that could not be used, each with the reason.
    #[serde(default)]
    pub lost: Vec<String>,
}

/// Named tensors and one metadata entry.
pub struct Contents<M> {
    pub tensors: BTreeMap<String, Tensor>,
    pub metadata: M,
}

impl<M: Serialize> Contents<M> {
    /// Writes the file whole or not at all. Equal contents give equal bytes.
    pub fn write(&self, path: &Path) -> Result<()> {
        let named = || format!("cannot write the checkpoint {}", path.display());
        let tensors = self.tensors.iter().map(|(name, tensor)| Ok((name, bytes_of(tensor)?))).collect::<Result<Vec<_>>>().context(named)?;
        let views =
            tensors.iter().map(|(name, (dtype, shape, bytes))| TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name.as_str(), view)));
        let views = views.collect::<std::result::Result<Vec<_>, _>>().map_err(Error::from).context(named)?;
        let mut metadata = serde_json::to_value(&self.metadata).map_err(Error::from).context(named)?;
        let hash = hash_of(&metadata, tensors.iter().map(|(name, (.., bytes))| (name.as_str(), bytes.as_slice())));
        if let Some(entries) = metadata.as_object_mut() {
            entries.insert(HASH_KEY.into(), hash.into());
        }
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), metadata.to_string())]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(Error::from).context(named)?;
        whole_file::write(path, |mut file| file.write_all(&bytes)).context(named)
    }
}

fn bytes_of(tensor: &Tensor) -> Result<(Dtype, Vec<usize>, Vec<u8>)> {
    let shape = tensor.size().iter().map(|side| *side as usize).collect();
    let flat = torch(|| tensor.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1]))?;
    if flat.kind() == Kind::Double {
        let values: Vec<f64> = torch(|| Vec::try_from(&flat))?;
        return Ok((Dtype::F64, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
    }
    let values: Vec<f32> = torch(|| Vec::try_from(&flat))?;
    Ok((Dtype::F32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
}

/// The tensors of a file and its metadata entry, if it has one.
pub fn read(path: &Path) -> Result<Contents<Option<String>>> {
    let named = || format!("cannot load the checkpoint {}", path.display());
    let bytes = files::read(path, files::MAX_ARCHIVE).map_err(Error::from).context(named)?;
    let whole = |error| Error::invalid(format!("not a whole safetensors file ({error})"));
    let file = SafeTensors::deserialize(&bytes).map_err(whole).context(named)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(whole).context(named)?;
    let metadata = header.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY).cloned());
    check_hash(metadata.as_deref(), &file).context(named)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let kind = match view.dtype() {
            Dtype::F64 => Kind::Double,
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            other => return Err(Error::invalid(format!("tensor {name} is of type {other:?}, not floating point"))).context(named),
        };
        let shape: Vec<i64> = view.shape().iter().map(|side| *side as i64).collect();
        tensors.insert(name.to_owned(), torch(|| Tensor::f_from_data_size(view.data(), &shape, kind)).context(named)?);
    }
    Ok(Contents { tensors, metadata })
}

/// In a checkpoint's metadata, the BLAKE3 hash of the rest of them and of all tensors.
const HASH_KEY: &str = "blake3";

/// The hash of metadata and tensors, which come in the order of their names.
fn hash_of<'a>(metadata: &serde_json::Value, tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    add(metadata.to_string().as_bytes());
    tensors.for_each(|(name, bytes)| {
        add(name.as_bytes());
        add(bytes);
    });
    hash.finalize().to_hex().to_string()
}

/// Compares a file with the hash in its metadata. Other programs' files have none, nor have those of earlier versions.
fn check_hash(metadata: Option<&str>, file: &SafeTensors<'_>) -> Result<()> {
    let Some(mut metadata) = metadata.and_then(|metadata| serde_json::from_str::<serde_json::Value>(metadata).ok()) else { return Ok(()) };
    let Some(expected) = metadata.as_object_mut().and_then(|entries| entries.remove(HASH_KEY)) else { return Ok(()) };
    let tensors: BTreeMap<&str, _> = file.iter().collect();
    let found = hash_of(&metadata, tensors.iter().map(|(name, view)| (*name, view.data())));
    if expected == found { Ok(()) } else { Err(Error::invalid("its checksum says that it is damaged")) }
}

/// The name of a layer's place in PyTorch's `nn.Sequential`: activations take every other one.
fn place(layer: usize) -> usize {
    2 * layer
}

/// What stands before the tensors of a head; those of the first stand alone.
pub fn prefix(number: usize) -> String {
    if number == 0 { String::new() } else { format!("heads.{number}.") }
}

/// All heads of a checkpoint.
///
/// # Errors
/// As [`head_among`].
pub fn heads_among(tensors: &BTreeMap<String, Tensor>) -> Result<Ensemble> {
    let mut heads = vec![head_among(tensors, "")?];
    while tensors.contains_key(&format!("{}0.weight", prefix(heads.len()))) {
        heads.push(head_among(tensors, &prefix(heads.len()))?);
    }
    Ensemble::new(heads)
}

/// A head's tensors under a prefix.
pub fn named_tensors<'a>(prefix: &str, tensors: impl IntoIterator<Item = &'a Tensor>) -> BTreeMap<String, Tensor> {
    let names = (0..).flat_map(|layer| ["weight", "bias"].map(|part| format!("{prefix}{}.{part}", place(layer))));
    names.zip(tensors).map(|(name, tensor)| (name, tensor.shallow_clone())).collect()
}

/// The head among named tensors; an error names the tensor that is missing or does not fit.
pub fn head_among(tensors: &BTreeMap<String, Tensor>, prefix: &str) -> Result<Head> {
    let mut layers: Vec<Layer> = Vec::new();
    while let Some(weight) = tensors.get(&format!("{prefix}{}.weight", place(layers.len()))) {
        let (weight_name, bias_name) = (format!("{prefix}{}.weight", place(layers.len())), format!("{prefix}{}.bias", place(layers.len())));
        let shape = weight.size();
        let before = layers.last().map(|layer| layer.weight.size()[0]);
        if shape.len() != 2 || shape.contains(&0) || before.is_some_and(|width| width != shape[1]) {
            let width = before.map_or("width".to_owned(), |width| width.to_string());
            return Err(Error::invalid(format!("tensor {weight_name} has shape {shape:?} instead of [outputs, {width}]")));
        }
        let bias = tensors.get(&bias_name).ok_or_else(|| Error::invalid(format!("tensor {bias_name} is missing")))?;
        if bias.size() != shape[..1] {
            return Err(Error::invalid(format!("tensor {bias_name} has shape {:?} instead of [{}]", bias.size(), shape[0])));
        }
        let layer = torch(|| Ok(Layer { weight: weight.f_to_kind(Kind::Float)?, bias: bias.f_to_kind(Kind::Float)? }))?;
        for (name, tensor) in [(&weight_name, &layer.weight), (&bias_name, &layer.bias)] {
            if torch(|| tensor.f_isfinite()?.f_all()?.f_int64_value(&[]))? == 0 {
                return Err(Error::invalid(format!("tensor {name} holds numbers that are not finite")));
            }
        }
        layers.push(layer);
    }
    if layers.is_empty() {
        return Err(Error::invalid(format!("tensor {prefix}0.weight is missing: is this a head's checkpoint?")));
    }
    Ok(Head { layers })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn data(file: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pytorch").join(file)
    }

    /// The largest difference between a head's logits and those in a file of PyTorch's, as a share of the largest logit.
    fn difference(head: &Path, logits: &Path) -> f64 {
        let head = head_among(&read(head).unwrap().tensors, "").unwrap();
        let tensors = read(logits).unwrap().tensors;
        let (inputs, expected) = (&tensors["inputs"], &tensors["logits"]);
        assert_eq!((inputs.size()[0], expected.size()), (8, vec![8, head.outputs() as i64]));
        let largest = expected.abs().max().double_value(&[]);
        assert!(largest > 0.1);
        torch(|| (head.forward(inputs)? - expected).f_abs()?.f_max()?.f_double_value(&[])).unwrap() / largest
    }

    #[test]
    fn a_trained_head_has_the_logits_that_pytorch_gave() {
        let difference = difference(&data("head.safetensors"), &data("logits.safetensors"));
        assert!(difference < 2e-6, "{difference}");
    }

    #[test]
    fn a_head_written_now_loads_in_pytorch_with_equal_logits() {
        let Some(python) = std::env::var_os("CONVERT_PYTORCH") else {
            // Not by `eprintln`, which the test harness captures.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: a_head_written_now_loads_in_pytorch_with_equal_logits: CONVERT_PYTORCH does not name a Python with torch and safetensors"
            );
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let (file, logits) = (folder.path().join("head.safetensors"), folder.path().join("logits.safetensors"));
        for widths in [&[12, 7, 5][..], &[12, 9, 9, 5], &[30, 4]] {
            let head = Head::random(widths, 3, 0).unwrap();
            Contents { tensors: named_tensors("", head.parameters()), metadata: "of a test" }.write(&file).unwrap();
            let status = Command::new(&python).arg(data("logits.py")).args([&file, &logits]).status().unwrap();
            assert!(status.success());
            let difference = difference(&file, &logits);
            assert!(difference < 1e-5, "{widths:?}: {difference}");
        }
    }
}

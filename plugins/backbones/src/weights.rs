//! Weights from files, each tensor asked for by its name in the original layout, and by shape.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convert_formats::tensors::{Dtype, Entry, TensorFile};
use convert_sdk::{Error, Result, ResultExt};
use tch::{Device, Kind, Tensor};

use crate::family::Family;
use crate::huggingface::HubConfig;
use crate::layout::Layout;
use crate::torch::{bytes_of, torch};

/// The tensors of a model.
pub struct Weights {
    path: PathBuf,
    files: Vec<Mapped>,
    /// Which file has a tensor.
    index: BTreeMap<String, usize>,
    layout: Layout,
    hub: HubConfig,
    device: Device,
    /// Bytes of the tensors that were taken.
    taken: Cell<u64>,
}

/// A file and its bytes, mapped into memory: pages come from disk when they are first used, and may go again.
struct Mapped {
    file: TensorFile,
    bytes: Tensor,
}

impl Weights {
    /// Opens a file of weights, or a folder of `.safetensors` files with a `config.json` as the Hugging Face hub has them.
    ///
    /// # Errors
    /// Files that cannot be read, and tensors that are not those of `family`, which may be auto.
    pub fn open(path: &Path, family: Family, device: Device) -> Result<Self> {
        let named = || format!("cannot load the weights {}", path.display());
        let files = files_of(path)?.iter().map(|path| Mapped::open(path)).collect::<Result<Vec<_>>>().context(named)?;
        let mut index = BTreeMap::new();
        for (at, mapped) in files.iter().enumerate() {
            index.extend(mapped.file.entries().keys().map(|name| (name.clone(), at)));
        }
        let layout = Layout::detect(&index.keys().map(String::as_str).collect(), family).context(named)?;
        let folder = if path.is_dir() { Some(path) } else { path.parent() };
        let hub = match folder.map(|folder| folder.join("config.json")) {
            Some(file) if layout.is_hugging_face() && file.is_file() => HubConfig::read(&file)?,
            _ => HubConfig::default(),
        };
        Ok(Self { path: path.to_owned(), files, index, layout, hub, device, taken: Cell::new(0) })
    }

    /// The family of the tensors.
    pub fn family(&self) -> Family {
        self.layout.family()
    }

    /// What the hub's config says beside the weights.
    pub fn hub(&self) -> &HubConfig {
        &self.hub
    }

    /// Whether a tensor is there.
    pub fn has(&self, name: &str) -> bool {
        self.index.contains_key(&self.layout.name(name))
    }

    /// The shape of a tensor that must be there and have as many sides as `form` describes.
    pub fn shape<const SIDES: usize>(&self, name: &str, form: &str) -> Result<[i64; SIDES]> {
        let shape = sides(self.find(name)?.1);
        let named = self.layout.name(name);
        shape.as_slice().try_into().map_err(|_| self.error(format!("tensor {named} has shape {shape:?} instead of {form}")))
    }

    /// A tensor of a shape, as numbers of a kind.
    pub fn take(&self, name: &str, shape: &[i64], kind: Kind) -> Result<Tensor> {
        let (mapped, entry) = self.find(name)?;
        let (name, found) = (self.layout.name(name), sides(entry));
        if found != shape {
            return Err(self.error(format!("tensor {name} has shape {found:?} instead of {shape:?}")));
        }
        let tensor = mapped.tensor(&name, entry)?;
        if torch(|| tensor.f_isfinite()?.f_all()?.f_int64_value(&[]))? == 0 {
            return Err(self.error(format!("tensor {name} holds numbers that are not finite")));
        }
        let tensor = torch(|| tensor.f_to_kind(kind)?.f_to_device(self.device))?;
        self.taken.set(self.taken.get() + bytes_of(&tensor));
        Ok(tensor)
    }

    /// A tensor of a shape, where there is one.
    pub fn take_if_there(&self, name: &str, shape: &[i64], kind: Kind) -> Result<Option<Tensor>> {
        if self.has(name) { self.take(name, shape, kind).map(Some) } else { Ok(None) }
    }

    /// Bytes of all tensors that were taken, as the device holds them.
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// How many numbers from 0 on make a name of `prefix`, the number and `suffix`.
    pub fn count(&self, prefix: &str, suffix: &str) -> usize {
        (0..).take_while(|index| self.has(&format!("{prefix}{index}{suffix}"))).count()
    }

    /// An error about these weights.
    pub fn error(&self, message: String) -> Error {
        Error::invalid(message).context(format!("cannot use the weights {}", self.path.display()))
    }

    fn find(&self, name: &str) -> Result<(&Mapped, &Entry)> {
        let name = self.layout.name(name);
        let found = self.index.get(&name).map(|at| &self.files[*at]).and_then(|mapped| Some((mapped, mapped.file.entries().get(&name)?)));
        found.ok_or_else(|| self.error(format!("tensor {name} is missing")))
    }
}

impl Mapped {
    fn open(path: &Path) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let length = std::fs::metadata(path)?.len() as i64;
        let name = path.to_str().ok_or_else(|| Error::invalid(format!("the path {} is not UTF-8", path.display())))?;
        let bytes = torch(|| Tensor::f_from_file(name, false, length, (Kind::Uint8, Device::Cpu)))?;
        Ok(Self { file, bytes })
    }

    /// A tensor of the file: the mapped bytes where they can be used as they are.
    fn tensor(&self, name: &str, entry: &Entry) -> Result<Tensor> {
        let kind = match entry.dtype {
            Dtype::F64 => Kind::Double,
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            other => return Err(Error::invalid(format!("tensor {name} of {} is of type {other}, not floating point", self.file.path().display()))),
        };
        let (shape, size) = (sides(entry), entry.element_size());
        if entry.is_contiguous() && entry.offset.is_multiple_of(size as u64) {
            let count = (entry.elements() * size) as i64;
            return torch(|| self.bytes.f_narrow(0, entry.offset as i64, count)?.f_view_dtype(kind)?.f_view(shape.as_slice()));
        }
        let bytes = self.file.read(name)?;
        torch(|| Tensor::f_from_data_size(&bytes, &shape, kind))
    }
}

fn sides(entry: &Entry) -> Vec<i64> {
    entry.shape.iter().map(|side| *side as i64).collect()
}

/// The files of a path: itself, or a folder's safetensors.
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let named = || format!("cannot read the folder {}", path.display());
    let entries = std::fs::read_dir(path).context(named)?.collect::<std::io::Result<Vec<_>>>().context(named)?;
    let mut files: Vec<PathBuf> =
        entries.into_iter().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "safetensors")).collect();
    files.sort();
    if files.is_empty() {
        return Err(Error::invalid(format!("the folder {} has no .safetensors file: name the file of weights itself", path.display())));
    }
    Ok(files)
}

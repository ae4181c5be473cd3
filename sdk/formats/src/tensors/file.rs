//! A file as the names and places of its tensors.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::{self, Regular};
use convert_sdk::{Error, Result, ResultExt};
use safetensors::Dtype;

use super::{safetensors_header, torch_archive};
use crate::tensors::entry::Entry;

/// An opened file: its tensors by name. A file that holds one bare tensor gives it the empty name; names in inner containers are joined by dots.
#[derive(Clone, Debug)]
pub struct TensorFile {
    path: PathBuf,
    /// All of it, where it is no file of this machine.
    bytes: Option<Arc<[u8]>>,
    entries: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
}

impl TensorFile {
    /// Finds the tensors of a file, whatever its ending: safetensors, `torch.save`'s zip archives and its older form before PyTorch 1.6.
    ///
    /// # Errors
    /// A file that cannot be read, is truncated, is neither, or holds a pickle with more in it than tensors and plain containers.
    pub fn open(path: &Path) -> Result<Self> {
        let file = files::open_regular(path, files::MAX_ARCHIVE).context(|| format!("cannot read {}", path.display()))?;
        Self::of(file, path, None)
    }

    /// The same of a file's bytes, which came from the place that is called `path`.
    ///
    /// # Errors
    /// As [`TensorFile::open`].
    pub fn of_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self> {
        let bytes: Arc<[u8]> = bytes.into();
        Self::of(Regular::of_bytes(Arc::clone(&bytes)), path, Some(bytes))
    }

    fn of(mut file: Regular, path: &Path, bytes: Option<Arc<[u8]>>) -> Result<Self> {
        let named = || format!("cannot read {}", path.display());
        let length = file.length();
        let mut start = [0; 4];
        let known = usize::try_from(length).unwrap_or(usize::MAX).min(4);
        file.read_exact(&mut start[..known]).context(named)?;
        file.seek(SeekFrom::Start(0)).context(named)?;
        let found = match start {
            _ if length == 0 => Err(Error::invalid("the file is empty")),
            [b'P', b'K', ..] => torch_archive::zip_entries(file, length),
            [0x80, protocol, ..] if protocol <= 5 => torch_archive::legacy_entries(file, length),
            _ => safetensors_header::entries(file, length),
        };
        let (entries, metadata) = found.context(named)?;
        Ok(Self { path: path.to_owned(), bytes, entries, metadata })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors by name.
    pub fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// The metadata of a safetensors file.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// A tensor's bytes in row order.
    ///
    /// # Errors
    /// A name that is not there, and a file that cannot be read any more.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let entry = self.entries.get(name).ok_or_else(|| Error::invalid(format!("{} has no tensor `{name}`", self.path.display())))?;
        let bytes = self.stored_bytes(entry).context(|| format!("cannot read tensor `{name}` of {}", self.path.display()))?;
        Ok(if entry.is_contiguous() { bytes } else { gathered(entry, &bytes) })
    }

    /// A tensor's numbers in row order, whatever its type.
    ///
    /// # Errors
    /// As [`TensorFile::read`], and an element type that is neither a float nor an integer of at most 64 bits.
    pub fn read_f64(&self, name: &str) -> Result<Vec<f64>> {
        let bytes = self.read(name)?;
        let dtype = self.entries[name].dtype;
        macro_rules! numbers {
            ($number:ty) => {
                bytes.as_chunks().0.iter().map(|bytes| <$number>::from_le_bytes(*bytes) as f64).collect()
            };
        }
        Ok(match dtype {
            Dtype::F64 => numbers!(f64),
            Dtype::F32 => numbers!(f32),
            Dtype::BF16 => bytes.as_chunks().0.iter().map(|bytes| f64::from(f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16))).collect(),
            Dtype::F16 => bytes.as_chunks().0.iter().map(|bytes| half(u16::from_le_bytes(*bytes))).collect(),
            Dtype::I64 => numbers!(i64),
            Dtype::I32 => numbers!(i32),
            Dtype::I16 => numbers!(i16),
            Dtype::I8 => numbers!(i8),
            Dtype::U8 | Dtype::BOOL => numbers!(u8),
            other => return Err(Error::invalid(format!("tensor `{name}` of {} is of type {other}, which is not read", self.path.display()))),
        })
    }

    /// The bytes from a tensor's first element to its last.
    fn stored_bytes(&self, entry: &Entry) -> Result<Vec<u8>> {
        let count = entry.extent().unwrap_or(0) * entry.element_size();
        let mut file = match &self.bytes {
            Some(bytes) => Regular::of_bytes(Arc::clone(bytes)),
            None => files::open_regular(&self.path, files::MAX_ARCHIVE)?,
        };
        file.seek(SeekFrom::Start(entry.offset))?;
        let mut bytes = vec![0; count];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// The elements of a tensor in row order, from its bytes in the file's order.
fn gathered(entry: &Entry, bytes: &[u8]) -> Vec<u8> {
    let size = entry.element_size();
    let mut result = Vec::with_capacity(entry.elements() * size);
    let mut index = vec![0; entry.shape.len()];
    for _ in 0..entry.elements() {
        let at: usize = index.iter().zip(&entry.strides).map(|(index, stride)| index * stride).sum();
        result.extend_from_slice(&bytes[at * size..(at + 1) * size]);
        for (index, side) in index.iter_mut().zip(&entry.shape).rev() {
            *index += 1;
            if *index < *side {
                break;
            }
            *index = 0;
        }
    }
    result
}

/// IEEE 754 half precision.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_tensor_is_gathered_in_row_order() {
        let entry = Entry { dtype: Dtype::U8, shape: vec![3, 2], strides: vec![1, 3], offset: 0 };
        assert!(!entry.is_contiguous());
        assert_eq!(entry.extent(), Some(6));
        assert_eq!(gathered(&entry, &[0, 1, 2, 10, 11, 12]), [0, 10, 1, 11, 2, 12]);
    }

    #[test]
    fn half_precision_numbers_are_those_of_ieee_754() {
        for (bits, value) in [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 5.960_464_477_539_063e-8), (0x7bff, 65504.0), (0x7c00, f64::INFINITY)] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
    }
}

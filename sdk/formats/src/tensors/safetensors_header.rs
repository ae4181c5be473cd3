//! The header of a safetensors file.

use std::collections::BTreeMap;
use std::io::Read;

use crate::files::Regular;
use convert_sdk::{Error, Result, ResultExt};
use safetensors::tensor::Metadata;

use crate::tensors::entry::Entry;
use crate::tensors::torch_archive::MAX_SIDES;

/// The format's own limit.
const MAX_HEADER: u64 = 100_000_000;

/// The tensors of a safetensors file and its metadata.
pub fn entries(mut file: Regular, length: u64) -> Result<(BTreeMap<String, Entry>, BTreeMap<String, String>)> {
    let not_whole = |why: String| Error::invalid(format!("neither a PyTorch archive nor a whole safetensors file ({why})"));
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|_| not_whole(format!("{length} bytes")))?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size.saturating_add(8) > length {
        return Err(not_whole(format!("its header would have {size} bytes")));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).context(|| "cannot read the header".into())?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| not_whole(format!("its header is not a list of tensors: {error}")))?;
    let expected = (8 + size).saturating_add(metadata.data_len() as u64);
    if expected != length {
        return Err(not_whole(format!("it has {length} bytes, but its header tells of {expected}")));
    }
    let entry = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
        if info.dtype.bitsize() % 8 != 0 {
            return Err(Error::invalid(format!("tensor `{name}` is of type {}, which is not read", info.dtype)));
        }
        if info.shape.len() > MAX_SIDES {
            return Err(Error::invalid(format!("tensor `{name}` has {} sides: there are at most {MAX_SIDES}", info.shape.len())));
        }
        let (shape, offset) = (info.shape.clone(), 8 + size + info.data_offsets.0 as u64);
        Ok((name, Entry { dtype: info.dtype, strides: Entry::row_order(&shape), shape, offset }))
    };
    let entries = metadata.tensors().into_iter().map(entry).collect::<Result<_>>()?;
    Ok((entries, metadata.metadata().clone().unwrap_or_default().into_iter().collect()))
}

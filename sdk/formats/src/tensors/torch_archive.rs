//! What `torch.save` writes: a pickle that names storages, and the storages' bytes, in a zip archive (since PyTorch 1.6) or one after the other.

mod objects;
mod pickle;
mod pickled;
mod storage;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use crate::files::Regular;
use convert_sdk::{Error, Result, ResultExt};
use zip::{CompressionMethod, ZipArchive};

use crate::tensors::entry::Entry;
use objects::{storages_of, tensors_of};
pub use pickle::MAX_SIDES;
use pickled::Pickled;

/// A pickle of names and shapes has a few hundred bytes a tensor; one that is larger than this holds something else.
const MAX_PICKLE: u64 = 64 << 20;
/// What the older form begins with: 0x1950a86a20f9469cfc6c, little-endian.
const LEGACY_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// And then.
const LEGACY_PROTOCOL: i64 = 1001;

type Entries = (BTreeMap<String, Entry>, BTreeMap<String, String>);

/// The tensors of a zip archive.
pub fn zip_entries(file: Regular, length: u64) -> Result<Entries> {
    let broken = |error: zip::result::ZipError| Error::invalid(format!("not a whole PyTorch archive ({error})"));
    let file = checked_directory(file, length)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    let pickle_name = archive.file_names().find(|name| *name == "data.pkl" || name.ends_with("/data.pkl")).map(str::to_owned);
    let pickle_name = pickle_name.ok_or_else(|| Error::invalid("a zip archive without data.pkl: not one of torch.save's"))?;
    let folder = pickle_name.trim_end_matches("data.pkl").to_owned();
    if archive.file_names().any(|name| name.starts_with(&format!("{folder}code/"))) {
        return Err(Error::invalid("a TorchScript module, not a file of weights: name it under `family: torchscript`"));
    }
    let mut pickle = Vec::new();
    let mut places = HashMap::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index_raw(index).map_err(broken)?;
        let Some(name) = member.name().strip_prefix(&folder).map(str::to_owned) else { continue };
        if member.compression() != CompressionMethod::Stored {
            return Err(Error::invalid(format!("member {name} is compressed, which torch.save never does: unpack and save it again")));
        }
        match name.as_str() {
            "data.pkl" if member.size() > MAX_PICKLE => return Err(Error::invalid("data.pkl is too large for a list of tensors")),
            "data.pkl" => drop(member.read_to_end(&mut pickle)?),
            "byteorder" => {
                let mut order = String::new();
                member.by_ref().take(16).read_to_string(&mut order)?;
                if order.trim() != "little" {
                    return Err(Error::invalid(format!("byte order {}, only little is read: save it again on a common machine", order.trim())));
                }
            }
            other => {
                if let Some(key) = other.strip_prefix("data/") {
                    let (start, size) = (member.data_start(), member.size());
                    if start.saturating_add(size) > length {
                        return Err(Error::invalid(format!("storage {key} is truncated")));
                    }
                    places.insert(key.into(), (start, size));
                }
            }
        }
    }
    let (object, _) = pickle::read(&pickle).context(|| "cannot read data.pkl".into())?;
    Ok((tensors_of(&object, &places)?, BTreeMap::new()))
}

/// Most bytes of an archive's end: 22 and a comment, and before it its form of 64-bit counts.
const TAIL: u64 = (1 << 16) + 256;
/// Bytes of a member's entry in the directory, at least.
const DIRECTORY_ENTRY: u64 = 46;

/// The same file, if it can hold as many members as its end says: the reader makes room for them before it looks.
fn checked_directory<R: Read + Seek>(mut file: R, length: u64) -> Result<R> {
    let start = length.saturating_sub(TAIL);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.by_ref().take(TAIL).read_to_end(&mut tail)?;
    file.seek(SeekFrom::Start(0))?;
    match wide_count(&tail, start) {
        Some(count) if count.saturating_mul(DIRECTORY_ENTRY) > length => {
            Err(Error::invalid(format!("not a whole PyTorch archive ({count} members in {length} bytes)")))
        }
        _ => Ok(file),
    }
}

/// The number of members in 64 bits, where the end of an archive, which begins at `start`, has one: the end is preceded by the place of its wide form, which
/// is the first of its kind from there on. One that lies before all of this is none of torch.save's, and counts as endless.
fn wide_count(tail: &[u8], start: u64) -> Option<u64> {
    let end = tail.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let locator = tail.get(end.checked_sub(20)?..end).filter(|locator| locator.starts_with(b"PK\x06\x07"))?;
    let place = u64::from_le_bytes(*locator.get(8..)?.first_chunk()?);
    let Some(from) = place.checked_sub(start) else { return Some(u64::MAX) };
    let after = tail.get(usize::try_from(from).ok()?..)?;
    let record = &after[after.windows(4).position(|window| window == b"PK\x06\x06")?..];
    Some(u64::from_le_bytes(*record.get(32..)?.first_chunk()?))
}

/// The tensors of the older form: five pickles (magic number, protocol, machine, object, storage keys), then each storage's length and bytes.
pub fn legacy_entries(mut file: Regular, length: u64) -> Result<Entries> {
    let mut head = Vec::new();
    file.by_ref().take(MAX_PICKLE).read_to_end(&mut head)?;
    let mut at = 0;
    let mut next = || -> Result<Pickled> {
        let (object, used) = pickle::read(&head[at..])?;
        at += used;
        Ok(object)
    };
    let magic = next()?;
    if !magic.is_long(&LEGACY_MAGIC) {
        return Err(Error::invalid("a pickle, but none of torch.save's"));
    }
    if next()?.integer() != Some(LEGACY_PROTOCOL) {
        return Err(Error::invalid("an unknown version of torch.save's older form"));
    }
    next()?; // of the machine: word sizes, all little-endian where this runs
    let object = next()?;
    let keys = next()?.strings().ok_or_else(|| Error::invalid("the list of storages is none"))?;
    let sizes: HashMap<Rc<str>, usize> = storages_of(&object).into_iter().map(|storage| (storage.key.clone(), storage.element_size())).collect();
    let mut places = HashMap::new();
    let mut position = at as u64;
    for key in keys {
        let mut count = [0; 8];
        file.seek(SeekFrom::Start(position))?;
        file.read_exact(&mut count).map_err(|_| Error::invalid(format!("storage {key} is truncated")))?;
        let element = sizes.get(&key).copied().unwrap_or(1) as u64;
        let size = u64::from_le_bytes(count).checked_mul(element).filter(|size| position.saturating_add(8).saturating_add(*size) <= length);
        let size = size.ok_or_else(|| Error::invalid(format!("storage {key} is truncated")))?;
        places.insert(key, (position + 8, size));
        position += 8 + size;
    }
    Ok((tensors_of(&object, &places)?, BTreeMap::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end of an archive of 64-bit counts, which begins at a byte of the file.
    fn end(members: u64, at: u64) -> Vec<u8> {
        let mut bytes = [&b"PK\x06\x06"[..], &44u64.to_le_bytes(), &[0; 12], &members.to_le_bytes(), &members.to_le_bytes(), &[0; 16]].concat();
        bytes.extend([&b"PK\x06\x07\0\0\0\0"[..], &at.to_le_bytes(), &1u32.to_le_bytes(), b"PK\x05\x06", &[0xff; 16], &[0; 2]].concat());
        bytes
    }

    #[test]
    fn the_number_of_members_is_known_before_room_is_made() {
        assert_eq!(wide_count(&end(7, 1000), 1000), Some(7));
        assert_eq!(wide_count(&[b"PK\x06\x06 in a tensor".to_vec(), end(7, 1016)].concat(), 1000), Some(7));
        assert_eq!(wide_count(&end(7, 10), 1000), Some(u64::MAX));
        assert_eq!(wide_count(b"PK\x05\x06", 0), None);
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &end(1 << 40, 0)).unwrap();
        let length = file.metadata().unwrap().len();
        let refused = checked_directory(file, length).unwrap_err().to_string();
        assert!(refused.contains("1099511627776 members in 98 bytes"), "{refused}");
    }
}

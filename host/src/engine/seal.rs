//! A checksum inside of a Parquet file: other programs read the file as ever, and a flipped bit is noticed before it becomes a label.
//!
//! The file's metadata hold the key [`KEY`] with the BLAKE3 hash of all its bytes, those of the hash taken as zeros.

use parquet::file::metadata::KeyValue;
use serde::Serialize;

use crate::errors::AnyError;

const KEY: &str = "convert.blake3";
const EMPTY: [u8; 64] = [b'0'; 64];
/// What a reader says of a file whose hash is another one.
pub const DAMAGED: &str = "its checksum says that it is damaged";

/// The metadata of a file that is to be sealed.
pub fn metadata() -> Vec<KeyValue> {
    vec![KeyValue::new(KEY.to_owned(), String::from_utf8_lossy(&EMPTY).into_owned())]
}

/// Puts the hash into a file with [`metadata`].
///
/// # Errors
/// A file without them: a mistake of this program.
pub fn close(bytes: &mut [u8]) -> Result<(), AnyError> {
    let at = place(bytes).ok_or("a file without a place for its checksum")?;
    let hash = blake3::hash(bytes).to_hex();
    bytes[at..at + EMPTY.len()].copy_from_slice(hash.as_bytes());
    Ok(())
}

/// Compares a file with its hash. Files of earlier versions have none.
///
/// # Errors
/// A file that is damaged.
pub fn check(bytes: &[u8]) -> Result<(), AnyError> {
    let Some(at) = place(bytes) else { return Ok(()) };
    let (before, rest) = bytes.split_at(at);
    let (hash, after) = rest.split_at(EMPTY.len());
    let found = blake3::Hasher::new().update(before).update(&EMPTY).update(after).finalize().to_hex();
    if found.as_bytes() == hash { Ok(()) } else { Err(DAMAGED.into()) }
}

/// The hash of a value's JSON.
///
/// # Errors
/// A value that has none.
pub fn of_json(value: &impl Serialize) -> Result<String, AnyError> {
    Ok(blake3::hash(&serde_json::to_vec(value)?).to_hex().to_string())
}

/// Where the hash stands: in the footer, two bytes behind its key (a field's header and the length in Thrift's compact form).
fn place(bytes: &[u8]) -> Option<usize> {
    let key = bytes.windows(KEY.len()).rposition(|window| window == KEY.as_bytes())?;
    let at = key + KEY.len() + 2;
    (at + EMPTY.len() <= bytes.len()).then_some(at)
}

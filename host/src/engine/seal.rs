//! A checksum inside of a Parquet or JSON file: other programs read the file as ever, and a flipped bit is noticed before it becomes a label.
//!
//! The file's metadata, or the object that it is, hold the key [`KEY`] with the BLAKE3 hash of all its bytes, those of the hash taken as zeros.

use parquet::file::metadata::KeyValue;
use serde::Serialize;

use crate::errors::AnyError;

const KEY: &str = "convert.blake3";
const EMPTY: [u8; 64] = [b'0'; 64];
/// Bytes between key and hash: in a Parquet file's footer a field's header and the length in Thrift's compact form, in JSON `": "`.
const IN_PARQUET: usize = 2;
const IN_JSON: usize = 4;
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
    close_at(place(bytes, IN_PARQUET), bytes)
}

fn close_at(place: Option<usize>, bytes: &mut [u8]) -> Result<(), AnyError> {
    let at = place.ok_or("a file without a place for its checksum")?;
    let hash = blake3::hash(bytes).to_hex();
    bytes[at..at + EMPTY.len()].copy_from_slice(hash.as_bytes());
    Ok(())
}

/// Compares a file with its hash. Files of earlier versions have none.
///
/// # Errors
/// A file that is damaged.
pub fn check(bytes: &[u8]) -> Result<(), AnyError> {
    check_at(place(bytes, IN_PARQUET), bytes)
}

/// A JSON object with the hash among its keys.
///
/// # Errors
/// A value that is no object.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>, AnyError> {
    let mut value = serde_json::to_value(value)?;
    value.as_object_mut().ok_or("no JSON object")?.insert(KEY.to_owned(), String::from_utf8_lossy(&EMPTY).into());
    let mut bytes = serde_json::to_vec_pretty(&value)?;
    close_at(place(&bytes, IN_JSON), &mut bytes)?;
    Ok(bytes)
}

/// Compares a file of [`json`] with its hash. Those of earlier versions have none.
///
/// # Errors
/// A file that is damaged.
pub fn check_json(bytes: &[u8]) -> Result<(), AnyError> {
    check_at(place(bytes, IN_JSON), bytes)
}

fn check_at(place: Option<usize>, bytes: &[u8]) -> Result<(), AnyError> {
    let Some(at) = place else { return Ok(()) };
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

/// Where the hash stands, so many bytes behind its key.
fn place(bytes: &[u8], gap: usize) -> Option<usize> {
    let key = bytes.windows(KEY.len()).rposition(|window| window == KEY.as_bytes())?;
    let at = key + KEY.len() + gap;
    (at + EMPTY.len() <= bytes.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_object_is_read_as_ever_and_each_of_its_bits_is_guarded() {
        let bytes = json(&serde_json::json!({ "loss": 0.1, "warnings": ["a"] })).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert!(read["loss"] == 0.1 && check_json(&bytes).is_ok());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // What no longer parses is noticed as well; in the key itself a bit costs the guard and no content.
            let harmless = |value: serde_json::Value| value["loss"] == 0.1 && value["warnings"][0] == "a";
            let unnoticed = check_json(&flipped).ok().and_then(|()| serde_json::from_slice(&flipped).ok());
            assert!(unnoticed.is_none_or(harmless), "bit {bit}");
        }
    }
}

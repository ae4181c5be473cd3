//! Values as the messages that cross: MessagePack, structs as maps, so that either side may know fields that the other does not.

use convert_abi::Fallible;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// The message of a value.
pub fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(value).map_err(|error| Error::invalid(format!("a value cannot cross between plugin and host: {error}")))
}

/// The value of a message from the other side. Invariants of types are checked here, however sure the sender was.
pub fn read<'a, T: Deserialize<'a>>(message: &'a [u8]) -> Result<T> {
    rmp_serde::from_slice(message).map_err(|error| match error {
        rmp_serde::decode::Error::Syntax(text) => Error::invalid(text),
        other => Error::invalid(format!("a message between plugin and host cannot be read: {other}")),
    })
}

/// The message of an error, which can always be written.
pub fn write_error(error: &Error) -> Vec<u8> {
    rmp_serde::to_vec_named(error).unwrap_or_default()
}

/// An error from the other side.
pub fn read_error(message: &[u8]) -> Error {
    rmp_serde::from_slice(message).unwrap_or_else(|_| Error::new(ErrorKind::Other, "an error that cannot be read"))
}

/// A result from the other side, as an ordinary one.
pub fn received<T>(result: Fallible<T>) -> Result<T> {
    result.into_result().map_err(|error| read_error(&error))
}

/// Lists of numbers as their bytes, little-endian: a fifth of the size, and no work for each number.
pub mod packed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_bytes::{ByteBuf, Bytes};

    fn bytes(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn numbers<E: serde::de::Error>(bytes: &[u8]) -> Result<Vec<f32>, E> {
        let (numbers, []) = bytes.as_chunks() else {
            return Err(E::custom(format!("{} bytes are no list of 32-bit numbers", bytes.len())));
        };
        Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    pub fn serialize<S: Serializer>(list: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        Bytes::new(&bytes(list)).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        numbers(<&Bytes>::deserialize(deserializer)?)
    }

    /// The same of several lists.
    pub mod lists {
        use super::*;

        pub fn serialize<S: Serializer>(lists: &[Vec<f32>], serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(lists.iter().map(|list| ByteBuf::from(bytes(list))))
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<f32>>, D::Error> {
            Vec::<&Bytes>::deserialize(deserializer)?.iter().map(|bytes| numbers(bytes)).collect()
        }
    }
}

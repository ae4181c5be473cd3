//! Where a run's results lie: a folder, or a place in an object store. Shards and records go through [`Store`]; what belongs to this machine alone (caches, notes of calls in
//! flight, files that plugins write) lies in a folder in either case.

mod inputs;
mod lease;
mod local;
mod object;
mod place;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;

pub use inputs::Inputs;
pub use lease::{Holder, Lease, LeaseError, Terms};
pub use local::LocalStore;
pub use object::ObjectStorage;
pub use place::{Place, host_name, is_address};

/// How a conditional create ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The object is there now, made by this call.
    Created,
    /// Another call was first; nothing was written.
    AlreadyThere,
}

/// A version of an object, for [`Store::replace_version`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

/// A run's place. Keys are relative paths such as `stages/regions-0123456789abcdef/shard-00042.parquet`. Errors are those of the system, or of the service where they may pass with
/// the number of one: [`convert_sdk::ErrorKind::of`] tells which say something of the world.
pub trait Store: Debug + Send + Sync {
    /// The bytes of an object; `None` where there is none.
    ///
    /// # Errors
    /// An object that cannot be read.
    fn get(&self, key: &str) -> io::Result<Option<Bytes>>;

    /// Some bytes of an object that is there.
    ///
    /// # Errors
    /// An object that cannot be read, is not there, or is shorter.
    fn get_range(&self, key: &str, range: Range<u64>) -> io::Result<Bytes>;

    /// The objects directly below a prefix, with their sizes in bytes, by their names there.
    ///
    /// # Errors
    /// A place that cannot be listed. One that is not there is empty.
    fn list(&self, prefix: &str) -> io::Result<BTreeMap<String, u64>>;

    /// Makes an object, whole, where there is none: of several callers, wherever they run, one is first.
    ///
    /// # Errors
    /// A place that cannot be written.
    fn create(&self, key: &str, bytes: &[u8]) -> io::Result<Creation>;

    /// Makes an object, whole, whatever was there.
    ///
    /// # Errors
    /// A place that cannot be written.
    fn replace(&self, key: &str, bytes: &[u8]) -> io::Result<()>;

    /// An object with its version.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn get_version(&self, key: &str) -> io::Result<Option<(Bytes, Version)>>;

    /// Makes an object in the place of just this version of it; whether that was still there.
    ///
    /// # Errors
    /// A place that cannot be written.
    fn replace_version(&self, key: &str, bytes: &[u8], version: &Version) -> io::Result<bool>;

    /// Removes an object; that there is none is no error.
    ///
    /// # Errors
    /// An object that cannot be removed.
    fn delete(&self, key: &str) -> io::Result<()>;

    /// Removes all that lies below a prefix.
    ///
    /// # Errors
    /// As [`Store::delete`].
    fn delete_all(&self, prefix: &str) -> io::Result<()>;

    /// Puts all that lies below a prefix under another, where nothing is.
    ///
    /// # Errors
    /// What cannot be read, written or removed.
    fn rename_all(&self, prefix: &str, to: &str) -> io::Result<()>;

    /// Copies a file of this machine to an object, however large it is. A file that is the object stays as it is.
    ///
    /// # Errors
    /// A file that cannot be read, a place that cannot be written.
    fn publish(&self, file: &Path, key: &str) -> io::Result<()>;

    /// Copies an object to a file of this machine; whether there is one. A file that is the object stays as it is.
    ///
    /// # Errors
    /// An object that cannot be read, a file that cannot be written.
    fn fetch(&self, key: &str, file: &Path) -> io::Result<bool>;

    /// What an object is called in messages: its path or address; with an empty key those of the run.
    fn place(&self, key: &str) -> PathBuf;

    /// Whether it is an object store, which other machines reach as well.
    fn is_remote(&self) -> bool;
}

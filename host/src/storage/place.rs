//! A run's place, as a recipe or `--work-dir` names it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{LocalStore, ObjectStorage, Store};

/// Where a run's results lie, and its folder on this machine: the same, or for a run in an object store one in the cache.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where results are read and written.
    pub store: Arc<dyn Store>,
    /// Of this machine alone: caches, notes of calls in flight, files before they are stored.
    pub folder: PathBuf,
}

impl Place {
    /// A folder.
    pub fn folder(folder: PathBuf) -> Self {
        Self { store: Arc::new(LocalStore::new(&folder)), folder }
    }

    /// An object store's address, such as `s3://bucket/run`.
    ///
    /// # Errors
    /// An address that names no place, or a scheme that is not known.
    pub fn address(address: &str) -> Result<Self, String> {
        let folder = scratch().join(host_name()).join(&blake3::hash(address.trim_end_matches('/').as_bytes()).to_hex()[..16]);
        Ok(Self { store: Arc::new(ObjectStorage::open(address)?), folder })
    }
}

/// Whether a text is an address, of a scheme that is known or not, and no path.
pub fn is_address(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.chars().all(|letter| letter.is_ascii_alphanumeric()))
}

/// The folder of this machine's part of runs in object stores: CONVERT_SCRATCH, else in the cache.
fn scratch() -> PathBuf {
    let folder = |name: &str| std::env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    folder("CONVERT_SCRATCH").unwrap_or_else(|| {
        let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
        cache.unwrap_or_else(|| Path::new("/tmp").to_owned()).join("convert").join("runs")
    })
}

/// This machine's name, as file names can hold it.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain: String = name.trim().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(40).collect();
    if plain.is_empty() { "host".to_owned() } else { plain }
}

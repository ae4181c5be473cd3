//! What inputs ask of a bucket: versions of objects, parts of them, and listings with tags.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStoreExt};

use super::refusal::Doing;
use super::{ObjectStorage, Reason, absent_is_none, cut_off};

/// An object as its bucket describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its key, below what was listed.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Other content has another.
    pub tag: String,
}

/// What lies below a key.
#[derive(Debug, Default)]
pub struct Below {
    /// The objects.
    pub objects: Vec<Described>,
    /// What more objects lie below; only of a listing that does not go into them.
    pub folders: Vec<String>,
}

impl ObjectStorage {
    /// What lies at a key; nothing where there is no object.
    ///
    /// # Errors
    /// What the service refuses.
    pub fn describe(&self, key: &str) -> io::Result<Option<Described>> {
        let path = self.path(key)?;
        let found = absent_is_none(self.settled(Doing::Read, || self.store.head(&path)))?;
        Ok(found.map(|object| Described { name: key.to_owned(), size: object.size, tag: tag(&object) }))
    }

    /// Bytes of an object, or all that are at most `limit`, if it still has this tag.
    ///
    /// # Errors
    /// An object that is not there, is another one by now, or is shorter than the range; of kind [`io::ErrorKind::FileTooLarge`] one that is longer than the limit.
    pub fn read_part(&self, key: &str, range: Option<Range<u64>>, limit: u64, tag: Option<&str>) -> io::Result<Bytes> {
        let path = self.path(key)?;
        let if_match = tag.and_then(condition);
        let read = || async {
            let options = GetOptions { range: range.clone().map(GetRange::Bounded), if_match: if_match.clone(), ..GetOptions::default() };
            let result = self.store.get_opts(&path, options).await?;
            let wanted = range.as_ref().map_or(result.meta.size, |range| range.end - range.start);
            if wanted > limit {
                return Ok(Err(result.meta.size));
            }
            let bytes = result.bytes().await?;
            if bytes.len() as u64 == wanted { Ok(Ok(bytes)) } else { Err(cut_off(bytes.len() as u64, wanted)) }
        };
        match self.settled(Doing::Read, read) {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(size)) => {
                Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {size} bytes, more than the limit of {limit} for its kind")))
            }
            Err(failed) if failed.reason == Reason::Taken => Err(io::Error::other("it was replaced since it was listed: start again")),
            Err(failed) => Err(failed.error),
        }
    }

    /// All objects below a key, directly or anywhere, in no order.
    ///
    /// # Errors
    /// What the service refuses.
    pub fn describe_all(&self, key: &str, recursive: bool) -> io::Result<Below> {
        let path = self.path(key)?;
        let prefix = (!path.as_ref().is_empty()).then_some(&path);
        let name = |location: &Path| location.prefix_match(&path).map(|parts| parts.fold(Path::default(), Path::join).to_string());
        let (objects, folders) = if recursive {
            (self.persist(Doing::List, || self.store.list(prefix).try_collect::<Vec<_>>())?, Vec::new())
        } else {
            let found = self.persist(Doing::List, || self.store.list_with_delimiter(prefix))?;
            (found.objects, found.common_prefixes)
        };
        let described = |object: ObjectMeta| Some(Described { name: name(&object.location)?, size: object.size, tag: tag(&object) });
        let named = |name: &String| !name.is_empty();
        Ok(Below {
            // A folder that somebody made by hand is an empty object.
            objects: objects.into_iter().filter_map(described).filter(|object| named(&object.name)).collect(),
            folders: folders.iter().filter_map(name).filter(named).collect(),
        })
    }
}

/// A service's name for a version, without the quotes that some leave out in listings; the time of its change where there is none.
fn tag(object: &ObjectMeta) -> String {
    object.e_tag.as_ref().map_or_else(|| format!("time {}", object.last_modified.timestamp_millis()), |tag| tag.trim_matches('"').to_owned())
}

/// The tag as a condition; nothing where it cannot be one.
fn condition(tag: &str) -> Option<String> {
    (!tag.starts_with("W/") && !tag.starts_with("time ")).then(|| format!("\"{tag}\""))
}

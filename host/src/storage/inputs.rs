//! Objects that a run reads: plugins ask for them through the host (`convert_formats::storage`), and files that a config names are fetched.
//!
//! There is one client a bucket, made when it is first asked for. Errors of reading are of kind `Io`, as those of a file server: whatever the service says, it says nothing of a sample.
//! Of looking and listing, with which a dataset is opened, only what may pass is.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use convert_formats::storage::{Object, Page, Stores, Wanted};
use convert_sdk::{Error, ErrorKind, Result};

use super::ObjectStorage;
use super::object::Described;
use crate::storage::Store;

/// Requests on their way at once, of all plugins together.
const AT_ONCE: usize = 64;
/// Entries of a page: about a megabyte.
const PAGE: usize = 10_000;
/// So many listings wait for their next page to be asked for.
const WAITING: usize = 64;

/// See the module.
pub struct Inputs {
    buckets: Mutex<HashMap<String, Arc<ObjectStorage>>>,
    /// What is left of listings, by what asks for it.
    waiting: Mutex<VecDeque<(String, Vec<Object>)>>,
    free: Mutex<usize>,
    freed: Condvar,
}

/// A bucket and a key in it.
struct Place<'a> {
    bucket: &'a str,
    key: &'a str,
}

impl<'a> Place<'a> {
    fn of(address: &'a str) -> Result<Self> {
        let start = address.find("://").map_or(0, |at| at + 3);
        let end = address[start..].find('/').map_or(address.len(), |at| start + at);
        let key = address[end..].trim_matches('/');
        if start == 0 || key.split('/').any(|part| part.is_empty() && !key.is_empty()) {
            return Err(Error::config(format!(
                "{address} is no place in an object store: write s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or az://CONTAINER/FOLDER"
            )));
        }
        Ok(Self { bucket: &address[..end], key })
    }
}

impl Inputs {
    /// Those of this process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Inputs> = OnceLock::new();
        SHARED.get_or_init(|| Self { buckets: Mutex::default(), waiting: Mutex::default(), free: Mutex::new(AT_ONCE), freed: Condvar::new() })
    }

    /// Asks a bucket, when there are not too many requests on their way.
    fn ask<T>(&self, place: &Place<'_>, ask: impl FnOnce(&ObjectStorage) -> T) -> Result<T> {
        let storage = {
            let mut buckets = lock(&self.buckets);
            match buckets.get(place.bucket) {
                Some(known) => Arc::clone(known),
                None => {
                    let opened = Arc::new(ObjectStorage::open(place.bucket).map_err(Error::config)?);
                    buckets.insert(place.bucket.to_owned(), Arc::clone(&opened));
                    opened
                }
            }
        };
        let _turn = Turn::take(self);
        Ok(ask(&storage))
    }

    /// Copies an object to a file; whether there is one.
    ///
    /// # Errors
    /// As [`Stores::read`]; a file that cannot be written.
    pub fn fetch(&self, address: &str, file: &Path) -> Result<bool> {
        let place = Place::of(address)?;
        self.ask(&place, |storage| storage.fetch(place.key, file))?.map_err(|error| reading(address, &error))
    }

    fn listed(&self, address: &str, recursive: bool) -> Result<(Vec<Object>, Vec<String>)> {
        let place = Place::of(address)?;
        let below = self.ask(&place, |storage| storage.describe_all(place.key, recursive))?.map_err(|error| opening(address, &error))?;
        let mut objects: Vec<Object> = below.objects.into_iter().map(object).collect();
        objects.sort_by(|one, other| one.name.cmp(&other.name));
        let mut folders = below.folders;
        folders.sort();
        Ok((objects, folders))
    }
}

impl Stores for Inputs {
    fn look(&self, address: &str) -> Result<Option<Object>> {
        let place = Place::of(address)?;
        let found = self.ask(&place, |storage| storage.describe(place.key))?.map_err(|error| opening(address, &error))?;
        Ok(found.map(|found| Object { name: address.to_owned(), ..object(found) }))
    }

    fn read(&self, wanted: &Wanted) -> Result<Vec<u8>> {
        let place = Place::of(&wanted.address)?;
        let range = wanted.range.map(|(start, end)| start..end);
        let limit = wanted.limit.unwrap_or(u64::MAX);
        let read = self.ask(&place, |storage| storage.read_part(place.key, range, limit, wanted.tag.as_deref()))?;
        read.map(Into::into).map_err(|error| reading(&wanted.address, &error))
    }

    fn list(&self, address: &str, recursive: bool, after: Option<&str>) -> Result<Page> {
        let question = |after: &str| format!("{address}\n{recursive}\n{after}");
        let kept = after.and_then(|after| {
            let mut waiting = lock(&self.waiting);
            let at = waiting.iter().position(|(asked, _)| *asked == question(after))?;
            waiting.remove(at)
        });
        let (mut objects, folders) = match (kept, after) {
            (Some((_, objects)), _) => (objects, Vec::new()),
            (None, None) => self.listed(address, recursive)?,
            // It waited too long.
            (None, Some(after)) => {
                let mut objects = self.listed(address, recursive)?.0;
                objects.retain(|object| object.name.as_str() > after);
                (objects, Vec::new())
            }
        };
        let rest = if objects.len() > PAGE { objects.split_off(PAGE) } else { Vec::new() };
        let next = objects.last().filter(|_| !rest.is_empty()).map(|last| last.name.clone());
        if let Some(next) = &next {
            let mut waiting = lock(&self.waiting);
            waiting.push_back((question(next), rest));
            if waiting.len() > WAITING {
                waiting.pop_front();
            }
        }
        Ok(Page { objects, folders, next })
    }
}

fn object(described: Described) -> Object {
    Object { name: described.name, size: described.size, tag: described.tag }
}

fn reading(address: &str, error: &io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::FileTooLarge { ErrorKind::InvalidInput } else { ErrorKind::Io };
    Error::new(kind, format!("{address}: {error}"))
}

fn opening(address: &str, error: &io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::TimedOut { ErrorKind::Io } else { ErrorKind::Config };
    Error::new(kind, format!("{address}: {error}"))
}

/// One of the requests that may be on their way.
struct Turn<'a>(&'a Inputs);

impl<'a> Turn<'a> {
    fn take(inputs: &'a Inputs) -> Self {
        let mut free = inputs.freed.wait_while(lock(&inputs.free), |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Self(inputs)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.freed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

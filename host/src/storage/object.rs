//! A run in an object store: Amazon S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.
//!
//! What is asked again, and for how long, is decided in two places. The services' library repeats a request that has surely no effect, or the same one twice; a whole call, such
//! as a conditional write whose answer got lost, is repeated here ([`ObjectStorage::persist`]).

mod address;
mod client;
mod http;
mod profile;
mod reading;
mod refusal;
mod service;
mod transfer;
mod variables;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};
use tokio::runtime::Runtime;

pub use self::reading::Described;

use self::address::Address;
use self::client::client;
use self::http::SEEN;
use self::refusal::{Asked, Doing, Seen};
use self::variables::Variables;
use super::{Creation, Store, Version};

/// A call is given up after this time.
const PATIENCE: Duration = Duration::from_secs(150);
/// Between two tries of a call, at first and at most.
const WAIT: Duration = Duration::from_millis(100);
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Of an error that no request explains, a bulk deletion's for some of its objects for example, there are so many tries.
const UNEXPLAINED_TRIES: u32 = 4;
/// Objects that are copied at once.
const AT_ONCE: usize = 16;
/// What separates the parts of a [`Version`]; no service has it in a tag.
const BETWEEN: char = '\n';

/// The objects of a bucket below a prefix. A write is one request, conditional where it is a [`create`](Store::create): services take up to 5 GB in one, far more than a shard,
/// and of a write in parts only the last request could be conditional, which the library cannot say. Only [`publish`](Store::publish) goes in parts.
#[derive(Debug)]
pub struct ObjectStorage {
    store: Arc<dyn ObjectStore>,
    address: Address,
    asked: Asked,
    patience: Duration,
    runtime: &'static Runtime,
}

impl ObjectStorage {
    /// Whether a place is an object store's, and no folder.
    pub fn is_address(place: &str) -> bool {
        place.contains("://")
    }

    /// Of `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`, with the credentials that the environment gives. Contacts nobody.
    ///
    /// # Errors
    /// An address that is none, an environment that makes no sense: one line, complete.
    pub fn open(url: &str) -> Result<Self, String> {
        Self::open_with(url, &Variables::of_this_process(), PATIENCE)
    }

    /// As [`ObjectStorage::open`], for somebody who waits: a call is given up after `patience`.
    ///
    /// # Errors
    /// As [`ObjectStorage::open`].
    pub fn open_for(url: &str, patience: Duration) -> Result<Self, String> {
        Self::open_with(url, &Variables::of_this_process(), patience)
    }

    /// As [`ObjectStorage::open_for`], with these environment variables and no others.
    ///
    /// # Errors
    /// As [`ObjectStorage::open`].
    pub fn open_in(url: &str, variables: impl IntoIterator<Item = (String, String)>, patience: Duration) -> Result<Self, String> {
        Self::open_with(url, &Variables::new(variables), patience)
    }

    fn open_with(url: &str, variables: &Variables, patience: Duration) -> Result<Self, String> {
        let address = Address::parse(url)?;
        let client = client(&address, variables, patience)?;
        let asked = Asked {
            service: address.service,
            bucket: address.bucket.clone(),
            credentials: client.credentials,
            region: client.region,
            endpoint: client.endpoint,
        };
        Ok(Self { store: client.store, address, asked, patience, runtime: runtime()? })
    }

    fn path(&self, key: &str) -> io::Result<Path> {
        let whole = if self.address.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.address.prefix) };
        Path::parse(&whole).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{key} is no name that an object can have")))
    }

    /// Calls until it succeeds, fails for good, or the time is over.
    fn persist<T, F: Future<Output = Result<T, Error>>>(&self, doing: Doing, attempt: impl Fn() -> F) -> io::Result<T> {
        self.settled(doing, attempt).map_err(|failed| failed.error)
    }

    /// As [`ObjectStorage::persist`], with what a refusal means.
    fn settled<T, F: Future<Output = Result<T, Error>>>(&self, doing: Doing, attempt: impl Fn() -> F) -> Result<T, Failed> {
        let begun = Instant::now();
        let (mut wait, mut tried) = (WAIT, 0);
        loop {
            let seen = Arc::new(Mutex::new(None));
            let error = match self.runtime.block_on(SEEN.scope(Arc::clone(&seen), attempt())) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            let seen: Option<Seen> = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
            tried += 1;
            let again = seen.as_ref().map_or(tried < UNEXPLAINED_TRIES && is_unexplained(&error), Seen::may_pass);
            if !again || begun.elapsed() + wait > self.patience {
                let told = self.asked.error(doing, &error, seen.as_ref(), begun.elapsed());
                return Err(Failed { error: told, reason: Reason::of(&error, seen.as_ref()) });
            }
            tracing::debug!("{}: {error}: trying again in {} ms", self.address, wait.as_millis());
            std::thread::sleep(wait);
            wait = (wait * 2).min(MAX_WAIT);
        }
    }

    /// A whole object and its version; `None` where there is none.
    fn read(&self, key: &str) -> io::Result<Option<(Bytes, Version)>> {
        let path = self.path(key)?;
        let read = || async {
            let result = self.store.get(&path).await?;
            let (size, version) = (result.meta.size, version(result.meta.e_tag.as_deref(), result.meta.version.as_deref()));
            let bytes = result.bytes().await?;
            if bytes.len() as u64 == size { Ok((bytes, version)) } else { Err(cut_off(bytes.len() as u64, size)) }
        };
        absent_is_none(self.settled(Doing::Read, read))
    }

    fn put(&self, key: &str, bytes: &[u8], mode: &PutMode) -> Result<(), Failed> {
        let path = self.path(key)?;
        let payload = PutPayload::from(Bytes::copy_from_slice(bytes));
        let put = || self.store.put_opts(&path, payload.clone(), PutOptions { mode: mode.clone(), ..PutOptions::default() });
        self.settled(Doing::Write, put).map(|_| ())
    }

    /// All objects below a prefix.
    fn below(&self, prefix: &str) -> io::Result<Vec<Path>> {
        let path = self.path(prefix)?;
        self.persist(Doing::List, || self.store.list(Some(&path)).map_ok(|object| object.location).try_collect())
    }
}

impl Store for ObjectStorage {
    fn get(&self, key: &str) -> io::Result<Option<Bytes>> {
        Ok(self.read(key)?.map(|(bytes, _)| bytes))
    }

    fn get_range(&self, key: &str, range: Range<u64>) -> io::Result<Bytes> {
        let path = self.path(key)?;
        if range.is_empty() {
            return self.persist(Doing::Read, || self.store.head(&path)).map(|_| Bytes::new());
        }
        let wanted = range.end - range.start;
        let too_short = |size: u64| {
            let asked = format!("{} to {}", range.start, range.end);
            io::Error::new(io::ErrorKind::UnexpectedEof, format!("it is {size} bytes long, and bytes {asked} were asked for"))
        };
        let read = || async {
            let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
            let result = self.store.get_opts(&path, options).await?;
            let size = result.meta.size;
            if size < range.end {
                return Ok(Err(size));
            }
            let bytes = result.bytes().await?;
            if bytes.len() as u64 == wanted { Ok(Ok(bytes)) } else { Err(cut_off(bytes.len() as u64, wanted)) }
        };
        match self.settled(Doing::Read, read) {
            Ok(read) => read.map_err(too_short),
            Err(failed) if failed.reason == Reason::Beyond => Err(too_short(self.persist(Doing::Read, || self.store.head(&path))?.size)),
            Err(failed) => Err(failed.error),
        }
    }

    fn list(&self, prefix: &str) -> io::Result<BTreeMap<String, u64>> {
        let path = self.path(prefix)?;
        let found = self.persist(Doing::List, || self.store.list_with_delimiter(Some(&path)))?;
        let named = found.objects.into_iter().filter_map(|object| Some((object.location.filename()?.to_owned(), object.size)));
        Ok(named.collect())
    }

    /// One request. One that is repeated because its answer got lost finds its own object, and says that it was already there.
    fn create(&self, key: &str, bytes: &[u8]) -> io::Result<Creation> {
        match self.put(key, bytes, &PutMode::Create) {
            Ok(()) => Ok(Creation::Created),
            Err(failed) if failed.reason == Reason::Taken => Ok(Creation::AlreadyThere),
            Err(failed) => Err(failed.error),
        }
    }

    fn replace(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        self.put(key, bytes, &PutMode::Overwrite).map_err(|failed| failed.error)
    }

    fn get_version(&self, key: &str) -> io::Result<Option<(Bytes, Version)>> {
        self.read(key)
    }

    /// One that is repeated because its answer got lost finds its own bytes, which counts as having been there: bytes must tell their writer.
    fn replace_version(&self, key: &str, bytes: &[u8], version: &Version) -> io::Result<bool> {
        let (tag, number) = version.0.split_once(BETWEEN).unwrap_or((&version.0, ""));
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let expected = UpdateVersion { e_tag: some(tag), version: some(number) };
        match self.put(key, bytes, &PutMode::Update(expected)) {
            Ok(()) => Ok(true),
            Err(failed) if [Reason::Taken, Reason::Absent].contains(&failed.reason) => Ok(self.get(key)?.is_some_and(|there| there == bytes)),
            Err(failed) => Err(failed.error),
        }
    }

    fn delete(&self, key: &str) -> io::Result<()> {
        let path = self.path(key)?;
        absent_is_none(self.settled(Doing::Delete, || self.store.delete(&path))).map(|_| ())
    }

    fn delete_all(&self, prefix: &str) -> io::Result<()> {
        let all = self.below(prefix)?;
        let delete = || {
            let paths = stream::iter(all.clone().into_iter().map(Ok)).boxed();
            // What is gone already, since a first try removed it, is as it should be.
            let deleted = self.store.delete_stream(paths).filter(|result| std::future::ready(!matches!(result, Err(Error::NotFound { .. }))));
            deleted.try_for_each(|_| std::future::ready(Ok(())))
        };
        absent_is_none(self.settled(Doing::Delete, delete)).map(|_| ())
    }

    /// Copies all, then removes what was copied: another machine sees both on the way, and after an interruption the same call goes on.
    fn rename_all(&self, prefix: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(prefix)?, self.path(to)?);
        let copies: Vec<(Path, Path)> = self
            .below(prefix)?
            .into_iter()
            .filter_map(|source| {
                let target = source.prefix_match(&from)?.fold(to.clone(), Path::join);
                Some((source, target))
            })
            .collect();
        self.persist(Doing::Write, || {
            let all = stream::iter(&copies).map(|(source, target)| self.store.copy(source, target)).buffer_unordered(AT_ONCE);
            all.try_for_each(|()| std::future::ready(Ok(())))
        })?;
        self.delete_all(prefix)
    }

    fn publish(&self, file: &FilePath, key: &str) -> io::Result<()> {
        transfer::publish(self, file, key)
    }

    fn fetch(&self, key: &str, file: &FilePath) -> io::Result<bool> {
        transfer::fetch(self, key, file)
    }

    fn place(&self, key: &str) -> PathBuf {
        PathBuf::from(self.address.to_string()).join(key)
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// A call that was given up.
struct Failed {
    /// For callers.
    error: io::Error,
    reason: Reason,
}

/// What a refusal can mean besides an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The object is not there, in a bucket that is.
    Absent,
    /// There is an object already, or another version of it.
    Taken,
    /// The object ends before what was asked for.
    Beyond,
    /// Nothing else.
    Other,
}

impl Reason {
    fn of(error: &Error, seen: Option<&Seen>) -> Self {
        match (error, seen) {
            (_, Some(seen)) if seen.is_no_bucket() || seen.is_conflict() => Self::Other,
            (_, Some(Seen::Answer { status: 416, .. })) => Self::Beyond,
            (Error::NotFound { .. }, _) => Self::Absent,
            (Error::AlreadyExists { .. } | Error::Precondition { .. }, _) => Self::Taken,
            _ => Self::Other,
        }
    }
}

impl From<io::Error> for Failed {
    /// What was wrong before anything was asked.
    fn from(error: io::Error) -> Self {
        Self { error, reason: Reason::Other }
    }
}

fn absent_is_none<T>(result: Result<T, Failed>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(failed) if failed.reason == Reason::Absent => Ok(None),
        Err(failed) => Err(failed.error),
    }
}

/// The library knows of no such thing, or of one that a request did not meet.
fn is_unexplained(error: &Error) -> bool {
    matches!(error, Error::Generic { .. } | Error::JoinError { .. })
}

fn cut_off(got: u64, whole: u64) -> Error {
    Error::Generic { store: "object store", source: format!("{got} of {whole} bytes came").into() }
}

fn version(tag: Option<&str>, number: Option<&str>) -> Version {
    Version(format!("{}{BETWEEN}{}", tag.unwrap_or_default(), number.unwrap_or_default()))
}

/// The threads that wait for services, made once. Requests wait on threads of their own; these only keep time.
fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let make = || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("object-store").enable_time().build();
        runtime.map_err(|error| format!("cannot start threads for the object store: {error}"))
    };
    RUNTIME.get_or_init(make).as_ref().map_err(Clone::clone)
}

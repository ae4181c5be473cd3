//! Objects in stores, such as `s3://bucket/train.tar`: the host reads them for its plugins, so that no plugin links a client of its own.
//!
//! [`Storage`] is the plugin's side, and [`answer`] the host's, of the methods `storage.look`, `storage.read` and `storage.list` (docs/abi.md).

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use convert_sdk::abi::message;
use convert_sdk::{Context, Error, ErrorKind, Host, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

const LOOK: &str = "storage.look";
const READ: &str = "storage.read";
const LIST: &str = "storage.list";

/// An object, as a store describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its address, or in a listing its name below the place that was listed.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// What the store calls this version of it: other content has another tag.
    pub tag: String,
}

/// Some of what lies below an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Objects, in the order of their names.
    pub objects: Vec<Object>,
    /// Names that more objects lie below, without a slash; only of a listing that does not go into them.
    #[serde(default)]
    pub folders: Vec<String>,
    /// What to ask for next, where there is more.
    #[serde(default)]
    pub next: Option<String>,
}

/// Whose bytes are read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// The object's address.
    pub address: String,
    /// From which byte to before which; nothing is all of it.
    #[serde(default)]
    pub range: Option<(u64, u64)>,
    /// Of all of it: most bytes.
    #[serde(default)]
    pub limit: Option<u64>,
    /// The version that it must still be.
    #[serde(default)]
    pub tag: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Looked {
    address: String,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    address: String,
    recursive: bool,
    #[serde(default)]
    after: Option<String>,
}

/// What reads stores: the host, or something that answers for it in tests.
pub trait Stores {
    /// What lies at an address; nothing where there is no such object.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Io`] where another time may do; an address that is none, a store that is not there or denies it.
    fn look(&self, address: &str) -> Result<Option<Object>>;

    /// Bytes of an object.
    ///
    /// # Errors
    /// As [`Stores::look`]; an object that is gone, is another one by now, or is shorter or longer than it may be.
    fn read(&self, wanted: &Wanted) -> Result<Vec<u8>>;

    /// Some of what lies below an address, directly or anywhere; `after` is a page's `next`.
    ///
    /// # Errors
    /// As [`Stores::look`].
    fn list(&self, address: &str, recursive: bool, after: Option<&str>) -> Result<Page>;
}

/// The answer to a plugin's call, for [`Host::call`]; nothing where the method is none of these.
///
/// # Errors
/// A question that cannot be read, and what `stores` says.
pub fn answer(stores: &impl Stores, method: &str, question: &[u8]) -> Result<Option<Vec<u8>>> {
    match method {
        LOOK => message::write(&stores.look(&message::read::<Looked>(question)?.address)?).map(Some),
        READ => message::write(&ByteBuf::from(stores.read(&message::read(question)?)?)).map(Some),
        LIST => {
            let Listed { address, recursive, after } = message::read(question)?;
            message::write(&stores.list(&address, recursive, after.as_deref())?).map(Some)
        }
        _ => Ok(None),
    }
}

/// The objects that a plugin may read. Cheap to clone; called from several threads at once.
#[derive(Clone)]
pub struct Storage(Arc<dyn Host>);

impl Storage {
    /// Through the host of a plugin.
    pub fn of(context: &Context) -> Self {
        Self(context.host().clone())
    }

    /// Whether a text is an address, and no path.
    pub fn is_address(text: &str) -> bool {
        text.contains("://")
    }

    /// What lies at an address; nothing where there is no such object. One request.
    ///
    /// # Errors
    /// As [`Stores::look`].
    pub fn look(&self, address: &str) -> Result<Option<Object>> {
        self.ask(LOOK, &Looked { address: address.to_owned() })
    }

    /// Some bytes of an object, of this version of it where there is a tag. One request.
    ///
    /// # Errors
    /// As [`Stores::read`].
    pub fn read(&self, address: &str, range: Range<u64>, tag: Option<&str>) -> Result<Vec<u8>> {
        let wanted = range.end.saturating_sub(range.start);
        let range = Some((range.start, range.end));
        let bytes: ByteBuf = self.ask(READ, &Wanted { address: address.to_owned(), range, limit: None, tag: tag.map(str::to_owned) })?;
        if bytes.len() as u64 != wanted {
            return Err(Error::new(ErrorKind::Io, format!("{address}: {} bytes came, and {wanted} were asked for", bytes.len())));
        }
        Ok(bytes.into_vec())
    }

    /// All bytes of an object that has at most `limit`. One request.
    ///
    /// # Errors
    /// As [`Stores::read`].
    pub fn read_all(&self, address: &str, limit: u64) -> Result<Vec<u8>> {
        let bytes: ByteBuf = self.ask(READ, &Wanted { address: address.to_owned(), range: None, limit: Some(limit), tag: None })?;
        Ok(bytes.into_vec())
    }

    /// Hands out what lies below an address, page by page: directly, with the folders there, or `recursive`.
    ///
    /// # Errors
    /// As [`Stores::list`], and what `take` gives.
    pub fn list(&self, address: &str, recursive: bool, mut take: impl FnMut(Page) -> Result<()>) -> Result<()> {
        let mut after = None;
        loop {
            let mut page: Page = self.ask(LIST, &Listed { address: address.to_owned(), recursive, after })?;
            after = page.next.take();
            take(page)?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn ask<T: DeserializeOwned>(&self, method: &str, question: &impl Serialize) -> Result<T> {
        let answer = self.0.call(method, &message::write(question)?)?;
        let older = || Error::new(ErrorKind::Unsupported, "this convert reads no objects for its plugins: update convert");
        message::read(&answer.ok_or_else(older)?)
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Storage")
    }
}

//! What the shards of a store hold, remembered in the run's cache: a shard of the same size and tag is not read again.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use convert_formats::files::StoredObject;
use convert_formats::{files, whole_file};
use convert_sdk::tracing::debug;
use convert_sdk::{Context, Deserialize, Serialize, serde};

use super::archive::number_of;
use super::shard::{Found, Wanted};

/// Raised when what is remembered changes its form or meaning.
const VERSION: u32 = 1;

/// See the module. A file a shard, named by its address.
#[derive(Debug)]
pub struct Index {
    folder: PathBuf,
    rescan: bool,
    /// What waits for a run that is at work, whose folders are there.
    waiting: Mutex<Vec<(PathBuf, Vec<u8>)>>,
}

/// What a shard was when it was gone through, and what for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "serde")]
struct Subject {
    version: u32,
    size: u64,
    tag: String,
    wanted: Wanted,
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "serde")]
struct Remembered {
    subject: Subject,
    samples: Vec<Found>,
}

impl Index {
    /// That of the run's cache folder.
    pub fn of(context: &Context) -> Self {
        let settings = context.settings();
        Self { folder: settings.cache_folder.join("shard-index"), rescan: settings.rescan, waiting: Mutex::default() }
    }

    fn file(&self, object: &StoredObject) -> PathBuf {
        self.folder.join(format!("{:016x}.json", number_of(object.address().as_ref())))
    }

    /// The samples of a shard; nothing where they are not known.
    pub fn find(&self, object: &StoredObject, wanted: &Wanted) -> Option<Vec<Found>> {
        if self.rescan {
            return None;
        }
        let text = files::read_to_string(&self.file(object), files::MAX_TEXT).ok()?;
        let (hash, json) = text.split_once('\n')?;
        let whole = blake3::hash(json.as_bytes()).to_hex().as_str() == hash;
        let remembered: Remembered = whole.then(|| serde_json::from_str(json).ok()).flatten()?;
        (remembered.subject == subject(object, wanted)).then_some(remembered.samples)
    }

    /// Remembers the samples of a shard: at once where the cache folder is there, else with [`Index::save`].
    pub fn keep(&self, object: &StoredObject, wanted: &Wanted, samples: Vec<Found>) -> Vec<Found> {
        let remembered = Remembered { subject: subject(object, wanted), samples };
        if let Ok(json) = serde_json::to_vec(&remembered) {
            let text = [blake3::hash(&json).to_hex().as_bytes(), b"\n", &json].concat();
            let file = self.file(object);
            if self.folder.parent().is_some_and(|cache| cache.is_dir()) {
                write(&file, &text);
            } else {
                self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((file, text));
            }
        }
        remembered.samples
    }

    /// Writes what waits. To be called when the run is at work; where nothing can be written nothing is lost.
    pub fn save(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.iter().for_each(|(file, text)| write(file, text));
    }
}

fn subject(object: &StoredObject, wanted: &Wanted) -> Subject {
    Subject { version: VERSION, size: object.size(), tag: object.tag().to_owned(), wanted: wanted.clone() }
}

fn write(file: &std::path::Path, text: &[u8]) {
    let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder.and_then(|()| whole_file::write_cached(file, |mut target| target.write_all(text)));
    if let Err(error) = written {
        debug!("{} is not written: {error}", file.display());
    }
}

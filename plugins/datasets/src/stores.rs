//! A host for tests whose stores are folders: `s3://bucket/a/b` is `FOLDER/bucket/a/b`. It counts what it is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use convert_formats::storage::{Object, Page, Stores, Wanted, answer};
use convert_sdk::{Context, Dataset, Error, ErrorKind, Host, ImageData, LogLevel, Result, Settings};

/// Entries of a page, few enough that tests see several.
const PAGE: usize = 3;

/// What was asked: `look`, `read` and `list`, how often, and bytes that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub looks: usize,
    pub reads: usize,
    pub lists: usize,
    pub bytes: usize,
}

/// See the module.
pub struct FolderStores {
    folder: PathBuf,
    asked: Mutex<Asked>,
    /// Objects whose names hold this cannot be read.
    pub away: Mutex<Option<String>>,
}

impl FolderStores {
    pub fn new(folder: &Path) -> Arc<Self> {
        Arc::new(Self { folder: folder.to_owned(), asked: Mutex::default(), away: Mutex::default() })
    }

    /// The context of a plugin whose cache is a folder.
    pub fn context(self: &Arc<Self>, cache: &Path) -> Context {
        let settings = Settings { cache_folder: cache.to_owned(), ..Context::for_tests(&[]).settings().clone() };
        Context::new(settings, self.clone())
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Asked {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn path(&self, address: &str) -> PathBuf {
        self.folder.join(address.strip_prefix("s3://").unwrap())
    }

    fn object(&self, path: &Path, name: &str) -> Object {
        let bytes = std::fs::read(path).unwrap();
        Object { name: name.to_owned(), size: bytes.len() as u64, tag: format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..32]) }
    }

    /// All files below a folder by their names there.
    fn below(folder: &Path, before: &str, found: &mut BTreeMap<String, PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = format!("{before}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() { Self::below(&path, &format!("{name}/"), found) } else { _ = found.insert(name, path) }
        }
    }
}

impl Stores for FolderStores {
    fn look(&self, address: &str) -> Result<Option<Object>> {
        self.asked.lock().unwrap().looks += 1;
        let path = self.path(address);
        Ok(path.is_file().then(|| self.object(&path, address)))
    }

    fn read(&self, wanted: &Wanted) -> Result<Vec<u8>> {
        let Wanted { address, range, limit, tag } = wanted;
        if self.away.lock().unwrap().as_ref().is_some_and(|name| address.contains(name)) {
            return Err(Error::new(ErrorKind::Io, format!("{address}: no answer for 150 s")));
        }
        let bytes = std::fs::read(self.path(address)).map_err(|_| Error::new(ErrorKind::Io, format!("{address} is gone")))?;
        if tag.as_ref().is_some_and(|tag| *tag != self.object(&self.path(address), "").tag) {
            return Err(Error::new(ErrorKind::Io, format!("{address} was replaced while it was read")));
        }
        let bytes = match range {
            Some((start, end)) => bytes.get(*start as usize..*end as usize).ok_or_else(|| Error::invalid("too short"))?.to_vec(),
            None if bytes.len() as u64 > limit.unwrap() => return Err(Error::invalid("too long")),
            None => bytes,
        };
        let mut asked = self.asked.lock().unwrap();
        asked.reads += 1;
        asked.bytes += bytes.len();
        Ok(bytes)
    }

    fn list(&self, address: &str, recursive: bool, after: Option<&str>) -> Result<Page> {
        self.asked.lock().unwrap().lists += 1;
        let (mut found, mut folders, mut page) = (BTreeMap::new(), BTreeSet::new(), Page::default());
        Self::below(&self.path(address), "", &mut found);
        for (name, path) in found {
            match name.split_once('/').filter(|_| !recursive) {
                Some((folder, _)) => _ = folders.insert(folder.to_owned()),
                None => page.objects.push(self.object(&path, &name)),
            }
        }
        let start = after.map_or(0, |after| after.parse().unwrap());
        page.folders = if start == 0 { folders.into_iter().collect() } else { Vec::new() };
        page.next = (page.objects.len() > start + PAGE).then(|| (start + PAGE).to_string());
        page.objects = page.objects.into_iter().skip(start).take(PAGE).collect();
        Ok(page)
    }
}

impl Host for FolderStores {
    fn log(&self, _: LogLevel, _: &str, _: &str) {}
    fn progress(&self, _: u64, _: u64, _: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
    fn call(&self, method: &str, message: &[u8]) -> Result<Option<Vec<u8>>> {
        answer(self, method, message)
    }
}

/// A sample: its id, label and bytes.
pub type SampleContent = (String, u32, Vec<u8>);

/// Ids, labels and bytes in the order of the ids, and the revisions.
pub fn content(dataset: &impl Dataset) -> (Vec<SampleContent>, Vec<u64>) {
    let mut samples = dataset.samples().unwrap();
    samples.sort_by(|one, other| one.id.cmp(&other.id));
    let revisions = samples.iter().map(|sample| sample.revision).collect();
    let read = |sample: convert_sdk::Sample| match dataset.image(&sample.id) {
        Ok(ImageData::Encoded(bytes)) => (sample.id, sample.label, bytes),
        other => panic!("{other:?}"),
    };
    (samples.into_iter().map(read).collect(), revisions)
}

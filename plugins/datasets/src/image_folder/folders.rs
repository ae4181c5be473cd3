//! What lies in folders, remembered between runs: a folder whose time of change is the same is not listed again, nor are its files looked at.
//!
//! A file that was overwritten in place is therefore not noticed; `--rescan` looks at everything. What is remembered takes about 60 bytes a file, on disk.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use convert_formats::whole_file;
use convert_sdk::tracing::{debug, warn};
use convert_sdk::{Context, Result, ResultExt};

use super::{is_hidden, is_image};
use crate::files;

/// The first line of the file; the number is raised when its form changes.
const HEADER: &str = "convert-listing";
const VERSION: u32 = 1;
/// A folder that changed this recently may change again within the same tick of its clock: it is not remembered.
const SETTLED: Duration = Duration::from_secs(2);

/// What lies in a folder and matters: hidden files and what is not an image is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: OsString,
    pub kind: EntryKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    Folder,
    /// An image with its revision.
    Image(u64),
}

/// A remembered folder: its time of change in nanoseconds since 1970, and its entries.
type Remembered = (u64, Vec<Entry>);

/// Listings of folders.
#[derive(Debug)]
pub(super) struct Folders {
    extensions: Vec<String>,
    file: PathBuf,
    /// What the file must say it is for.
    subject: String,
    known: Mutex<HashMap<PathBuf, Remembered>>,
    fresh: Mutex<HashMap<PathBuf, Remembered>>,
    saved: AtomicBool,
}

impl Folders {
    /// Those of `root` that the cache folder of a run remembers; none where a rescan is asked for.
    pub fn open(root: &Path, extensions: &[String], context: &Context) -> Self {
        let file = context.settings().cache_folder.join("listing.tsv");
        let subject = format!("{}\t{}", extensions.join(","), root.display());
        let (mut known, mut foreign) = (HashMap::new(), false);
        match read(&file, &subject) {
            Ok(_) if context.settings().rescan => {}
            Ok(Read::Folders(folders)) => known = folders,
            Ok(Read::Newer) => {
                warn!("{} was written by a newer convert: the folders are listed again, and it is left as it is", file.display());
                foreign = true;
            }
            Err(error) => debug!("no listing is remembered: {error}"),
        }
        Self { extensions: extensions.to_vec(), file, subject, known: Mutex::new(known), fresh: Mutex::default(), saved: AtomicBool::new(foreign) }
    }

    /// The entries of a folder, in no order.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn entries(&self, folder: &Path) -> Result<Vec<Entry>> {
        let named = || format!("cannot list the folder {}", folder.display());
        let changed = modified(&fs::metadata(folder).context(named)?);
        match lock(&self.known).get(folder) {
            Some((remembered, entries)) if *remembered == changed => return Ok(entries.clone()),
            _ => {}
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).context(named)? {
            let entry = entry.context(named)?;
            let (name, path) = (entry.file_name(), entry.path());
            if is_hidden(&name) {
                continue;
            }
            // Links are followed.
            let kind = match entry.file_type().context(named)? {
                kind if kind.is_dir() => EntryKind::Folder,
                kind if kind.is_symlink() && leads_to_folder(&path).context(named)? => EntryKind::Folder,
                _ if !is_image(&path, &self.extensions) => continue,
                // An image whose link leads nowhere is a sample like any other: the host finds it unreadable and records it.
                _ => EntryKind::Image(files::revision_of(&path)?),
            };
            entries.push(Entry { name, kind });
        }
        if SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_nanos(changed)).is_ok_and(|age| age > SETTLED) {
            lock(&self.fresh).insert(folder.to_owned(), (changed, entries.clone()));
        }
        Ok(entries)
    }

    /// Forgets in memory what the file holds already; to be called when everything is listed.
    pub fn listed(&self) {
        if lock(&self.fresh).is_empty() {
            *lock(&self.known) = HashMap::new();
        }
    }

    /// Remembers what was listed, once. To be called when the run is at work, so that its work directory is there. Where nothing can be written nothing is lost.
    pub fn remember(&self) {
        if self.saved.swap(true, Ordering::Relaxed) {
            return;
        }
        let (known, fresh) = (std::mem::take(&mut *lock(&self.known)), std::mem::take(&mut *lock(&self.fresh)));
        if !fresh.is_empty()
            && let Err(error) = self.write(&known, &fresh)
        {
            debug!("{} is not written: {error}", self.file.display());
        }
    }

    fn write(&self, known: &HashMap<PathBuf, Remembered>, fresh: &HashMap<PathBuf, Remembered>) -> std::io::Result<()> {
        fs::create_dir_all(self.file.parent().unwrap_or(Path::new("")))?;
        whole_file::write(&self.file, |file| self.write_to(file, known, fresh))
    }

    fn write_to(&self, file: &File, known: &HashMap<PathBuf, Remembered>, fresh: &HashMap<PathBuf, Remembered>) -> std::io::Result<()> {
        let mut file = BufWriter::new(Summed { inner: file, hash: blake3::Hasher::new() });
        writeln!(file, "{HEADER}\t{VERSION}\t{}", self.subject)?;
        let unchanged = known.iter().filter(|(folder, _)| !fresh.contains_key(*folder));
        for (folder, (changed, entries)) in unchanged.chain(fresh) {
            // A name that would not come back as it is: its folder is listed again.
            let plain = |name: &str| !name.contains(['\t', '\n', '\r']);
            let names: Option<Vec<&str>> = entries.iter().map(|entry| entry.name.to_str().filter(|name| plain(name))).collect();
            let (Some(path), Some(names)) = (folder.to_str().filter(|path| plain(path)), names) else { continue };
            writeln!(file, "in\t{changed}\t{path}")?;
            for (entry, name) in entries.iter().zip(names) {
                match entry.kind {
                    EntryKind::Folder => writeln!(file, "d\t0\t{name}")?,
                    EntryKind::Image(revision) => writeln!(file, "i\t{revision}\t{name}")?,
                }
            }
        }
        file.flush()?;
        let hash = file.get_ref().hash.finalize();
        writeln!(file, "end\t0\t{}", hash.to_hex())?;
        file.flush()
    }
}

/// A file with the hash of what was written to it.
struct Summed<'a> {
    inner: &'a File,
    hash: blake3::Hasher,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// Whether a link leads to a folder; not where it leads nowhere or to itself. What cannot be reached is an error: as no folder it would be left out unsaid.
fn leads_to_folder(link: &Path) -> std::io::Result<bool> {
    match fs::metadata(link) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match fs::symlink_metadata(link) {
            Ok(_) => Ok(false),
            // It was there a moment ago.
            Err(_) => Err(error),
        },
        Err(error) => {
            if convert_sdk::ErrorKind::of(&error).may_pass() {
                Err(error)
            } else {
                Ok(false)
            }
        }
    }
}

enum Read {
    Folders(HashMap<PathBuf, Remembered>),
    Newer,
}

fn read(file: &Path, subject: &str) -> Result<Read, String> {
    let mut file = BufReader::new(File::open(file).map_err(|error| error.to_string())?);
    let (mut hash, mut line) = (blake3::Hasher::new(), String::new());
    let mut next = |line: &mut String, hash: &mut blake3::Hasher| -> Result<bool, String> {
        line.clear();
        let length = file.read_line(line).map_err(|error| error.to_string())?;
        if !line.starts_with("end\t") {
            hash.update(line.as_bytes());
        }
        line.truncate(line.trim_end_matches('\n').len());
        Ok(length > 0)
    };
    next(&mut line, &mut hash)?;
    let header = line.clone();
    let mut fields = header.splitn(3, '\t');
    let (name, version) = (fields.next(), fields.next().and_then(|version| version.parse::<u32>().ok()));
    match version {
        Some(version) if name == Some(HEADER) && version > VERSION => return Ok(Read::Newer),
        Some(VERSION) if name == Some(HEADER) && fields.next() == Some(subject) => {}
        _ => return Err("it is of other folders".into()),
    }
    let mut folders: HashMap<PathBuf, Remembered> = HashMap::new();
    let mut entries: Option<&mut Vec<Entry>> = None;
    while next(&mut line, &mut hash)? {
        let mut fields = line.splitn(3, '\t');
        let (Some(kind), Some(number), Some(name)) = (fields.next(), fields.next().and_then(|number| number.parse().ok()), fields.next()) else {
            return Err(format!("a broken line: {line}"));
        };
        let kind = match kind {
            "in" => {
                entries = Some(&mut folders.entry(name.into()).or_insert((number, Vec::new())).1);
                continue;
            }
            "end" if name == hash.finalize().to_hex().as_str() => return Ok(Read::Folders(folders)),
            "end" => return Err("it is damaged, or of an earlier version".into()),
            "d" => EntryKind::Folder,
            _ => EntryKind::Image(number),
        };
        entries.as_mut().ok_or("an entry without a folder")?.push(Entry { name: name.into(), kind });
    }
    Err("it is truncated".into())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn modified(metadata: &Metadata) -> u64 {
    metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |time| time.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use convert_sdk::Settings;

    use super::*;

    fn context(cache: &Path, rescan: bool) -> Context {
        let plain = Context::for_tests(&[]);
        Context::new(Settings { cache_folder: cache.to_owned(), rescan, ..plain.settings().clone() }, plain.host().clone())
    }

    fn age(path: &Path, seconds: u64) {
        File::open(path).unwrap().set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    fn names(root: &Path, cache: &Path, rescan: bool) -> Vec<String> {
        let folders = Folders::open(root, &["jpg".into()], &context(cache, rescan));
        let mut names: Vec<String> = folders.entries(root).unwrap().iter().map(|entry| format!("{:?} {:?}", entry.name, entry.kind)).collect();
        folders.listed();
        folders.remember();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_listed_again_when_its_time_changes_or_a_rescan_is_asked_for() {
        let place = tempfile::tempdir().unwrap();
        let (root, cache) = (place.path().join("photos"), place.path().join("cache"));
        fs::create_dir(&root).unwrap();
        fs::write(root.join("a.jpg"), "a").unwrap();
        fs::write(root.join("notes.txt"), "b").unwrap();
        age(&root, 100);
        let first = names(&root, &cache, false);
        assert_eq!(first.len(), 1);
        assert!(cache.join("listing.tsv").is_file());

        // A file that grew in place does not change its folder's time.
        fs::write(root.join("a.jpg"), "longer").unwrap();
        assert_eq!(names(&root, &cache, false), first);
        let grown = names(&root, &cache, true);
        assert_ne!(grown, first);
        assert_eq!(names(&root, &cache, false), grown, "a rescan is remembered as well");

        fs::write(root.join("c.jpg"), "c").unwrap();
        assert_eq!(names(&root, &cache, false).len(), 2, "a new file changes its folder");
    }

    #[test]
    fn a_truncated_listing_is_made_anew_and_a_newer_one_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let (root, cache) = (place.path().join("photos"), place.path().join("cache"));
        fs::create_dir(&root).unwrap();
        fs::write(root.join("a.jpg"), "a").unwrap();
        age(&root, 100);
        let first = names(&root, &cache, false);
        let file = cache.join("listing.tsv");
        let whole = fs::read_to_string(&file).unwrap();
        let flipped = whole.replace("a.jpg", "b.jpg");
        for damaged in [&whole[..whole.len() - 3], &flipped] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(names(&root, &cache, false), first);
            assert_eq!(fs::read_to_string(&file).unwrap(), whole);
        }

        let newer = "convert-listing\t99\tof another form\n";
        fs::write(&file, newer).unwrap();
        assert_eq!(names(&root, &cache, false), first);
        assert_eq!(fs::read_to_string(&file).unwrap(), newer);
    }
}

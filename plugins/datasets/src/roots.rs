//! Where a dataset's files lie: in a folder of this machine, or below an address of an object store.

use std::path::{Path, PathBuf};

use convert_formats::files::{Source, StoredObject};
use convert_formats::storage::{Object, Storage};
use convert_sdk::{Context, Error, Result, ResultExt};

/// So many requests are on their way at once.
const AT_ONCE: usize = 16;

/// The results of items, in their order, of several computed at once: for what waits for a store.
pub fn at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let joined = |thread: std::thread::ScopedJoinHandle<'_, R>| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let all = |some: &[T]| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = some.iter().map(|item| scope.spawn(|| work(item))).collect();
            threads.into_iter().map(joined).collect::<Vec<_>>()
        })
    };
    items.chunks(AT_ONCE).flat_map(all).collect()
}

/// See the module.
#[derive(Clone, Debug)]
pub enum Root {
    Folder(PathBuf),
    Store { storage: Storage, address: String },
}

impl Root {
    /// What the key `root` means.
    pub fn of(root: &Path, context: &Context) -> Self {
        match root.to_str().filter(|text| Storage::is_address(text)) {
            Some(address) => Self::Store { storage: Storage::of(context), address: address.trim_end_matches('/').to_owned() },
            None => Self::Folder(root.to_owned()),
        }
    }

    /// What the keys `root` and `files` mean together: an address may end in the files themselves, as `s3://bucket/train-{000..146}.tar` does.
    ///
    /// # Errors
    /// Files that are named in both.
    pub fn with_files(root: &Path, files: Option<&str>, context: &Context) -> Result<(Self, Option<String>)> {
        let files = files.map(str::to_owned);
        let Self::Store { storage, address } = Self::of(root, context) else { return Ok((Self::of(root, context), files)) };
        match address.rsplit_once('/').filter(|(folder, name)| !folder.ends_with('/') && names_files(name)) {
            Some((_, name)) if files.is_some() => {
                Err(Error::config(format!("{address} names the files {name:?}, and so does `files`: leave one out")))
            }
            Some((folder, name)) => Ok((Self::Store { storage, address: folder.to_owned() }, Some(name.to_owned()))),
            None => Ok((Self::Store { storage, address }, files)),
        }
    }

    /// As people know it.
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(path) => path,
            Self::Store { address, .. } => Path::new(address),
        }
    }

    /// The files directly in it whose names are text and not hidden, by their names.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn files(&self) -> Result<Vec<(String, Source)>> {
        let mut files = Vec::new();
        match self {
            Self::Folder(folder) => {
                let named = || format!("cannot list the folder {}", folder.display());
                for entry in std::fs::read_dir(folder).context(named)? {
                    let name = entry.context(named)?.file_name();
                    files.extend(name.to_str().map(|name| (name.to_owned(), Source::File(folder.join(name)))));
                }
            }
            Self::Store { storage, address } => storage
                .list(address, false, |page| {
                    files.extend(page.objects.into_iter().map(|object| (object.name.clone(), self.source(storage, address, &object))));
                    Ok(())
                })
                .context(|| format!("cannot list {address}"))?,
        }
        files.retain(|(name, _)| !name.starts_with('.'));
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(files)
    }

    fn source(&self, storage: &Storage, address: &str, object: &Object) -> Source {
        Source::Object(StoredObject::new(storage.clone(), &format!("{address}/{}", object.name), object.size, &object.tag))
    }
}

/// Whether the last part of an address is no folder.
fn names_files(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    name.contains(['{', '*']) || [".tar", ".tar.gz", ".tgz", ".parquet", ".arrow"].iter().any(|ending| lower.ends_with(ending))
}

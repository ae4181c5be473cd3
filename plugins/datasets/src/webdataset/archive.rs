//! A tar file, perhaps compressed with gzip: then it is unpacked into the run's cache before images are read from their places in it.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use convert_formats::files::{Regular, Source};
use convert_formats::{files, whole_file};
use convert_sdk::tracing::info;
use convert_sdk::{Context, Error, ErrorKind, Result, ResultExt};
use flate2::read::MultiGzDecoder;

use crate::files::{hash_of, revision_of_source};
use crate::shards;

/// How much is unpacked between two looks at whether the user asked to stop.
const PIECE: usize = 1 << 20;

/// A shard.
#[derive(Debug)]
pub struct Archive {
    pub source: Source,
    unpacked: Option<Unpacked>,
}

/// Where a compressed shard's content lies, once it was needed.
#[derive(Debug)]
struct Unpacked {
    file: PathBuf,
    ready: Mutex<bool>,
    context: Context,
}

/// An archive's content from its beginning.
pub enum Content {
    Plain(Regular),
    Gzip(Box<MultiGzDecoder<BufReader<Regular>>>),
}

impl Archive {
    /// A shard; that it is compressed its name says.
    ///
    /// # Errors
    /// A file that cannot be looked at.
    pub fn new(source: Source, context: &Context) -> Result<Self> {
        let path = source.path();
        let unpacked = if shards::is_gzip(&path.to_string_lossy()) {
            let revision = revision_of_source(&source).context(|| format!("cannot read the shard {}", path.display()))?;
            let name = format!("{:016x}-{revision:016x}.tar", number_of(path));
            let file = context.settings().cache_folder.join("shards").join(name);
            Some(Unpacked { file, ready: Mutex::new(false), context: context.clone() })
        } else {
            None
        };
        Ok(Self { source, unpacked })
    }

    /// Whether it lies in a store.
    pub fn is_stored(&self) -> bool {
        matches!(self.source, Source::Object(_))
    }

    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// All of it; of a compressed shard what was unpacked, where it was.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn content(&self) -> Result<Content> {
        let named = || format!("cannot read the shard {}", self.path().display());
        let open = || self.source.open(files::MAX_ARCHIVE).context(named);
        match &self.unpacked {
            None => open().map(Content::Plain),
            Some(unpacked) => match files::open_regular(&unpacked.file, files::MAX_ARCHIVE) {
                Ok(file) => Ok(Content::Plain(file)),
                Err(_) => Ok(Content::Gzip(Box::new(MultiGzDecoder::new(BufReader::new(open()?))))),
            },
        }
    }

    /// Bytes from their place.
    ///
    /// # Errors
    /// Bytes that cannot be read, a compressed shard that is broken or does not fit on the disk.
    pub fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let (shard, path) = match &self.unpacked {
            None => (self.source.open(files::MAX_ARCHIVE), self.path()),
            Some(unpacked) => {
                unpacked.make(&self.source)?;
                (files::open_regular(&unpacked.file, files::MAX_ARCHIVE), unpacked.file.as_path())
            }
        };
        let bytes = shard.and_then(|shard| shard.read_known(offset, length as usize));
        bytes.context(|| format!("cannot read {length} bytes at {offset} of {}", path.display()))
    }
}

impl Unpacked {
    /// Unpacks the shard, if that was not done; others who want it wait.
    fn make(&self, source: &Source) -> Result<()> {
        let shard = source.path();
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if *ready || self.file.is_file() {
            *ready = true;
            return Ok(());
        }
        let named = || format!("cannot unpack {} to {}", shard.display(), self.file.display());
        let folder = self.file.parent().unwrap_or(Path::new(""));
        std::fs::create_dir_all(folder).context(named)?;
        self.remove_earlier(folder, shard);
        let packed = source.open(files::MAX_ARCHIVE).context(named)?;
        info!("unpacking {} to {}", shard.display(), folder.display());
        whole_file::write_cached(&self.file, |file| self.unpack(packed, file)).context(named)?;
        *ready = true;
        Ok(())
    }

    fn unpack(&self, packed: Regular, mut file: &File) -> Result<()> {
        let (mut content, mut piece) = (MultiGzDecoder::new(BufReader::new(packed)), vec![0; PIECE]);
        loop {
            if self.context.cancelled() {
                return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
            }
            match content.read(&mut piece)? {
                0 => return Ok(()),
                count => file.write_all(&piece[..count])?,
            }
        }
    }

    /// Removes what an earlier state of the shard was unpacked to.
    fn remove_earlier(&self, folder: &Path, shard: &Path) {
        let prefix = format!("{:016x}-", number_of(shard));
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) && entry.path().extension().is_some_and(|extension| extension == "tar") {
                // What stays takes space, and nothing else.
                std::fs::remove_file(entry.path()).ok();
            }
        }
    }
}

/// The name of a shard's path in the cache.
pub fn number_of(path: &Path) -> u64 {
    hash_of(path.as_os_str().as_encoded_bytes())
}

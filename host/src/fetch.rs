//! Fetches a published file: resumed where it broke off, checked, and under its name only when it is whole.
//!
//! The file grows as `FILE.part` beside its place. What the publisher says of its length and hash is held against it; then it is renamed. One process at a time
//! fetches a file, behind `FILE.lock`.

mod progress;
mod server;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use convert_formats::whole_file;

use crate::engine::Progress;
use crate::errors::{FileError, chain};
use crate::named_files::{NamedFile, mirror, offline, size};
use crate::sha256::sha256_of;
use progress::Bytes;
pub use server::tls;
use server::{Answer, Server, ServerError};

/// Attempts in a row that bring no new byte before it is given up.
const ATTEMPTS: u32 = 5;
/// By how much of its length a file may differ from what its publisher says, which is rounded.
const TOLERANCE: f64 = 0.05;
const BUFFER: usize = 1 << 16;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nothing is to be fetched.
    #[error("CONVERT_OFFLINE is set, so that nothing is fetched: unset it to fetch {0}")]
    Offline(String),
    /// Its licence is to be accepted first.
    #[error("the licence of {0} must be accepted first: {1}")]
    Gated(String, String),
    /// The mirror's address, or the publisher's, is none.
    #[error("`{0}` is not an http:// or https:// address: correct CONVERT_WEIGHTS_URL")]
    Address(String),
    /// A variable that makes no sense.
    #[error("CONVERT_WEIGHTS_TIMEOUT is `{0}`, not a number of seconds above 0")]
    Timeout(String),
    /// The server does not have it, or does not give it out.
    #[error("{url} answers {status}: {}", advice(*.status))]
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP's number.
        status: u16,
    },
    /// The server sends from one address to the next.
    #[error("{0} redirects in a loop: set CONVERT_WEIGHTS_URL to another source")]
    Redirects(String),
    /// The server would have us go on without encryption.
    #[error("{0} redirects to an address without encryption (http://), which is not followed: set CONVERT_WEIGHTS_URL to another source")]
    Unencrypted(String),
    /// The server cannot show who it is.
    #[error("{0} cannot be trusted ({1}): if this network has certificates of its own, name their file in SSL_CERT_FILE")]
    Untrusted(String, String),
    /// The certificates that are to be trusted.
    #[error("cannot use the certificates of SSL_CERT_FILE, {file}", file = .0.display())]
    Certificates(PathBuf, #[source] io::Error),
    /// What is offered is something else.
    #[error("{url} offers {} where about {} are expected: it is another file, or an error page", size(*.offered), size(*.expected))]
    Length {
        /// What was asked for.
        url: String,
        /// Bytes.
        offered: u64,
        /// Bytes, about.
        expected: u64,
    },
    /// What came is something else.
    #[error(
        "what came from {url} has a SHA-256 that begins with {found} instead of {expected}: it was discarded; try again, or another source (CONVERT_WEIGHTS_URL)"
    )]
    Hash {
        /// What was asked for.
        url: String,
        /// As many digits as are known.
        found: String,
        /// What the publisher says.
        expected: String,
    },
    /// The connection broke off, and again and again.
    #[error("{url} broke off after {} ({why}): what is here is kept, the same command continues", size(*.done))]
    Broken {
        /// What was asked for.
        url: String,
        /// Bytes that are here.
        done: u64,
        /// The last reason.
        why: String,
    },
    /// A file of our own.
    #[error(transparent)]
    File(#[from] FileError),
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "access is denied; set CONVERT_WEIGHTS_URL to a source that gives the file out",
        404 | 410 => "the file is not there; set CONVERT_WEIGHTS_URL to a source that has it",
        _ => "set CONVERT_WEIGHTS_URL to another source",
    }
}

impl FetchError {
    /// Whether the same command may succeed later.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Broken { .. } | Self::File(_))
    }
}

/// Fetches a file into its place, and says where that is; one that is there already is left alone.
///
/// # Errors
/// Everything of [`FetchError`]; then nothing stands in the place.
pub fn fetch(named: &NamedFile, progress: &Progress) -> Result<PathBuf, FetchError> {
    let place = named.path();
    if offline() {
        return Err(FetchError::Offline(named.name.clone()));
    }
    let url = match mirror() {
        Some(mirror) => format!("{mirror}/{}", named.file),
        None if named.fetch => format!("{}{}", named.from, named.file),
        None => return Err(FetchError::Gated(named.name.clone(), named.advice())),
    };
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(FetchError::Address(url));
    }
    let timeout = timeout()?;
    let folder = place.parent().unwrap_or(&place);
    fs::create_dir_all(folder).map_err(FileError::of("make the folder", folder))?;
    let _lock = locked(&beside(&place, "lock"), &named.name)?;
    if place.is_file() {
        return Ok(place); // another process fetched it
    }
    let part = beside(&place, "part");
    let server = Server::new(timeout, url.starts_with("https://"))?;
    let fetching = Fetching { named, url, part: &part, tag: beside(&place, "part.tag"), timeout, server };
    fetching.fetch(progress)?;
    fetching.check(&place)?;
    fs::rename(&part, &place).map_err(FileError::of("write", &place))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(FileError::of("write", folder))?;
    let _ = fs::remove_file(&fetching.tag);
    Ok(place)
}

/// `CONVERT_WEIGHTS_TIMEOUT`, the seconds without a byte after which a connection counts as broken.
fn timeout() -> Result<Duration, FetchError> {
    const DEFAULT: Duration = Duration::from_secs(30);
    let Some(text) = std::env::var("CONVERT_WEIGHTS_TIMEOUT").ok().filter(|text| !text.is_empty()) else { return Ok(DEFAULT) };
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or(FetchError::Timeout(text))
}

/// The name of a file with another ending behind it.
fn beside(place: &Path, ending: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// The lock of a file, which another process may hold for a while.
fn locked(path: &Path, name: &str) -> Result<File, FileError> {
    let lock = OpenOptions::new().create(true).append(true).open(path).map_err(FileError::of("write", path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            tracing::info!("another process is fetching {name}: waiting for it");
            lock.lock().map_err(FileError::of("lock", path))?;
        }
        Err(TryLockError::Error(error)) => tracing::debug!("{} cannot be locked here: {error}", path.display()),
    }
    Ok(lock)
}

struct Fetching<'a> {
    named: &'a NamedFile,
    url: String,
    part: &'a Path,
    /// What the server calls the version that `part` is the beginning of.
    tag: PathBuf,
    timeout: Duration,
    server: Server,
}

/// How an attempt ended.
enum Attempt {
    Whole,
    /// Why it ended early.
    Broken(String),
}

impl Fetching<'_> {
    /// Attempt after attempt, each from where the last one ended.
    fn fetch(&self, progress: &Progress) -> Result<(), FetchError> {
        let mut failures = 0;
        loop {
            let before = self.length();
            let why = match self.attempt(progress)? {
                Attempt::Whole => return Ok(()),
                Attempt::Broken(why) => why,
            };
            failures = if self.length() > before { 0 } else { failures + 1 };
            if failures == ATTEMPTS {
                return Err(FetchError::Broken { url: self.url.clone(), done: self.length(), why });
            }
            tracing::info!("{}: {why}; trying again from {}", self.named.name, size(self.length()));
            std::thread::sleep(self.timeout / 30 * (1 << failures.saturating_sub(1)));
        }
    }

    fn attempt(&self, progress: &Progress) -> Result<Attempt, FetchError> {
        let have = self.length();
        let tag = fs::read_to_string(&self.tag).ok();
        let answer = match self.server.get(&self.url, have, tag.as_deref()) {
            Ok(answer) => answer,
            Err(ServerError::Broken(why)) => return Ok(Attempt::Broken(why)),
            Err(ServerError::Fetch(error)) => return Err(error),
        };
        let Answer { start, total, tag, mut body } = answer;
        let expected = self.named.bytes;
        if let Some(offered) = total.filter(|total| !self.may_have(*total)) {
            // What is here already may be good: this can be the page of a network that wants a login.
            return Err(FetchError::Length { url: self.url.clone(), offered, expected });
        }
        let written = FileError::of("write", self.part);
        let mut part = OpenOptions::new().create(true).write(true).truncate(false).open(self.part).map_err(&written)?;
        part.set_len(start).and_then(|()| part.seek(io::SeekFrom::End(0))).map_err(&written)?;
        match tag {
            Some(tag) => write(&self.tag, &tag)?,
            None => _ = fs::remove_file(&self.tag),
        }
        let mut bytes = Bytes::begin(progress, &self.named.name, start, total);
        let (mut done, mut buffer) = (start, vec![0; BUFFER]);
        let end = loop {
            match body.read(&mut buffer) {
                Ok(0) => break None,
                Ok(count) => {
                    done += count as u64;
                    // Without an announced length it could go on for ever.
                    if expected > 0 && done as f64 > expected as f64 * (1.0 + TOLERANCE) {
                        self.forget();
                        return Err(FetchError::Length { url: self.url.clone(), offered: done, expected });
                    }
                    part.write_all(&buffer[..count]).map_err(&written)?;
                    bytes.at(done);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(chain(&error)),
            }
        };
        part.sync_all().map_err(&written)?;
        if let Some(why) = end {
            return Ok(Attempt::Broken(why));
        }
        match total {
            Some(total) if done < total => Ok(Attempt::Broken(format!("{} of {} came", size(done), size(total)))),
            Some(total) if done == total => Ok(Attempt::Whole),
            None if self.may_have(done) => Ok(Attempt::Whole),
            _ => {
                self.forget();
                Err(FetchError::Length { url: self.url.clone(), offered: done, expected: total.unwrap_or(expected) })
            }
        }
    }

    /// Whether a file of so many bytes can be the one that is meant.
    fn may_have(&self, bytes: u64) -> bool {
        let expected = self.named.bytes as f64;
        expected == 0.0 || (bytes as f64 - expected).abs() <= expected * TOLERANCE
    }

    /// Bytes that are here.
    fn length(&self) -> u64 {
        fs::metadata(self.part).map_or(0, |metadata| metadata.len())
    }

    fn forget(&self) {
        let _ = fs::remove_file(self.part);
        let _ = fs::remove_file(&self.tag);
    }

    /// Holds the publisher's hash against what came; where there is none, keeps the hash of what came, so that a later change is seen.
    fn check(&self, place: &Path) -> Result<(), FetchError> {
        let hash = sha256_of(self.part)?;
        let expected = &self.named.sha256;
        if !hash.starts_with(expected.as_str()) {
            self.forget();
            let found = hash[..expected.len().min(hash.len())].to_owned();
            return Err(FetchError::Hash { url: self.url.clone(), found, expected: expected.clone() });
        }
        if expected.is_empty() {
            let kept = kept_hash(place);
            write(&kept, &format!("{hash}  {}\n", self.named.file))?;
        }
        Ok(())
    }
}

/// Writes a small file whole.
fn write(path: &Path, text: &str) -> Result<(), FileError> {
    whole_file::write(path, |mut file| file.write_all(text.as_bytes())).map_err(FileError::of::<io::Error>("write", path))
}

/// The file with the hash of a file when it was fetched, in the form of sha256sum.
pub fn kept_hash(place: &Path) -> PathBuf {
    beside(place, "sha256")
}

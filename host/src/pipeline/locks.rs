//! What keeps other processes out of a run, a training, or a worker's place: locks of the file system, and leases where several machines share a place or where the file system
//! knows no locks.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use convert_formats::whole_file;

use super::error::PipelineError;
use crate::errors::FileError;
use crate::recipe::Recipe;
use crate::storage::{Holder, Lease, Store, Terms, host_name};

/// The object by which a process holds a place in a store.
pub(super) const LEASE: &str = "lease.json";
/// How often a lease is looked at for being lost.
const GLANCE: Duration = Duration::from_millis(500);

/// A place that is held as long as this lives.
pub struct Lock {
    _file: Option<File>,
    _lease: Option<(Lease, Arc<()>)>,
}

/// How a lock of the file system went.
enum Tried {
    Held(File),
    /// Another process has it.
    Busy,
    /// The file system knows no locks, as some network file systems do.
    Unsupported,
}

/// Holds the run's folder on this machine: for this run alone, or shared by the processes that work on parts of it. A run alone also holds the run's place, if that is another.
pub(super) fn hold_run(recipe: &Recipe, shared: bool, cancel: &Arc<AtomicBool>) -> Result<Lock, PipelineError> {
    let file = try_lock(&recipe.work_dir.join(".lock"), shared)?;
    held(file, (!shared).then_some((&recipe.store, LEASE, cancel)), || PipelineError::InUse(recipe.place()))
}

/// Holds one part of the run's work, such as a training, for this process: by the file on this machine, and by the object `key` where several machines share the place or
/// the file system knows no locks.
pub(super) fn hold(
    path: &Path,
    store: &Arc<dyn Store>,
    key: &str,
    cancel: &Arc<AtomicBool>,
    busy: impl FnOnce() -> PipelineError,
) -> Result<Lock, PipelineError> {
    held(try_lock(path, false)?, Some((store, key, cancel)), busy)
}

/// The lock of a file, with the lease of an object where the file's alone does not do.
fn held(file: Tried, object: Option<(&Arc<dyn Store>, &str, &Arc<AtomicBool>)>, busy: impl FnOnce() -> PipelineError) -> Result<Lock, PipelineError> {
    let file = match file {
        Tried::Busy => return Err(busy()),
        Tried::Held(file) => Some(file),
        Tried::Unsupported => None,
    };
    let leased = object.filter(|(store, ..)| store.is_remote() || file.is_none());
    Ok(Lock { _file: file, _lease: leased.map(|(store, key, cancel)| lease(store, key, cancel)).transpose()? })
}

/// Takes a lease; once it is lost, the work is interrupted.
fn lease(store: &Arc<dyn Store>, key: &str, cancel: &Arc<AtomicBool>) -> Result<(Lease, Arc<()>), PipelineError> {
    let lease = Lease::take(Arc::clone(store), key, Holder::this(), Terms::default(), true)?;
    let (held, lost, cancel) = (Arc::new(()), lease.lost(), Arc::clone(cancel));
    let still_held: Weak<()> = Arc::downgrade(&held);
    std::thread::spawn(move || {
        while still_held.strong_count() > 0 && !lost.load(Ordering::SeqCst) {
            std::thread::sleep(GLANCE);
        }
        if still_held.strong_count() > 0 {
            cancel.store(true, Ordering::SeqCst);
        }
    });
    Ok((lease, held))
}

fn try_lock(path: &Path, shared: bool) -> Result<Tried, FileError> {
    whole_file::destination(path).map_err(FileError::of("lock", path))?;
    // Of a file that is there already nothing changes.
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(FileError::of("lock", path))?;
    match if shared { file.try_lock_shared() } else { file.try_lock() } {
        Ok(()) => Ok(Tried::Held(file)),
        Err(TryLockError::WouldBlock) => Ok(Tried::Busy),
        Err(TryLockError::Error(error)) => match error.raw_os_error() {
            Some(libc::ENOTSUP | libc::ENOSYS | libc::ENOLCK | libc::EINVAL) => Ok(Tried::Unsupported),
            _ => Err(FileError::of("lock", path)(error)),
        },
    }
}

impl Recipe {
    /// Keeps other sweeps out of the run's folder on this machine, where they would share a ledger.
    ///
    /// # Errors
    /// Another sweep is at work there; a folder that cannot be written.
    pub fn lock_sweep(&self) -> Result<Lock, PipelineError> {
        fs::create_dir_all(&self.work_dir).map_err(FileError::of("make the work directory", &self.work_dir))?;
        held(try_lock(&self.work_dir.join(".sweep"), false)?, None, || PipelineError::InUse(self.place()))
    }
}

/// A worker's place among those of its machine, held as long as it works.
pub struct WorkerSlot {
    name: String,
    _lock: Option<File>,
}

impl WorkerSlot {
    /// What the worker's ledger and notes are called after: `worker-HOST-K`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Recipe {
    /// The place of a worker, by which it finds its notes again after a crash: this one, or the first that is free.
    ///
    /// # Errors
    /// A place that is taken; a folder that cannot be written.
    pub fn worker_slot(&self, wanted: Option<usize>) -> Result<WorkerSlot, PipelineError> {
        fs::create_dir_all(&self.work_dir).map_err(FileError::of("make the work directory", &self.work_dir))?;
        let host = host_name();
        for slot in wanted.map_or(0..usize::MAX, |wanted| wanted..wanted.saturating_add(1)) {
            let name = format!("worker-{host}-{slot}");
            match try_lock(&self.work_dir.join(format!(".{name}")), false)? {
                Tried::Held(file) => return Ok(WorkerSlot { name, _lock: Some(file) }),
                Tried::Busy => {}
                // Without locks no two workers may have one name.
                Tried::Unsupported => return Ok(WorkerSlot { name: format!("worker-{host}-pid-{}", std::process::id()), _lock: None }),
            }
        }
        Err(PipelineError::SlotInUse { slot: wanted.unwrap_or_default(), folder: self.work_dir.clone() })
    }
}

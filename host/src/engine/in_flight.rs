//! What plugins are working on, noted in a file, so that a crash of the whole process names its sample.
//!
//! `WORK/in-flight` has a slot for each thread: the stage and the samples of the call that it is in. A process that ends by itself removes the file. One that a signal
//! ends leaves it, with the signal's name; the next run counts a crash for each sample in it, and tries these samples alone: while one of them is worked on nothing
//! else is. After its second crash a sample is set aside. A process that was killed from outside (SIGKILL, unless the kernel did it for want of memory) says nothing
//! about its samples.

mod machine;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::files::replace_file;
use super::stage::Stage;
use crate::crashes::{self, leave, named};
use crate::errors::FileError;
use machine::Machine;

/// The bytes of a slot, and of the header before the slots.
const SLOT: usize = 4096;
/// Where in the header the machine stands; before it a signal's name.
const MACHINE: u64 = 64;
/// How often calls are looked at for being too long.
const GLANCE: Duration = Duration::from_millis(200);

/// The call that a thread is in.
#[derive(Serialize, Deserialize)]
struct Note {
    /// The stage's folder, which has its key in its name.
    stage: String,
    /// Ids; none where the whole set is worked on.
    samples: Vec<String>,
    /// Whether a crash is to be said and no more: no sample of this stage can be set aside.
    #[serde(default)]
    only_said: bool,
}

impl Note {
    /// The stage's name.
    fn stage_name(&self) -> &str {
        self.stage.rsplit_once('-').map_or(&self.stage, |(name, _)| name)
    }

    /// What is said of a crash in it.
    fn said(&self) -> String {
        match self.samples.as_slice() {
            [] => format!("{} was at work", self.stage_name()),
            [only] => format!("{} worked on {only}; the same command goes on from what is finished", self.stage_name()),
            [first, others @ ..] => {
                format!("{} worked on {first} and {} others; the same command goes on from what is finished", self.stage_name(), others.len())
            }
        }
    }
}

/// What is known of a sample that was in work during a crash.
#[derive(Clone, Serialize, Deserialize)]
struct Crash {
    stage: String,
    sample: String,
    crashes: u32,
    /// The signal's name, or what else it was.
    how: String,
}

/// How a sample is to be worked on.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Beside others.
    Usual,
    /// While nothing else is: it was in work during a crash.
    Alone,
    /// Not at all: it crashed twice, so.
    Aside(String),
}

/// The notes of a run.
pub struct InFlight {
    file: File,
    path: PathBuf,
    crashes_file: PathBuf,
    crashes: Mutex<BTreeMap<(String, String), Crash>>,
    /// Whether there are any: hardly ever.
    suspicious: AtomicBool,
    /// Held by every call; alone by those of suspects.
    together: RwLock<()>,
    begun: Instant,
    /// By slot, when its call began, in milliseconds since `begun`, plus 1; 0 between calls.
    calls: Vec<AtomicU64>,
    timeout: Option<Duration>,
}

impl InFlight {
    /// Reads what the run before left, and begins anew. `threads` may call at once besides the main thread; a call that takes longer than `timeout` ends the process.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn begin(work_dir: &Path, part: Option<&str>, threads: usize, timeout: Option<Duration>) -> Result<Self, FileError> {
        let suffix = part.map_or_else(String::new, |part| format!("-{part}"));
        let (path, crashes_file) = (work_dir.join(format!("in-flight{suffix}")), work_dir.join(format!("crashes{suffix}.json")));
        let mut crashes = read_crashes(&crashes_file)?;
        let before = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(FileError::of("read", &path)(error)),
        };
        if let Some((how, notes)) = crash(&before) {
            count(&mut crashes, &how, &notes);
            save(&crashes_file, &crashes)?;
            say(&how, &notes);
        }
        let file = File::options().create(true).truncate(true).write(true).open(&path).map_err(FileError::of("write", &path))?;
        let machine = serde_json::to_vec(&Machine::now()).map_err(FileError::of("write", &path))?;
        file.write_all_at(&machine, MACHINE).map_err(FileError::of("write", &path))?;
        crashes::name_in(&path).map_err(FileError::of("write", &path))?;
        Ok(Self {
            file,
            path,
            crashes_file,
            suspicious: AtomicBool::new(!crashes.is_empty()),
            crashes: Mutex::new(crashes),
            together: RwLock::new(()),
            begun: Instant::now(),
            calls: (0..=threads).map(|_| AtomicU64::new(0)).collect(),
            timeout,
        })
    }

    /// How a sample is to be worked on in a stage.
    pub fn verdict(&self, stage: &Stage, sample: &str) -> Verdict {
        if !self.suspicious.load(Ordering::Relaxed) {
            return Verdict::Usual;
        }
        match lock(&self.crashes).get(&(stage.id(), sample.to_owned())) {
            None => Verdict::Usual,
            Some(crash) if crash.crashes < 2 => Verdict::Alone,
            Some(crash) => Verdict::Aside(crash.how.clone()),
        }
    }

    /// Makes a call, noted; `alone` keeps all others away meanwhile.
    pub fn call<'s, T>(&self, stage: &Stage, samples: impl Iterator<Item = &'s str>, alone: bool, call: impl FnOnce() -> T) -> T {
        let (_exclusive, _shared) = match alone {
            true => (Some(self.together.write().unwrap_or_else(PoisonError::into_inner)), None),
            false => (None, Some(self.together.read().unwrap_or_else(PoisonError::into_inner))),
        };
        let slot = rayon::current_thread_index().map_or(0, |index| index + 1).min(self.calls.len() - 1);
        self.timed(slot, Note { stage: stage.id(), samples: samples.map(str::to_owned).collect(), only_said: false }, call)
    }

    /// Makes a call about a sample that cannot be left out: it is noted and timed, and said after a crash.
    pub fn call_said<T>(&self, stage: &Stage, sample: Option<&str>, call: impl FnOnce() -> T) -> T {
        self.timed(0, Note { stage: stage.id(), samples: sample.into_iter().map(str::to_owned).collect(), only_said: true }, call)
    }

    fn timed<T>(&self, slot: usize, note: Note, call: impl FnOnce() -> T) -> T {
        let what = note.said();
        self.note(slot, note);
        self.calls[slot].store(self.begun.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
        let result = named(&what, call);
        self.calls[slot].store(0, Ordering::Relaxed);
        // A note that cannot be taken back names a sample too many after a crash, no more.
        let _ = self.file.write_at(b"\n", offset(slot));
        result
    }

    /// Makes a call that works on the whole set, noted. It may take as long as it likes.
    pub fn note_whole<T>(&self, stage: &Stage, call: impl FnOnce() -> T) -> T {
        let note = Note { stage: stage.id(), samples: Vec::new(), only_said: true };
        let what = note.said();
        self.note(0, note);
        let result = named(&what, call);
        let _ = self.file.write_at(b"\n", offset(0));
        result
    }

    /// A note that cannot be written is no reason to stop: it would be missed after a crash, no more.
    fn note(&self, slot: usize, mut note: Note) {
        while let Ok(mut line) = serde_json::to_vec(&note) {
            line.push(b'\n');
            if line.len() <= SLOT {
                let _ = self.file.write_at(&line, offset(slot));
                return;
            }
            // Of a large batch with long ids as many as there is room for.
            note.samples.truncate(note.samples.len() / 2);
        }
    }

    /// A suspect went through.
    ///
    /// # Errors
    /// A list of crashes that cannot be written.
    pub fn clear(&self, stage: &Stage, sample: &str) -> Result<(), FileError> {
        let mut crashes = lock(&self.crashes);
        crashes.remove(&(stage.id(), sample.to_owned()));
        self.suspicious.store(!crashes.is_empty(), Ordering::Relaxed);
        save(&self.crashes_file, &crashes)
    }

    /// Forgets all crashes: the samples are tried again.
    ///
    /// # Errors
    /// A list of crashes that cannot be removed.
    pub fn forget(&self) -> Result<(), FileError> {
        let mut crashes = lock(&self.crashes);
        crashes.clear();
        self.suspicious.store(false, Ordering::Relaxed);
        save(&self.crashes_file, &crashes)
    }

    /// Does some work, ended together with the process once a call takes too long.
    pub fn watched<T>(&self, work: impl FnOnce() -> T) -> T {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.watch(&done));
            // Set after a panic as well: it would wait for the watch for ever.
            let _done = SetOnDrop(&done);
            work()
        })
    }

    /// Ends the process once a call takes too long; returns when `done`.
    fn watch(&self, done: &AtomicBool) {
        let Some(timeout) = self.timeout else { return };
        while !done.load(Ordering::Relaxed) {
            std::thread::sleep(GLANCE);
            let now = self.begun.elapsed().as_millis() as u64;
            let too_long = |begun: &AtomicU64| {
                let begun = begun.load(Ordering::Relaxed);
                begun > 0 && now.saturating_sub(begun - 1) > timeout.as_millis() as u64
            };
            if self.calls.iter().any(too_long) {
                let how = format!("a call of more than {} s", timeout.as_secs());
                tracing::error!(
                    "{how} (timeout_s): the run ends here. The same command tries the samples in work alone, and goes on from what is finished"
                );
                let _ = self.file.write_at(how.as_bytes(), 0);
                // Threads that do not return cannot be waited for.
                leave(1);
            }
        }
    }
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        crashes::forget();
        let _ = fs::remove_file(&self.path);
    }
}

fn offset(slot: usize) -> u64 {
    ((slot + 1) * SLOT) as u64
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a run crashed that left these notes, and in which calls; nothing where it was killed from outside.
fn crash(bytes: &[u8]) -> Option<(String, Vec<Note>)> {
    let text = |range: std::ops::Range<usize>| bytes.get(range).map(|bytes| String::from_utf8_lossy(bytes).trim_matches(['\0', '\n']).to_owned());
    let signal = text(0..MACHINE as usize)?;
    let machine = serde_json::from_str::<Machine>(&text(MACHINE as usize..SLOT.min(bytes.len()))?).ok();
    let starved = || machine.is_some_and(|machine| machine.ran_out_of_memory_since());
    let how = if signal.is_empty() { starved().then(|| "out of memory".to_owned())? } else { signal };
    let note = |slot: &[u8]| serde_json::from_slice::<Note>(slot.split(|byte| *byte == b'\n').next()?).ok();
    Some((how, bytes.get(SLOT..)?.chunks(SLOT).filter_map(note).collect()))
}

fn count(crashes: &mut BTreeMap<(String, String), Crash>, how: &str, notes: &[Note]) {
    for (stage, sample) in notes.iter().filter(|note| !note.only_said).flat_map(|note| note.samples.iter().map(|sample| (&note.stage, sample))) {
        let new = Crash { stage: stage.clone(), sample: sample.clone(), crashes: 0, how: String::new() };
        let crash = crashes.entry((stage.clone(), sample.clone())).or_insert(new);
        crash.crashes += 1;
        how.clone_into(&mut crash.how);
    }
}

fn say(how: &str, notes: &[Note]) {
    for note in notes {
        let stage = note.stage_name();
        match note.samples.as_slice() {
            [] => tracing::warn!("the run before ended with {how} in {stage}"),
            samples if note.only_said => tracing::warn!("the run before ended with {how} while {stage} worked on {}", samples.join(", ")),
            samples => tracing::warn!("the run before ended with {how} while {stage} worked on {}: tried alone now", samples.join(", ")),
        }
    }
}

fn read_crashes(file: &Path) -> Result<BTreeMap<(String, String), Crash>, FileError> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(FileError::of("read", file)(error)),
    };
    // A broken list costs the crashes that it counted.
    let crashes: Vec<Crash> = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(crashes.into_iter().map(|crash| ((crash.stage.clone(), crash.sample.clone()), crash)).collect())
}

fn save(file: &Path, crashes: &BTreeMap<(String, String), Crash>) -> Result<(), FileError> {
    if crashes.is_empty() {
        return match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::of("remove", file)(error)),
            _ => Ok(()),
        };
    }
    let crashes: Vec<&Crash> = crashes.values().collect();
    replace_file(file, |file| Ok(serde_json::to_writer_pretty(file, &crashes)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::key::KeyBuilder;
    use super::*;
    use crate::storage::{LocalStore, Store};

    #[test]
    fn a_crash_is_counted_for_the_samples_in_work_and_a_kill_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(LocalStore::new(folder.path()));
        let stage = Stage::new(&store, folder.path(), "proposals-x", KeyBuilder::new("test").finish());
        let begin = || InFlight::begin(folder.path(), None, 2, None).unwrap();
        let die = |header: &[u8]| {
            let notes = begin();
            notes.call(&stage, ["b"].into_iter(), false, || {});
            notes.call(&stage, ["a"].into_iter(), false, || {
                notes.file.write_at(header, 0).unwrap();
                // What a process leaves that ends here.
                fs::copy(folder.path().join("in-flight"), folder.path().join("left")).unwrap();
            });
            drop(notes);
            fs::rename(folder.path().join("left"), folder.path().join("in-flight")).unwrap();
        };
        die(b"");
        assert_eq!(begin().verdict(&stage, "a"), Verdict::Usual, "killed from outside");
        die(b"SIGSEGV");
        assert_eq!((begin().verdict(&stage, "a"), begin().verdict(&stage, "b")), (Verdict::Alone, Verdict::Usual));
        die(b"SIGABRT");
        let notes = begin();
        assert_eq!(notes.verdict(&stage, "a"), Verdict::Aside("SIGABRT".into()));
        notes.clear(&stage, "a").unwrap();
        drop(notes);
        assert_eq!(begin().verdict(&stage, "a"), Verdict::Usual);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }
}

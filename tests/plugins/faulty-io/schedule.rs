//! What fails, when, and for what.

use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a call does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Something by a name.
    Name,
    /// The same, and something new comes of it.
    Make,
    /// Reading from an open file.
    Read,
    /// Writing to one, or syncing it.
    Write,
    /// Anything else about one.
    Other,
}

/// What becomes of it.
pub enum Met {
    Nothing,
    /// It is to fail; errno is set.
    Failure,
    /// It is to do less than it was asked for.
    Short,
    /// It is to find nothing more.
    End,
}

#[derive(Clone, Copy)]
enum Fault {
    Fail(c_int),
    Short,
    End,
    Slow,
}

impl Fault {
    fn parse(name: &str) -> Option<Self> {
        let number = match name {
            "enoent" => libc::ENOENT,
            "eio" => libc::EIO,
            "eacces" => libc::EACCES,
            "estale" => libc::ESTALE,
            "emfile" => libc::EMFILE,
            "enospc" => libc::ENOSPC,
            "edquot" => libc::EDQUOT,
            "short" => return Some(Self::Short),
            "end" => return Some(Self::End),
            "slow" => return Some(Self::Slow),
            _ => return None,
        };
        Some(Self::Fail(number))
    }

    fn meets(self, call: Call) -> bool {
        match self {
            Self::Fail(libc::ENOENT | libc::EACCES | libc::EMFILE) => matches!(call, Call::Name | Call::Make),
            Self::Fail(libc::ENOSPC | libc::EDQUOT) => matches!(call, Call::Write | Call::Make),
            Self::Short => matches!(call, Call::Read | Call::Write),
            Self::End => call == Call::Read,
            Self::Fail(_) | Self::Slow => true,
        }
    }
}

enum Start {
    After(Duration),
    AtCall(u64),
}

struct Scheduled {
    fault: Fault,
    start: Start,
    length: Duration,
    /// Of one that starts with a call: when that was, in milliseconds since the beginning, plus 1.
    started: AtomicU64,
}

impl Scheduled {
    fn parse(text: &str) -> Option<Self> {
        let (name, times) = text.split_once('@')?;
        let (start, length) = times.split_once('+')?;
        let millis = |text: &str| text.parse().ok().map(Duration::from_millis);
        let start = match start.strip_prefix('#') {
            Some(call) => Start::AtCall(call.parse().ok()?),
            None => Start::After(millis(start)?),
        };
        Some(Self { fault: Fault::parse(name)?, start, length: millis(length)?, started: AtomicU64::new(0) })
    }

    fn is_on(&self, now: Duration, call: u64) -> bool {
        let start = match self.start {
            Start::After(start) => start,
            Start::AtCall(first) if call < first => return false,
            Start::AtCall(_) => {
                let _ = self.started.compare_exchange(0, now.as_millis() as u64 + 1, Ordering::Relaxed, Ordering::Relaxed);
                Duration::from_millis(self.started.load(Ordering::Relaxed) - 1)
            }
        };
        now >= start && now < start + self.length
    }
}

struct Schedule {
    folders: Vec<String>,
    begun: Instant,
    faults: Vec<Scheduled>,
    calls: AtomicU64,
    met: AtomicU64,
}

static SCHEDULE: OnceLock<Option<Schedule>> = OnceLock::new();
/// The open files below the folders, by descriptor.
static WATCHED: [AtomicBool; 4096] = [const { AtomicBool::new(false) }; 4096];

fn schedule() -> Option<&'static Schedule> {
    SCHEDULE.get_or_init(read_schedule).as_ref()
}

fn read_schedule() -> Option<Schedule> {
    let folders = std::env::var("FAULTY_IO_FOLDERS").ok()?.split(':').map(String::from).collect();
    let text = std::env::var("FAULTY_IO").unwrap_or_default();
    let faults = text.split(',').filter(|fault| !fault.is_empty()).map(|fault| Scheduled::parse(fault).unwrap_or_else(|| no_fault(fault))).collect();
    // SAFETY: a function without arguments, which the library keeps for as long as it is loaded.
    unsafe { libc::atexit(write_counts) };
    Some(Schedule { folders, begun: Instant::now(), faults, calls: AtomicU64::new(0), met: AtomicU64::new(0) })
}

/// A schedule that does nothing would let every test pass.
fn no_fault(text: &str) -> ! {
    eprintln!("FAULTY_IO: `{text}` is no fault");
    std::process::abort()
}

extern "C" fn write_counts() {
    if let (Some(schedule), Ok(file)) = (schedule(), std::env::var("FAULTY_IO_COUNT")) {
        let _ = std::fs::write(file, format!("{} {}\n", schedule.calls.load(Ordering::Relaxed), schedule.met.load(Ordering::Relaxed)));
    }
}

/// Counts a call, and makes what the schedule says of it.
fn meet(call: Call) -> Met {
    let Some(schedule) = schedule() else { return Met::Nothing };
    let (number, now) = (schedule.calls.fetch_add(1, Ordering::Relaxed) + 1, schedule.begun.elapsed());
    let Some(scheduled) = schedule.faults.iter().find(|scheduled| scheduled.is_on(now, number) && scheduled.fault.meets(call)) else {
        return Met::Nothing;
    };
    schedule.met.fetch_add(1, Ordering::Relaxed);
    match scheduled.fault {
        Fault::Fail(number) => {
            // SAFETY: the address of this thread's errno.
            unsafe { *libc::__errno_location() = number };
            Met::Failure
        }
        Fault::Short => Met::Short,
        Fault::End => Met::End,
        Fault::Slow => {
            std::thread::sleep(Duration::from_millis(5));
            Met::Nothing
        }
    }
}

/// Whether a path is below a folder, itself or by the open folder that it begins in.
pub unsafe fn is_below(folder: c_int, path: *const c_char) -> bool {
    if path.is_null() {
        return false;
    }
    // SAFETY: the callers hand on what a C function was given as a path.
    let Ok(path) = (unsafe { CStr::from_ptr(path) }).to_str() else { return false };
    let Some(schedule) = schedule() else { return false };
    let named = |folder: &String| path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    schedule.folders.iter().any(named) || (!path.starts_with('/') && is_watched(folder))
}

/// What becomes of a call by a name.
pub unsafe fn by_name(call: Call, folder: c_int, path: *const c_char) -> Met {
    // SAFETY: as above.
    if unsafe { is_below(folder, path) } { meet(call) } else { Met::Nothing }
}

/// What becomes of a call about an open file.
pub fn by_descriptor(call: Call, descriptor: c_int) -> Met {
    if is_watched(descriptor) { meet(call) } else { Met::Nothing }
}

/// Notes whether an open file is below a folder.
pub fn watch(descriptor: c_int, watched: bool) {
    if let Some(place) = usize::try_from(descriptor).ok().and_then(|at| WATCHED.get(at)) {
        place.store(watched, Ordering::Relaxed);
    }
}

fn is_watched(descriptor: c_int) -> bool {
    usize::try_from(descriptor).ok().and_then(|at| WATCHED.get(at)).is_some_and(|place| place.load(Ordering::Relaxed))
}

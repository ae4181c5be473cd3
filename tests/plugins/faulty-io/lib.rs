//! Stands between a program and the C library, by `LD_PRELOAD`: what the program reads below a folder fails for a while.
//!
//! `FAULTY_IO_FOLDERS` names the folders, separated by colons; `FAULTY_IO` the schedule, such as `enoent@120+500,slow@900+200`: a fault, when it begins and how long it
//! lasts, in milliseconds since the first call. Faults: `enoent`, `eio`, `eacces`, `estale`, `emfile`; `short`, reads that give a part of what was asked for; `slow`, 5 ms a call.

#![cfg(target_os = "linux")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
enum Fault {
    Fail(c_int),
    Short,
    Slow,
}

struct Schedule {
    folders: Vec<String>,
    begun: Instant,
    faults: Vec<(Duration, Duration, Fault)>,
}

static SCHEDULE: OnceLock<Option<Schedule>> = OnceLock::new();
/// The open files below the folders, by descriptor.
static WATCHED: [AtomicBool; 4096] = [const { AtomicBool::new(false) }; 4096];

fn schedule() -> Option<&'static Schedule> {
    SCHEDULE.get_or_init(read_schedule).as_ref()
}

fn read_schedule() -> Option<Schedule> {
    let folders = std::env::var("FAULTY_IO_FOLDERS").ok()?.split(':').map(String::from).collect();
    let fault = |text: &str| {
        let (name, times) = text.split_once('@')?;
        let (start, length) = times.split_once('+')?;
        let fault = match name {
            "enoent" => Fault::Fail(libc::ENOENT),
            "eio" => Fault::Fail(libc::EIO),
            "eacces" => Fault::Fail(libc::EACCES),
            "estale" => Fault::Fail(libc::ESTALE),
            "emfile" => Fault::Fail(libc::EMFILE),
            "short" => Fault::Short,
            "slow" => Fault::Slow,
            _ => return None,
        };
        let millis = |text: &str| text.parse().ok().map(Duration::from_millis);
        Some((millis(start)?, millis(length)?, fault))
    };
    let faults = std::env::var("FAULTY_IO").ok()?.split(',').filter_map(fault).collect();
    Some(Schedule { folders, begun: Instant::now(), faults })
}

impl Schedule {
    fn watches(&self, path: &str) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder.as_str()))
    }

    fn now(&self) -> Option<Fault> {
        let now = self.begun.elapsed();
        self.faults.iter().find(|(start, length, _)| now >= *start && now < *start + *length).map(|(.., fault)| *fault)
    }
}

/// Whether a path is watched.
unsafe fn watched(path: *const c_char) -> bool {
    if path.is_null() {
        return false;
    }
    // SAFETY: the callers hand on what a C function was given as a path.
    let path = unsafe { CStr::from_ptr(path) };
    path.to_str().is_ok_and(|path| schedule().is_some_and(|schedule| schedule.watches(path)))
}

/// Fails or waits as the schedule says; whether the call is to fail.
fn fails() -> bool {
    match schedule().and_then(Schedule::now) {
        Some(Fault::Fail(number)) => {
            // SAFETY: the address of this thread's errno.
            unsafe { *libc::__errno_location() = number };
            true
        }
        Some(Fault::Slow) => {
            std::thread::sleep(Duration::from_millis(5));
            false
        }
        Some(Fault::Short) | None => false,
    }
}

fn watch(descriptor: c_int, watched: bool) {
    if let Some(place) = usize::try_from(descriptor).ok().and_then(|at| WATCHED.get(at)) {
        place.store(watched, Ordering::Relaxed);
    }
}

fn is_watched(descriptor: c_int) -> bool {
    usize::try_from(descriptor).ok().and_then(|at| WATCHED.get(at)).is_some_and(|place| place.load(Ordering::Relaxed))
}

/// The C library's own function of a name.
macro_rules! real {
    ($name:literal as $type:ty) => {{
        static REAL: OnceLock<usize> = OnceLock::new();
        // SAFETY: the name is a C string, and the type is that of the C library's function.
        let address = *REAL.get_or_init(|| unsafe { libc::dlsym(libc::RTLD_NEXT, $name.as_ptr()) } as usize);
        // SAFETY: see above; the C library has all functions that are asked for.
        unsafe { std::mem::transmute::<usize, $type>(address) }
    }};
}

macro_rules! opens {
    ($function:ident, $name:literal) => {
        /// # Safety
        /// As the C library's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $function(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            let real = real!($name as unsafe extern "C" fn(*const c_char, c_int, c_uint) -> c_int);
            // SAFETY: the caller's arguments.
            let watched = unsafe { watched(path) };
            if watched && fails() {
                return -1;
            }
            // SAFETY: the caller's arguments.
            let descriptor = unsafe { real(path, flags, mode) };
            watch(descriptor, watched);
            descriptor
        }
    };
}
opens!(open, c"open");
opens!(open64, c"open64");

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    watch(descriptor, false);
    let real = real!(c"close" as unsafe extern "C" fn(c_int) -> c_int);
    // SAFETY: the caller's argument.
    unsafe { real(descriptor) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(descriptor: c_int, buffer: *mut c_void, count: usize) -> isize {
    let real = real!(c"read" as unsafe extern "C" fn(c_int, *mut c_void, usize) -> isize);
    let mut count = count;
    if is_watched(descriptor) {
        if fails() {
            return -1;
        }
        if matches!(schedule().and_then(Schedule::now), Some(Fault::Short)) {
            count = count.min(7);
        }
    }
    // SAFETY: the caller's buffer, and no more of it than the caller said.
    unsafe { real(descriptor, buffer, count) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn statx(folder: c_int, path: *const c_char, flags: c_int, mask: c_uint, out: *mut libc::statx) -> c_int {
    let real = real!(c"statx" as unsafe extern "C" fn(c_int, *const c_char, c_int, c_uint, *mut libc::statx) -> c_int);
    // SAFETY: the caller's arguments.
    unsafe { if watched(path) && fails() { -1 } else { real(folder, path, flags, mask, out) } }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn opendir(path: *const c_char) -> *mut libc::DIR {
    let real = real!(c"opendir" as unsafe extern "C" fn(*const c_char) -> *mut libc::DIR);
    // SAFETY: the caller's arguments.
    unsafe { if watched(path) && fails() { std::ptr::null_mut() } else { real(path) } }
}

//! Naming the signal that ends the process in the file of notes. The only place of the engine with `unsafe`: handlers are the C library's business.

#![expect(unsafe_code, reason = "the C library's signal handlers have no safe form that is kept")]

use std::fs::File;
use std::io;
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};

/// The signals of crashes, with their names.
const CRASHES: [(libc::c_int, &[u8]); 5] =
    [(libc::SIGSEGV, b"SIGSEGV"), (libc::SIGABRT, b"SIGABRT"), (libc::SIGBUS, b"SIGBUS"), (libc::SIGILL, b"SIGILL"), (libc::SIGFPE, b"SIGFPE")];

/// A descriptor that stands at the beginning of the file; -1 for none.
static NOTES: AtomicI32 = AtomicI32::new(-1);

extern "C" fn note(signal: libc::c_int) {
    let descriptor = NOTES.swap(-1, Ordering::SeqCst);
    if descriptor >= 0 {
        let name = CRASHES.iter().find(|(known, _)| *known == signal).map_or(&b"a signal"[..], |(_, name)| name);
        // SAFETY: `write` may be called in a handler, and the bytes are static.
        unsafe { libc::write(descriptor, name.as_ptr().cast(), name.len()) };
    }
    // The handler was for one signal: the instruction or `abort` that raised it comes again, and ends the process as it would have.
}

/// From now on a crash is named at the beginning of this file.
///
/// # Errors
/// A file that cannot be opened.
pub fn name_in(file: &Path) -> io::Result<()> {
    forget();
    NOTES.store(File::options().write(true).open(file)?.into_raw_fd(), Ordering::SeqCst);
    for (signal, _) in CRASHES {
        // SAFETY: an all-zero `sigaction` is a valid one, its fields are set as the C library says, and `note` calls nothing that a handler may not.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
            action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
    Ok(())
}

/// Crashes are not named any more.
pub fn forget() {
    let descriptor = NOTES.swap(-1, Ordering::SeqCst);
    if descriptor >= 0 {
        // SAFETY: a descriptor of `name_in`, which nobody else has.
        unsafe { libc::close(descriptor) };
    }
}

/// Ends the process at once, without the destructors that would wait for threads.
pub fn leave(code: i32) -> ! {
    // SAFETY: `_exit` has no conditions.
    unsafe { libc::_exit(code) }
}

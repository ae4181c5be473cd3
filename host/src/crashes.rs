//! Naming the signal that ends the process, to the user and in the file of notes. The only place of the host with `unsafe`: handlers are the C library's business.

#![expect(unsafe_code, reason = "the C library's signal handlers have no safe form that is kept")]

use std::cell::Cell;
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

thread_local! {
    /// What this thread is at, as a text that outlives the call: its place and length. Read by the handler, which allocates nothing.
    static AT_WORK: Cell<(*const u8, usize)> = const { Cell::new((std::ptr::null(), 0)) };
}

/// Makes a call that a plugin may crash in; `what` is then said to the user, such as "proposals-sam worked on a.jpg".
pub fn named<T>(what: &str, call: impl FnOnce() -> T) -> T {
    struct Restore((*const u8, usize));
    impl Drop for Restore {
        fn drop(&mut self) {
            AT_WORK.set(self.0);
        }
    }
    let _restore = Restore(AT_WORK.replace((what.as_ptr(), what.len())));
    call()
}

extern "C" fn note(signal: libc::c_int) {
    let name = CRASHES.iter().find(|(known, _)| *known == signal).map_or(&b"a signal"[..], |(_, name)| name);
    let (text, length) = AT_WORK.get();
    if !text.is_null() {
        // SAFETY: `named` keeps the text for as long as it stands here.
        let text = unsafe { std::slice::from_raw_parts(text, length) };
        for part in [b"error: the program ends with ", name, b" while ", text, b"\n"] {
            // SAFETY: `write` may be called in a handler.
            unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
        }
    }
    let descriptor = NOTES.swap(-1, Ordering::SeqCst);
    if descriptor >= 0 {
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
    Ok(())
}

/// From now on a crash is said.
pub fn listen() {
    for (signal, _) in CRASHES {
        // SAFETY: an all-zero `sigaction` is a valid one, its fields are set as the C library says, and `note` calls nothing that a handler may not.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
            action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// Crashes are not noted any more.
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

//! The C library's functions, with what the schedule makes of them.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use crate::schedule::{Call, Met, by_descriptor, by_name, is_below, watch};

/// The C library's own function of a name.
macro_rules! real {
    ($name:expr => $type:ty) => {{
        static REAL: OnceLock<usize> = OnceLock::new();
        // SAFETY: the name is a C string, and the type is that of the C library's function.
        let address = *REAL.get_or_init(|| unsafe { libc::dlsym(libc::RTLD_NEXT, concat!($name, "\0").as_ptr().cast()) } as usize);
        // SAFETY: see above; the C library has all functions that are asked for.
        unsafe { std::mem::transmute::<usize, $type>(address) }
    }};
}

/// A function that fails with a value where the schedule says so, and else is the C library's own.
macro_rules! failing {
    ($name:ident($($argument:ident: $type:ty),*) -> $result:ty, $failed:expr, $met:expr) => {
        /// # Safety
        /// As the C library's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            let real = real!(stringify!($name) => unsafe extern "C" fn($($type),*) -> $result);
            // SAFETY: the caller's arguments.
            unsafe {
                match $met {
                    Met::Failure => $failed,
                    _ => real($($argument),*),
                }
            }
        }
    };
}

fn kind(flags: c_int) -> Call {
    if flags & libc::O_CREAT != 0 { Call::Make } else { Call::Name }
}

macro_rules! opening {
    ($name:ident($($folder:ident: $type:ty,)?), $at:expr) => {
        /// # Safety
        /// As the C library's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($folder: $type,)? path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            let real = real!(stringify!($name) => unsafe extern "C" fn($($type,)? *const c_char, c_int, c_uint) -> c_int);
            // SAFETY: the caller's arguments.
            unsafe {
                if matches!(by_name(kind(flags), $at, path), Met::Failure) {
                    return -1;
                }
                let descriptor = real($($folder,)? path, flags, mode);
                watch(descriptor, is_below($at, path));
                descriptor
            }
        }
    };
}
opening!(open(), libc::AT_FDCWD);
opening!(open64(), libc::AT_FDCWD);
opening!(openat(folder: c_int,), folder);
opening!(openat64(folder: c_int,), folder);

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    watch(descriptor, false);
    let real = real!("close" => unsafe extern "C" fn(c_int) -> c_int);
    // SAFETY: the caller's argument.
    unsafe { real(descriptor) }
}

/// Reads and writes of `count` bytes: of a short one, reads give 7 and writes take half.
macro_rules! moving {
    ($name:ident($buffer:ty $(, $at:ident: $type:ty)?), $call:expr, $short:expr) => {
        /// # Safety
        /// As the C library's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(descriptor: c_int, buffer: $buffer, count: usize $(, $at: $type)?) -> isize {
            let real = real!(stringify!($name) => unsafe extern "C" fn(c_int, $buffer, usize $(, $type)?) -> isize);
            let count = match by_descriptor($call, descriptor) {
                Met::Failure => return -1,
                Met::End => return 0,
                Met::Short => ($short)(count),
                Met::Nothing => count,
            };
            // SAFETY: the caller's buffer, and no more of it than the caller said.
            unsafe { real(descriptor, buffer, count $(, $at)?) }
        }
    };
}
moving!(read(*mut c_void), Call::Read, |count: usize| count.min(7));
moving!(pread(*mut c_void, at: i64), Call::Read, |count: usize| count.min(7));
moving!(pread64(*mut c_void, at: i64), Call::Read, |count: usize| count.min(7));
moving!(write(*const c_void), Call::Write, |count: usize| count.div_ceil(2));
moving!(pwrite(*const c_void, at: i64), Call::Write, |count: usize| count.div_ceil(2));
moving!(pwrite64(*const c_void, at: i64), Call::Write, |count: usize| count.div_ceil(2));

/// Several buffers: of a short one the first alone.
macro_rules! gathering {
    ($name:ident, $call:expr) => {
        /// # Safety
        /// As the C library's.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(descriptor: c_int, buffers: *const libc::iovec, count: c_int) -> isize {
            let real = real!(stringify!($name) => unsafe extern "C" fn(c_int, *const libc::iovec, c_int) -> isize);
            let count = match by_descriptor($call, descriptor) {
                Met::Failure => return -1,
                Met::End => return 0,
                Met::Short => count.min(1),
                Met::Nothing => count,
            };
            // SAFETY: the caller's buffers, and no more of them than the caller said.
            unsafe { real(descriptor, buffers, count) }
        }
    };
}
gathering!(readv, Call::Read);
gathering!(writev, Call::Write);

failing!(fsync(descriptor: c_int) -> c_int, -1, by_descriptor(Call::Write, descriptor));
failing!(fdatasync(descriptor: c_int) -> c_int, -1, by_descriptor(Call::Write, descriptor));
failing!(ftruncate64(descriptor: c_int, length: i64) -> c_int, -1, by_descriptor(Call::Write, descriptor));
failing!(fstat64(descriptor: c_int, out: *mut libc::stat64) -> c_int, -1, by_descriptor(Call::Other, descriptor));
failing!(stat64(path: *const c_char, out: *mut libc::stat64) -> c_int, -1, by_name(Call::Name, libc::AT_FDCWD, path));
failing!(lstat64(path: *const c_char, out: *mut libc::stat64) -> c_int, -1, by_name(Call::Name, libc::AT_FDCWD, path));
failing!(fstatat64(folder: c_int, path: *const c_char, out: *mut libc::stat64, flags: c_int) -> c_int, -1, by_name(Call::Name, folder, path));
failing!(mkdir(path: *const c_char, mode: c_uint) -> c_int, -1, by_name(Call::Make, libc::AT_FDCWD, path));
failing!(rmdir(path: *const c_char) -> c_int, -1, by_name(Call::Name, libc::AT_FDCWD, path));
failing!(unlink(path: *const c_char) -> c_int, -1, by_name(Call::Name, libc::AT_FDCWD, path));
failing!(unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int, -1, by_name(Call::Name, folder, path));
failing!(rename(from: *const c_char, to: *const c_char) -> c_int, -1, by_name(Call::Name, libc::AT_FDCWD, to));
failing!(readlink(path: *const c_char, out: *mut c_char, size: usize) -> isize, -1, by_name(Call::Name, libc::AT_FDCWD, path));
failing!(realpath(path: *const c_char, out: *mut c_char) -> *mut c_char, std::ptr::null_mut(), by_name(Call::Name, libc::AT_FDCWD, path));
failing!(readdir64(folder: *mut libc::DIR) -> *mut libc::dirent64, std::ptr::null_mut(), by_descriptor(Call::Other, libc::dirfd(folder)));
failing!(
    mmap64(address: *mut c_void, length: usize, protection: c_int, flags: c_int, descriptor: c_int, at: i64) -> *mut c_void,
    libc::MAP_FAILED,
    by_descriptor(Call::Other, descriptor)
);

/// By a name, or with an empty one about the open file that stands in the folder's place.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn statx(folder: c_int, path: *const c_char, flags: c_int, mask: c_uint, out: *mut libc::statx) -> c_int {
    let real = real!("statx" => unsafe extern "C" fn(c_int, *const c_char, c_int, c_uint, *mut libc::statx) -> c_int);
    // SAFETY: the caller's arguments.
    unsafe {
        let about_descriptor = flags & libc::AT_EMPTY_PATH != 0 && !path.is_null() && *path == 0;
        let met = if about_descriptor { by_descriptor(Call::Other, folder) } else { by_name(Call::Name, folder, path) };
        match met {
            Met::Failure => -1,
            _ => real(folder, path, flags, mask, out),
        }
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn opendir(path: *const c_char) -> *mut libc::DIR {
    let real = real!("opendir" => unsafe extern "C" fn(*const c_char) -> *mut libc::DIR);
    // SAFETY: the caller's argument, and the folder that it opened.
    unsafe {
        if matches!(by_name(Call::Name, libc::AT_FDCWD, path), Met::Failure) {
            return std::ptr::null_mut();
        }
        let folder = real(path);
        if !folder.is_null() {
            watch(libc::dirfd(folder), is_below(libc::AT_FDCWD, path));
        }
        folder
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn closedir(folder: *mut libc::DIR) -> c_int {
    let real = real!("closedir" => unsafe extern "C" fn(*mut libc::DIR) -> c_int);
    // SAFETY: the caller's argument.
    unsafe {
        watch(libc::dirfd(folder), false);
        real(folder)
    }
}

//! Stands between a program and the C library, by `LD_PRELOAD`: what the program does to files below a folder fails for a while.
//!
//! `FAULTY_IO_FOLDERS` names the folders, separated by colons; `FAULTY_IO` the schedule, such as `enoent@120+500,slow@#900+200`: a fault, when it begins (milliseconds
//! since the start, or with `#` the number of a call to these folders) and how many milliseconds it lasts. `FAULTY_IO_COUNT` names a file that gets, at the end, the
//! number of calls and of those that a fault met.
//!
//! | fault | what meets it |
//! |---|---|
//! | `enoent`, `eacces`, `emfile` | whatever is done by a name: opening, looking at, listing, making, renaming, removing |
//! | `eio`, `estale` | that, and whatever is done to an open file |
//! | `enospc`, `edquot` | writing, syncing, making files and folders |
//! | `short` | reads that give, and writes that take, a part of what was asked for |
//! | `end` | reads that find the end of the file at once |
//! | `slow` | everything, 5 ms a call |
//!
//! What a library does through the C library's own streams (`fopen`), and pages of files that are mapped already, are out of its reach.

#![cfg(target_os = "linux")]

mod calls;
mod schedule;

pub use calls::*;

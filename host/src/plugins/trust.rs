//! Who else may change what is loaded.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why others may write a plugin folder or a library in it, as the end of a sentence; `None` where only its owner, the user's own group and the administrator may.
pub fn written_by_others(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let group = metadata.gid();
    match metadata.mode() {
        mode if mode & 0o002 != 0 => Some(format!("every user (mode {:o}): chmod o-w", mode & 0o7777)),
        mode if mode & 0o020 != 0 && group != 0 && Some(group) != own_group() => {
            Some(format!("the group {group}, which is not yours (mode {:o}): chmod g-w", mode & 0o7777))
        }
        _ => None,
    }
}

/// The group of this process.
fn own_group() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|metadata| metadata.gid())
}

//! Whose a temporary file is: a process, which is named so that another can find out whether it still lives.

use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

/// Characters of the host's name that are kept, besides a checksum of all of it.
const KEPT_OF_HOST: usize = 24;

/// A process, in a form that a file name can hold: host, boot, process namespace, process id and start.
#[derive(Debug, PartialEq, Eq)]
pub struct Owner {
    /// The host's name in plain letters, then a checksum of that name and the machine's id, since names are often the same.
    host: String,
    /// The beginning of the kernel's boot id; empty where the system has none.
    boot: String,
    /// The namespace in which `pid` counts: containers of one machine have each their own.
    namespace: u64,
    pid: u32,
    /// When the process began, in the kernel's ticks since boot: ids are used again.
    start: u64,
}

/// Whether an owner still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Alive,
    /// It does not.
    Dead,
    /// It cannot be known here.
    Unknown,
}

impl Owner {
    /// This process.
    pub fn this() -> &'static Self {
        static THIS: OnceLock<Owner> = OnceLock::new();
        THIS.get_or_init(|| {
            let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
            let digits: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
            let pid = std::process::id();
            let boot = text("/proc/sys/kernel/random/boot_id");
            Self {
                host: host(),
                boot: boot.chars().filter(char::is_ascii_alphanumeric).take(12).collect(),
                namespace: digits.parse().unwrap_or(0),
                pid,
                start: start_of(pid).unwrap_or(0),
            }
        })
    }

    /// Reads the end of a temporary name without its extension: `labels.tsv.HOST.BOOT.NAMESPACE.PID.START.RANDOM`.
    pub fn parse(stem: &str) -> Option<Self> {
        let mut parts = stem.rsplitn(7, '.').skip(1);
        let (start, pid, namespace) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (boot, host) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        parts.next().map(|_| Self { host, boot, namespace, pid, start })
    }

    /// Whether the owner of a file lives.
    pub fn life(&self, file: &Metadata) -> Life {
        self.life_seen_by(Self::this(), file)
    }

    fn life_seen_by(&self, this: &Self, file: &Metadata) -> Life {
        if self.host != this.host || this.boot.is_empty() {
            return Life::Unknown;
        }
        if self.boot != this.boot {
            return Life::Dead;
        }
        // Processes of other namespaces cannot be seen, and those of other users need not be (hidepid).
        let user = fs::metadata("/proc/self").map_or(0, |this| this.uid());
        if self.namespace != this.namespace || (user != 0 && user != file.uid()) {
            return Life::Unknown;
        }
        match start_of(self.pid) {
            Some(start) if start == self.start => Life::Alive,
            _ => Life::Dead,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}.{}", self.host, self.boot, self.namespace, self.pid, self.start)
    }
}

fn host() -> String {
    let name = text("/proc/sys/kernel/hostname");
    let plain = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(KEPT_OF_HOST);
    let checksum = crc32fast::hash(format!("{name}\n{}", text("/etc/machine-id")).as_bytes());
    plain.collect::<String>() + &format!("-{checksum:08x}")
}

/// A small file of the system, without the line's end; empty where there is none.
fn text(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default().trim().to_owned()
}

/// When a running process began (proc(5): field 22 of `stat`, behind a name that may hold anything); `None` for one that ended, though nobody may have asked for
/// its end yet.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(change: impl FnOnce(&mut Owner)) -> Owner {
        let mut owner = Owner::parse(&format!("x.{}.0", Owner::this())).expect("this process's own name");
        change(&mut owner);
        owner
    }

    #[test]
    fn a_process_is_dead_when_its_id_is_gone_or_was_given_to_another() {
        let mine = fs::metadata(std::env::current_exe().unwrap()).unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let life = |change: &dyn Fn(&mut Owner)| owner(change).life_seen_by(Owner::this(), &mine);
        assert_eq!(life(&|_| {}), Life::Alive);
        assert_eq!(life(&|owner| owner.pid = ended.id()), Life::Dead);
        assert_eq!(life(&|owner| owner.start += 1), Life::Dead);
        assert_eq!(life(&|owner| owner.boot = "0123456789ab".into()), Life::Dead);
        assert_eq!(life(&|owner| owner.namespace += 1), Life::Unknown);
        assert_eq!(life(&|owner| owner.host = "elsewhere-00000000".into()), Life::Unknown);
        let bare = owner(|owner| owner.boot.clear());
        assert_eq!(owner(|owner| owner.boot.clear()).life_seen_by(&bare, &mine), Life::Unknown, "a system without boot ids");
    }
}

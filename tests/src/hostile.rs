//! Files that mean harm, and a bounded process that reads them.

mod images;
mod masks;
mod tables;
mod tensors;

pub use images::images;
pub use masks::{coco_files, segmentations};
pub use tables::{class_lists, label_sets, manifests, recipes};
pub use tensors::{pickles, tensor_files};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A file's name and its bytes.
pub type HostileFile = (String, Vec<u8>);

/// Address space of a process, in KiB: 4 GiB, libtorch and all plugins among them.
const ADDRESS_SPACE: u64 = 4 << 20;
/// How long a process may run.
const LIMIT: Duration = Duration::from_secs(10);

/// What processes of one kind of file took.
#[derive(Clone, Copy, Default)]
struct Cost {
    files: usize,
    processes: usize,
    time: Duration,
    /// Resident, in KiB.
    memory: u64,
}

/// What all processes took, by kind of file.
#[derive(Default)]
pub struct Costs(Mutex<BTreeMap<&'static str, Cost>>);

impl Costs {
    fn add(&self, kind: &'static str, files: usize, time: Duration, memory: u64) {
        let mut kinds = self.0.lock().expect("no test panicked here");
        let cost = kinds.entry(kind).or_default();
        *cost = Cost { files: cost.files + files, processes: cost.processes + 1, time: cost.time.max(time), memory: cost.memory.max(memory) };
    }

    /// How many files there were.
    pub fn files(&self) -> usize {
        self.0.lock().expect("no test panicked here").values().map(|cost| cost.files).sum()
    }

    /// A line a kind.
    pub fn table(&self) -> String {
        let mut text = format!("{:<28}{:>7}{:>11}{:>14}{:>16}\n", "kind", "files", "processes", "worst time s", "worst memory MB");
        for (kind, cost) in self.0.lock().expect("no test panicked here").iter() {
            let (time, memory) = (cost.time.as_secs_f64(), cost.memory / 1024);
            text += &format!("{kind:<28}{:>7}{:>11}{time:>14.2}{memory:>16}\n", cost.files, cost.processes);
        }
        text
    }
}

/// An executable with some of the plugins beside it, so that a process need not load libtorch for a manifest.
pub struct Bounded {
    executable: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl Bounded {
    /// The built executable with all plugins.
    pub fn whole() -> Self {
        Self { executable: crate::build_folder().join("convert"), _folder: None }
    }

    /// One with these plugins.
    ///
    /// # Panics
    /// When they are not built.
    pub fn with(plugins: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("plugins")).expect("a folder");
        let built = crate::build_folder();
        let executable = folder.path().join("convert");
        std::fs::copy(built.join("convert"), &executable).expect("convert is built");
        for plugin in plugins {
            let name = format!("lib{plugin}.so");
            std::fs::copy(built.join("plugins").join(&name), folder.path().join("plugins").join(&name)).expect("the plugin is built");
        }
        Self { executable, _folder: Some(folder) }
    }

    /// Runs it in a folder on so many hostile files, within the limits; what it wrote to both outputs, and its exit code.
    ///
    /// # Panics
    /// When it is killed, panics, ends by a signal, takes too long, or fails without a reason.
    pub fn run(&self, costs: &Costs, (kind, files): (&'static str, usize), folder: &Path, arguments: &[&str]) -> (i32, String) {
        let output = tempfile::NamedTempFile::new().expect("a temporary file");
        let writer = || Stdio::from(output.reopen().and_then(|file| file.set_len(0).map(|()| file)).expect("the output"));
        // Both outputs append to one file, so that neither pipe can fill.
        let script = format!("ulimit -v {ADDRESS_SPACE}; ulimit -c 0; exec \"$@\" >>'{0}' 2>>'{0}'", output.path().display());
        let begun = Instant::now();
        let mut child = Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(&self.executable)
            .args(arguments)
            .current_dir(folder)
            .env("NO_COLOR", "1")
            .env("RAYON_NUM_THREADS", "2")
            .env_remove("CONVERT_PLUGIN_PATH")
            .stdin(Stdio::null())
            .stdout(writer())
            .stderr(writer())
            .spawn()
            .expect("a shell");
        let mut memory = 0;
        let status = loop {
            memory = memory.max(peak(child.id()));
            match child.try_wait().expect("the process can be waited for") {
                Some(status) => break Some(status),
                None if begun.elapsed() > LIMIT => {
                    child.kill().expect("the process can be killed");
                    child.wait().expect("it ends");
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(4)),
            }
        };
        let time = begun.elapsed();
        costs.add(kind, files, time, memory);
        let text = String::from_utf8_lossy(&std::fs::read(output.path()).expect("the output")).into_owned();
        let shown = || {
            let text: String = text.chars().take(2000).collect();
            format!("{kind}: {arguments:?} in {}:\n{text}", folder.display())
        };
        if std::env::var_os("CONVERT_HOSTILE").is_some() {
            let reason = text.lines().find(|line| line.starts_with("error: ")).or(text.lines().last()).unwrap_or_default();
            println!("{kind} {:.2} s: {arguments:?}: {}", time.as_secs_f64(), reason.chars().take(300).collect::<String>());
        }
        let status = status.unwrap_or_else(|| panic!("not done after {time:?}: {}", shown()));
        let code = status.code().unwrap_or_else(|| panic!("{status}: {}", shown()));
        assert!([0, 1, 2, 3].contains(&code), "exit code {code}: {}", shown());
        for sign in ["panicked", "internal error", "RUST_BACKTRACE", "memory allocation of"] {
            assert!(!text.contains(sign), "{}", shown());
        }
        assert!(code == 0 || text.contains("error: "), "no reason: {}", shown());
        assert!(!text.contains('\u{1b}') && !text.contains('\0'), "control characters: {}", shown());
        (code, text)
    }
}

/// The most memory that a process had so far, in KiB; 0 when it is gone.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// A whole file cut at `count` places, and with a byte changed at as many.
pub fn damaged(name: &str, extension: &str, whole: &[u8], count: usize) -> Vec<HostileFile> {
    let mut files = Vec::new();
    for number in 0..count {
        // Places from the first bytes, where headers stand, to the last.
        let at = (whole.len() - 1) * number * number / (count * count);
        files.push((format!("{name}-cut-{at}.{extension}"), whole[..at].to_vec()));
        let mut changed = whole.to_vec();
        changed[at] ^= [0xff, 0x80, 0x01, 0x7f][number % 4];
        files.push((format!("{name}-changed-{at}.{extension}"), changed));
    }
    files
}

/// Names of places that are no regular files, for [`special_file`].
pub fn special_names(extension: &str) -> Vec<String> {
    ["pipe", "device", "itself", "nothing", "folder"].map(|name| format!("{name}.{extension}")).to_vec()
}

/// Makes one: a pipe, a link to a device, a link to itself, a link to nothing, a folder.
///
/// # Panics
/// When it cannot be made.
pub fn special_file(folder: &Path, name: &str) {
    let path = folder.join(name);
    let link = |target: &str| std::os::unix::fs::symlink(target, &path).expect("a link");
    match name.split('.').next() {
        Some("pipe") => assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success()),
        Some("device") => link("/dev/zero"),
        Some("itself") => link(name),
        Some("nothing") => link("/nonexistent"),
        _ => std::fs::create_dir(&path).expect("a folder"),
    }
}

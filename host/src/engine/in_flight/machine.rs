//! Whether the kernel killed processes for want of memory.

use std::fs;

use serde::{Deserialize, Serialize};

/// How often the kernel killed for want of memory since it was started.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Which start of which kernel.
    boot: String,
    kills: u64,
}

impl Machine {
    pub fn now() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        // That of the container where there is one, else the whole machine's.
        let kills = ["/sys/fs/cgroup/memory.events", "/proc/vmstat"].iter().find_map(|file| {
            let text = fs::read_to_string(file).ok()?;
            text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
        });
        Self { boot, kills: kills.unwrap_or(0) }
    }

    /// Whether it did so since this was noted.
    pub fn ran_out_of_memory_since(&self) -> bool {
        let now = Self::now();
        now.boot == self.boot && now.kills > self.kills
    }
}

//! How many threads a command uses.

use clap::Args;
use clap::builder::TypedValueParser;

/// How many threads work.
#[derive(Clone, Copy, Debug, Args)]
pub struct Threads {
    /// Threads; all cores by default. The results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024).map(|count| count as usize))]
    threads: Option<usize>,
}

impl Threads {
    /// How many were asked for.
    pub fn asked(self) -> Option<usize> {
        self.threads
    }

    /// How many there are: as many as were asked for, or one a core.
    pub fn count(self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}

//! How far a fetch is: a bar of bytes on a terminal, a line now and then otherwise.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::Progress;
use crate::named_files::size;

const INTERVAL: Duration = Duration::from_secs(10);

/// The bytes of a file.
pub struct Bytes {
    name: String,
    bar: Option<ProgressBar>,
    total: Option<u64>,
    start: u64,
    began: Instant,
    last_line: Instant,
}

impl Bytes {
    /// From `start` on, of so many where that is known.
    pub fn begin(progress: &Progress, name: &str, start: u64, total: Option<u64>) -> Self {
        let bar = progress.bars().map(|bars| {
            let bar = bars.add(ProgressBar::new(total.unwrap_or_default()).with_position(start));
            let style = ProgressStyle::with_template(
                "{prefix:24.bold} {wide_bar:.cyan/dim} {decimal_bytes:>9}/{decimal_total_bytes} {decimal_bytes_per_sec:>12} ETA {eta:>4}",
            );
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━╌"));
            bar.set_prefix(name.to_owned());
            bar.reset_eta();
            bar
        });
        Self { name: name.to_owned(), bar, total, start, began: Instant::now(), last_line: Instant::now() }
    }

    /// So many are here.
    pub fn at(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if self.last_line.elapsed() >= INTERVAL {
            self.last_line = Instant::now();
            let rate = ((done - self.start) as f64 / self.began.elapsed().as_secs_f64()) as u64;
            let of = self.total.map_or_else(String::new, |total| format!(" of {}", size(total)));
            tracing::info!("{}: {}{of}, {}/s", self.name, size(done), size(rate));
        }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

//! Progress: one bar a stage with rate and ETA on a terminal, plain lines otherwise, and for programs events with fields (docs/formats.md).

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Where progress is shown; cheap to clone.
#[derive(Clone)]
pub struct Progress {
    bars: Option<MultiProgress>,
    /// Whether lines are for people.
    people: bool,
}

/// How often a stage says how far it is where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// The same for programs.
const EVENT_INTERVAL: Duration = Duration::from_millis(500);

impl Progress {
    /// Bars when standard error is a terminal and the log is for people.
    pub fn new(log_for_people: bool) -> Self {
        Self { bars: (log_for_people && std::io::stderr().is_terminal()).then(MultiProgress::new), people: log_for_people }
    }

    /// The bars, which log lines must not be printed through.
    pub fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// Tells a program where a run's results will lie.
    pub fn begin_run(&self, work_dir: &Path) {
        if !self.people {
            tracing::info!(work_dir = %work_dir.display(), "begins");
        }
    }

    /// Begins a stage of `total` images, `cached` of them done by an earlier run.
    pub fn stage(&self, name: &str, total: u64, cached: u64) -> StageProgress {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total).with_position(cached));
            let style = ProgressStyle::with_template("{prefix:24.bold} {wide_bar:.cyan/dim} {pos:>7}/{len} {per_sec:>12} ETA {eta:>4} {msg:.dim}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━╌"));
            bar.set_prefix(name.to_owned());
            bar.reset_eta();
            bar
        });
        let stage = StageProgress {
            name: name.to_owned(),
            people: self.people,
            bar,
            total: AtomicU64::new(total),
            cached,
            done: AtomicU64::new(cached),
            started: Instant::now(),
            last_line: Mutex::new(Instant::now()),
        };
        if !self.people {
            stage.event(cached, "");
        }
        stage
    }
}

/// The progress of one stage.
pub struct StageProgress {
    name: String,
    people: bool,
    bar: Option<ProgressBar>,
    total: AtomicU64,
    cached: u64,
    done: AtomicU64,
    started: Instant,
    last_line: Mutex<Instant>,
}

impl StageProgress {
    /// Some more images are done.
    pub fn add(&self, count: u64) {
        let done = self.done.fetch_add(count, Ordering::Relaxed) + count;
        match &self.bar {
            Some(bar) => bar.inc(count),
            None => self.plain_line(done, ""),
        }
    }

    /// A plugin says how far its long call has come, in units of its own.
    pub fn set(&self, position: u64, total: u64, message: &str) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(position, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_position(position);
                bar.set_message(message.to_owned());
            }
            None => self.plain_line(position, message),
        }
    }

    fn plain_line(&self, done: u64, message: &str) {
        let Ok(mut last) = self.last_line.try_lock() else { return };
        if last.elapsed() < if self.people { PLAIN_INTERVAL } else { EVENT_INTERVAL } {
            return;
        }
        *last = Instant::now();
        if !self.people {
            return self.event(done, message);
        }
        let (total, rate) = (self.total.load(Ordering::Relaxed), self.rate(done));
        let left = if rate > 0.0 { total.saturating_sub(done) as f64 / rate } else { 0.0 };
        tracing::info!("{}: {done}/{total}, {rate:.1}/s, about {left:.0} s left{}{message}", self.name, if message.is_empty() { "" } else { ", " });
    }

    /// Units a second in this run.
    fn rate(&self, done: u64) -> f64 {
        done.saturating_sub(self.cached) as f64 / self.started.elapsed().as_secs_f64()
    }

    /// What a program is told.
    fn event(&self, done: u64, message: &str) {
        let (total, rate) = (self.total.load(Ordering::Relaxed), (self.rate(done) * 10.0).round() / 10.0);
        tracing::info!(stage = self.name, done, total, rate, "{message}");
    }

    /// The stage has ended; seconds spent in it.
    pub fn finish(self) -> f64 {
        let seconds = self.started.elapsed().as_secs_f64();
        match self.bar {
            Some(bar) => bar.finish_and_clear(),
            None => {
                let done = self.done.load(Ordering::Relaxed);
                if !self.people {
                    self.event(done, "");
                }
                let done = done.saturating_sub(self.cached);
                if done > 0 {
                    tracing::info!("{}: done, {done} in {seconds:.1} s", self.name);
                }
            }
        }
        seconds
    }
}

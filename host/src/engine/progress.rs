//! Progress: one bar a stage with rate and ETA on a terminal, plain lines otherwise, and for programs events with fields (docs/formats.md).

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use crate::terminal::error_width;

/// Where progress is shown; cheap to clone.
#[derive(Clone)]
pub struct Progress {
    bars: Option<MultiProgress>,
    /// Whether lines are for people.
    people: bool,
    /// How far the stage at work is, for who asks.
    latest: Arc<Latest>,
}

/// Images done, and all.
#[derive(Default)]
struct Latest {
    done: AtomicU64,
    total: AtomicU64,
}

/// How often a stage says how far it is where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// The same for programs.
const EVENT_INTERVAL: Duration = Duration::from_millis(500);

impl Progress {
    /// Bars when standard error is a terminal and the log is for people.
    pub fn new(log_for_people: bool) -> Self {
        Self { bars: (log_for_people && std::io::stderr().is_terminal()).then(MultiProgress::new), people: log_for_people, latest: Arc::default() }
    }

    /// The bars, which log lines must not be printed through.
    pub fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// How much the stage at work, or the last, has done, and of how much.
    pub fn latest(&self) -> (u64, u64) {
        (self.latest.done.load(Ordering::Relaxed), self.latest.total.load(Ordering::Relaxed))
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
            let style = ProgressStyle::with_template(template(error_width().unwrap_or(80)));
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━╌");
            let style = style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| show(out, format_args!("{}/s", rate(state.per_sec()))));
            let style = style.with_key("count", |state: &ProgressState, out: &mut dyn Write| {
                show(out, format_args!("{}/{}", state.pos(), state.len().unwrap_or_default()));
            });
            bar.set_style(style);
            bar.set_prefix(name.to_owned());
            bar.reset_eta();
            bar
        });
        let stage = StageProgress {
            name: name.to_owned(),
            people: self.people,
            latest: Arc::clone(&self.latest),
            bar,
            total: AtomicU64::new(total),
            cached,
            done: AtomicU64::new(cached),
            started: Instant::now(),
            last_line: Mutex::new(Instant::now()),
        };
        stage.tell(cached);
        if !self.people {
            stage.event(cached, "");
        }
        stage
    }
}

/// A bar for a terminal of so many columns. What a plugin says takes what is left.
fn template(columns: usize) -> &'static str {
    match columns {
        ..100 => "{prefix:22!.bold} {bar:8.cyan/dim} {count:>13} {rate:>8} ETA {eta:>3} {wide_msg:.dim}",
        _ => "{prefix:30!.bold} {bar:20.cyan/dim} {count:>15} {rate:>8} ETA {eta:>3} {wide_msg:.dim}",
    }
}

/// Writes a part of a bar; one that cannot be written is not worth an error.
fn show(out: &mut dyn Write, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

/// A number of images a second, to three digits where it is not larger.
pub fn rate(per_second: f64) -> String {
    let decimals = match per_second {
        ..0.9995 => 3,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{per_second:.decimals$}")
}

/// The progress of one stage.
pub struct StageProgress {
    name: String,
    people: bool,
    latest: Arc<Latest>,
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
        self.tell(done);
        match &self.bar {
            Some(bar) => bar.inc(count),
            None => self.plain_line(done, ""),
        }
    }

    /// A plugin says how far its long call has come, in units of its own.
    pub fn set(&self, position: u64, total: u64, message: &str) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(position, Ordering::Relaxed);
        self.tell(position);
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_position(position);
                bar.set_message(message.to_owned());
            }
            None => self.plain_line(position, message),
        }
    }

    fn tell(&self, done: u64) {
        self.latest.done.store(done, Ordering::Relaxed);
        self.latest.total.store(self.total.load(Ordering::Relaxed), Ordering::Relaxed);
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
        let (total, per_second) = (self.total.load(Ordering::Relaxed), self.rate(done));
        let left = if per_second > 0.0 { total.saturating_sub(done) as f64 / per_second } else { 0.0 };
        let comma = if message.is_empty() { "" } else { ", " };
        tracing::info!(
            "{}: {done}/{total}, {}/s, about {} left{comma}{message}",
            self.name,
            rate(per_second),
            HumanDuration(Duration::from_secs_f64(left))
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_digits() {
        assert_eq!([0.8349, 0.9996, 9.994, 9.996, 99.94, 99.96, 4321.6].map(rate), ["0.835", "1.00", "9.99", "10.0", "99.9", "100", "4322"]);
    }
}

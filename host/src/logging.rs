//! Log lines to standard error, above the bars.

use std::borrow::Cow;
use std::io::{self, Write};

use convert_sdk::LogLevel;
use indicatif::MultiProgress;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::cli::{GlobalArguments, LogFormat};
use crate::engine::Progress;
use crate::errors::printable;

/// Begins logging; only the first call of a process has an effect.
pub fn begin(global: &GlobalArguments) -> Progress {
    let people = global.log_format == LogFormat::Text;
    let progress = Progress::new(people);
    let level = match global.verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let writer = AboveBars { bars: progress.bars().cloned(), people };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(writer).with_target(false);
    // Each request that is sent again is told to those who ask for more only.
    let library = if level == LevelFilter::INFO { LevelFilter::WARN } else { level };
    let filter = Targets::new().with_default(level).with_target("object_store", library);
    // An error means that a subscriber is there already.
    let _ = if people {
        let colour = io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none();
        tracing::subscriber::set_global_default(builder.without_time().with_ansi(colour).finish().with(filter))
    } else {
        tracing::subscriber::set_global_default(builder.json().finish().with(filter))
    };
    progress
}

/// A log line of a plugin, under its library's name.
pub fn of_plugin(level: LogLevel, target: &str, message: &str) {
    let plugin = library_name(target);
    match level {
        LogLevel::Error => tracing::error!(target: "plugin", "{plugin}: {message}"),
        LogLevel::Warn => tracing::warn!(target: "plugin", "{plugin}: {message}"),
        LogLevel::Info => tracing::info!(target: "plugin", "{plugin}: {message}"),
        LogLevel::Debug => tracing::debug!(target: "plugin", "{plugin}: {message}"),
        LogLevel::Trace => tracing::trace!(target: "plugin", "{plugin}: {message}"),
    }
}

/// The name of the library that a `tracing` target (`convert_mlp_head::training`) belongs to, as its users know it.
fn library_name(target: &str) -> String {
    let package = target.split("::").next().unwrap_or(target);
    package.strip_prefix("convert_").unwrap_or(package).replace('_', "-")
}

/// Writes whole lines to standard error while the bars step aside.
#[derive(Clone)]
struct AboveBars {
    bars: Option<MultiProgress>,
    /// Whether lines are for people; JSON writes out itself what names hold.
    people: bool,
}

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = if self.people { Cow::Owned(one_line(&String::from_utf8_lossy(bytes)).into_bytes()) } else { Cow::Borrowed(bytes) };
        match &self.bars {
            Some(bars) => bars.suspend(|| io::stderr().write_all(&line))?,
            None => io::stderr().write_all(&line)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// An event as one line. The escape character is the formatter's own, for colours: it writes out those of messages.
fn one_line(event: &str) -> String {
    let text = event.strip_suffix('\n').unwrap_or(event);
    let parts: Vec<Cow<'_, str>> = text.split('\u{1b}').map(|part| printable(part, false)).collect();
    parts.join("\u{1b}") + "\n"
}

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

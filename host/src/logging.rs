//! Log lines to standard error, above the bars.

use std::io::{self, Write};

use indicatif::MultiProgress;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::{GlobalArguments, LogFormat};
use crate::engine::Progress;

/// Begins logging; only the first call of a process has an effect.
pub fn begin(global: &GlobalArguments) -> Progress {
    let people = global.log_format == LogFormat::Text;
    let progress = Progress::new(people);
    let level = match global.verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(AboveBars(progress.bars().cloned())).with_target(false);
    // An error means that a subscriber is there already.
    let _ = if people {
        let colour = io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none();
        tracing::subscriber::set_global_default(builder.without_time().with_ansi(colour).finish())
    } else {
        tracing::subscriber::set_global_default(builder.json().finish())
    };
    progress
}

/// Writes whole lines to standard error while the bars step aside.
#[derive(Clone)]
struct AboveBars(Option<MultiProgress>);

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Some(bars) => bars.suspend(|| io::stderr().write_all(bytes))?,
            None => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for AboveBars {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

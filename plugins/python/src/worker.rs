//! A process that holds one plugin.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use convert_sdk::tracing::{debug, error, info, warn};
use convert_sdk::{Context, Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::config::PythonConfig;
use crate::frame::{Incoming, Outgoing};

/// How often a call that may take long is looked at for Ctrl-C.
const GLANCE: Duration = Duration::from_millis(200);
/// A process that was told to end may take so long.
const FAREWELL: Duration = Duration::from_millis(500);

/// The package `convert_sdk`, which the worker gets over its standard input: whatever Python runs it needs numpy and nothing of ours.
const PACKAGE: [(&str, &str); 6] = [
    ("convert_sdk", include_str!("../../../sdk/python/src/convert_sdk/__init__.py")),
    ("convert_sdk._config", include_str!("../../../sdk/python/src/convert_sdk/_config.py")),
    ("convert_sdk._frames", include_str!("../../../sdk/python/src/convert_sdk/_frames.py")),
    ("convert_sdk._roles", include_str!("../../../sdk/python/src/convert_sdk/_roles.py")),
    ("convert_sdk._schema", include_str!("../../../sdk/python/src/convert_sdk/_schema.py")),
    ("convert_sdk.worker", include_str!("../../../sdk/python/src/convert_sdk/worker.py")),
];

/// Reads the package and runs `convert_sdk.worker`, as `python -m convert_sdk.worker` does where it is installed.
const START: &str = include_str!("start.py");

/// How a call ended that did not go through.
pub enum Failure {
    /// The plugin said so; the process is as good as before.
    Said(Error),
    /// The process is gone.
    Gone(Error),
}

/// What a worker may ask for in the middle of a call.
pub type Answer<'f> = dyn FnMut(&Value, &mut Outgoing<'static>) -> Result<Value> + 'f;

/// See the module.
pub struct Worker {
    child: Child,
    input: BufWriter<ChildStdin>,
    frames: Receiver<Incoming>,
    context: Context,
    /// That of the labeler's model it holds; empty for none.
    pub checkpoint: String,
}

impl Worker {
    /// Starts a process and builds the plugin in it; what that says of itself.
    ///
    /// # Errors
    /// A Python that cannot be started or lacks numpy; what the class says of its config.
    pub fn start(role: &str, config: &PythonConfig, context: &Context) -> Result<(Self, Value)> {
        let mut worker = Self::spawn(config, context, |line| info!("{line}"))?;
        let facts = worker.build(role, config)?;
        if let (Some(limit), Some(held)) = (config.max_memory_mb, worker.resident_mb())
            && held > limit
        {
            let message = format!("`max_memory_mb` is {limit}, but {} holds {held} MB as soon as it is built: give more", config.entry.as_str());
            return Err(Error::config(message));
        }
        Ok((worker, facts))
    }

    /// The JSON schema of the class's own config, from a process that builds nothing.
    ///
    /// # Errors
    /// As [`Worker::start`].
    pub fn schema(config: &PythonConfig, context: &Context) -> Result<Value> {
        // It is built afterwards, and prints the same again.
        let mut worker = Self::spawn(config, context, |line| debug!("{line}"))?;
        worker.first(Outgoing::call("schema").with("entry", config.entry.as_str()), config)
    }

    /// Starts a process; what it prints goes to `print`.
    fn spawn(config: &PythonConfig, context: &Context, print: impl Fn(&str) + Send + 'static) -> Result<Self> {
        let python = config.python();
        let mut command = Command::new(&python);
        command.args(["-u", "-c", START]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            Error::config(format!("the Python `{python}` cannot be started ({error}): name another one with `python` or CONVERT_PYTHON"))
        })?;
        let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(Error::invalid("the process has no standard streams"));
        };
        let (sender, frames) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::with_capacity(1 << 16, output);
            while let Ok(Some(frame)) = Incoming::read(&mut output) {
                if sender.send(frame).is_err() {
                    return;
                }
            }
        });
        // What is printed is the log's.
        std::thread::spawn(move || {
            let mut lines = BufReader::new(errors).split(b'\n');
            while let Some(Ok(line)) = lines.next() {
                let line = String::from_utf8_lossy(&line);
                if !line.trim().is_empty() {
                    print(line.trim_end());
                }
            }
        });
        Ok(Self { child, input: BufWriter::with_capacity(1 << 16, input), frames, context: context.clone(), checkpoint: String::new() })
    }

    fn build(&mut self, role: &str, config: &PythonConfig) -> Result<Value> {
        let settings = self.context.settings();
        let told = json!({
            "plugin": settings.plugin, "profile": settings.profile, "seed": settings.seed, "device": settings.device, "threads": settings.threads,
            "cache_folder": settings.cache_folder, "classes": settings.classes,
        });
        let call =
            Outgoing::call("init").with("role", role).with("entry", config.entry.as_str()).with("config", json!(config.config)).with("context", told);
        self.first(call, config)
    }

    /// The first call, behind the package.
    fn first(&mut self, call: Outgoing<'_>, config: &PythonConfig) -> Result<Value> {
        let sources = json!(PACKAGE.iter().copied().collect::<std::collections::BTreeMap<_, _>>()).to_string();
        let sent = self.input.write_all(&(sources.len() as u32).to_le_bytes()).and_then(|()| self.input.write_all(sources.as_bytes()));
        let built = sent.map_err(|error| self.gone(&error.to_string())).and_then(|()| self.call(call, Some(config.timeout()), &mut nothing_to_ask));
        match built {
            Ok(facts) => Ok(facts.json),
            Err(Failure::Said(error)) => Err(Error { kind: ErrorKind::Config, ..error }.context(format!("the class {}", config.entry.as_str()))),
            Err(Failure::Gone(error)) => Err(Error { kind: ErrorKind::Config, ..error }.context(format!(
                "the class {} cannot be built by {} (does it have numpy? its last words are above)",
                config.entry.as_str(),
                config.python()
            ))),
        }
    }

    /// Makes a call; `answer` is asked for what the plugin wants to know meanwhile. Without a timeout it may take as long as it likes, and ends with Ctrl-C.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn call(&mut self, call: Outgoing<'_>, timeout: Option<Duration>, answer: &mut Answer<'_>) -> Result<Incoming, Failure> {
        call.write(&mut self.input).map_err(|error| self.gone(&error.to_string()))?;
        let begun = Instant::now();
        loop {
            let left = timeout.map_or(GLANCE, |timeout| timeout.saturating_sub(begun.elapsed()));
            let frame = match self.frames.recv_timeout(left) {
                Ok(frame) => frame,
                Err(RecvTimeoutError::Disconnected) => return Err(self.gone("its standard output was closed")),
                Err(RecvTimeoutError::Timeout) => match timeout {
                    Some(timeout) => {
                        self.end();
                        return Err(Failure::Gone(Error::new(
                            ErrorKind::Other,
                            format!("the call took longer than {} s (timeout_s): its process was ended", timeout.as_secs()),
                        )));
                    }
                    None if self.context.cancelled() => {
                        self.end();
                        return Err(Failure::Gone(Error::new(ErrorKind::Interrupted, "interrupted")));
                    }
                    None => continue,
                },
            };
            let text = |key: &str| frame.json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            if frame.json.get("ask").is_some() {
                let mut reply = Outgoing::default();
                let reply = match answer(&frame.json, &mut reply) {
                    Ok(value) => reply.with("answer", value),
                    Err(error) => Outgoing::default().with("error", error.to_string()),
                };
                reply.write(&mut self.input).map_err(|error| self.gone(&error.to_string()))?;
            } else if frame.json.get("log").is_some() {
                log(&text("log"), &text("message"));
            } else if let Some([position, total]) = frame.json.get("progress").and_then(Value::as_array).map(Vec::as_slice) {
                self.context.progress(position.as_u64().unwrap_or_default(), total.as_u64().unwrap_or_default(), &text("message"));
            } else if frame.json.get("error").is_some() {
                let kind = match text("kind").as_str() {
                    "config" => ErrorKind::Config,
                    "memory" => ErrorKind::OutOfMemory,
                    _ => ErrorKind::InvalidInput,
                };
                return Err(Failure::Said(Error::new(kind, text("error"))));
            } else {
                let Incoming { mut json, blobs } = frame;
                return Ok(Incoming { json: json.get_mut("ok").map(Value::take).unwrap_or_default(), blobs });
            }
        }
    }

    /// Megabytes of memory that the process holds, where the system tells.
    pub fn resident_mb(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes >> 10)
    }

    /// The process has gone: how.
    fn gone(&mut self, otherwise: &str) -> Failure {
        let begun = Instant::now();
        let ended = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if begun.elapsed() < FAREWELL => std::thread::sleep(Duration::from_millis(10)),
                _ => break None,
            }
        };
        let how = ended.map_or_else(|| otherwise.to_owned(), |status| status.to_string());
        Failure::Gone(Error::new(ErrorKind::Other, format!("its Python process ended ({how})")))
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// For calls in which a plugin has nothing to ask for.
pub fn nothing_to_ask(asked: &Value, _: &mut Outgoing<'static>) -> Result<Value> {
    Err(Error::invalid(format!("there is nothing to ask for in this call: {asked}")))
}

fn log(level: &str, message: &str) {
    match level {
        "error" => error!("{message}"),
        "warn" => warn!("{message}"),
        "debug" => debug!("{message}"),
        _ => info!("{message}"),
    }
}

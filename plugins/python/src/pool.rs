//! The processes of a plugin: each call gets one for itself.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use convert_sdk::tracing::{info, warn};
use convert_sdk::{Context, Error, ErrorKind, Result};
use serde_json::Value;

use crate::config::PythonConfig;
use crate::frame::{Incoming, Outgoing};
use crate::worker::{Answer, Failure, Worker, nothing_to_ask};

/// So many processes may end one after the other, without a call that went through.
const CRASHES: u32 = 5;

/// See the module.
pub struct Pool {
    role: &'static str,
    config: PythonConfig,
    context: Context,
    state: Mutex<State>,
    free: Condvar,
    /// What the class says of itself: `batch_size`, `rounds`.
    facts: Value,
}

struct State {
    idle: Vec<Worker>,
    /// How many there are, idle or not.
    count: usize,
    /// In a row.
    crashes: u32,
}

/// A process for one call after the other, back in the pool when dropped.
pub struct Lease {
    pool: Arc<Pool>,
    worker: Option<Worker>,
}

impl Pool {
    /// Starts the first process, which builds the plugin.
    ///
    /// # Errors
    /// As [`Worker::start`].
    pub fn new(role: &'static str, config: PythonConfig, context: Context) -> Result<Arc<Self>> {
        let (worker, facts) = Worker::start(role, &config, &context)?;
        let state = Mutex::new(State { idle: vec![worker], count: 1, crashes: 0 });
        Ok(Arc::new(Self { role, config, context, state, free: Condvar::new(), facts }))
    }

    /// A number that the class says of itself.
    pub fn fact(&self, name: &str) -> u64 {
        self.facts.get(name).and_then(Value::as_u64).unwrap_or(1)
    }

    /// How long a call may take.
    pub fn timeout(&self) -> Duration {
        self.config.timeout()
    }

    /// Makes a call in whichever process is free.
    ///
    /// # Errors
    /// What the plugin says; the end of its process.
    pub fn call(self: &Arc<Self>, call: Outgoing<'_>) -> Result<Incoming> {
        self.call_answered(call, &mut nothing_to_ask)
    }

    /// The same where the plugin may ask for something.
    ///
    /// # Errors
    /// As [`Pool::call`].
    pub fn call_answered(self: &Arc<Self>, call: Outgoing<'_>, answer: &mut Answer<'_>) -> Result<Incoming> {
        self.lease()?.call(call, Some(self.timeout()), answer)
    }

    /// A process for oneself.
    ///
    /// # Errors
    /// One that cannot be started; too many that ended.
    pub fn lease(self: &Arc<Self>) -> Result<Lease> {
        let mut state = self.state();
        loop {
            if state.crashes >= CRASHES {
                // The world's fault, not the sample's: the run stops, and nobody waits any more.
                self.free.notify_all();
                let message = format!(
                    "{CRASHES} Python processes of {} ended one after the other, the reasons are above: no more are started",
                    self.config.entry.as_str()
                );
                return Err(Error::new(ErrorKind::Device, message));
            }
            if let Some(worker) = state.idle.pop() {
                return Ok(Lease { pool: Arc::clone(self), worker: Some(worker) });
            }
            if state.count < self.config.workers {
                state.count += 1;
                drop(state);
                let started = Worker::start(self.role, &self.config, &self.context);
                let worker = started.inspect_err(|_| {
                    let mut state = self.state();
                    state.count -= 1;
                    state.crashes += 1;
                    self.free.notify_one();
                })?;
                return Ok(Lease { pool: Arc::clone(self), worker: Some(worker.0) });
            }
            state = self.free.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What a process holds and may hold, if that is too much.
    fn too_large(&self, worker: &Worker) -> Option<(u64, u64)> {
        let (limit, held) = (self.config.max_memory_mb?, worker.resident_mb()?);
        (held > limit).then_some((held, limit))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Makes a call; see [`Worker::call`].
    ///
    /// # Errors
    /// What the plugin says; the end of its process, after which the lease is of no use.
    pub fn call(&mut self, call: Outgoing<'_>, timeout: Option<Duration>, answer: &mut Answer<'_>) -> Result<Incoming> {
        let worker = self.worker.as_mut().ok_or_else(|| Error::new(ErrorKind::Other, "its Python process ended in an earlier call"))?;
        match worker.call(call, timeout, answer) {
            Ok(answer) => {
                self.pool.state().crashes = 0;
                Ok(answer)
            }
            Err(Failure::Said(error)) => {
                self.pool.state().crashes = 0;
                Err(error)
            }
            Err(Failure::Gone(error)) => {
                self.worker = None;
                let mut state = self.pool.state();
                state.count -= 1;
                if error.kind != ErrorKind::Interrupted {
                    state.crashes += 1;
                    warn!("{}: {error}; a new one is started when it is needed", self.pool.config.entry.as_str());
                }
                Err(error)
            }
        }
    }
}

impl Lease {
    /// Has the process load a checkpoint, if it has not done so; that may take as long as it likes.
    ///
    /// # Errors
    /// As [`Lease::call`].
    pub fn load(&mut self, checkpoint: &str) -> Result<()> {
        if self.worker.as_ref().is_some_and(|worker| worker.checkpoint == checkpoint) {
            return Ok(());
        }
        self.call(Outgoing::call("load").with("checkpoint", checkpoint), None, &mut nothing_to_ask)?;
        if let Some(worker) = &mut self.worker {
            checkpoint.clone_into(&mut worker.checkpoint);
        }
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            match self.pool.too_large(&worker) {
                Some((held, limit)) => {
                    let entry = self.pool.config.entry.as_str();
                    info!(
                        "{entry}: its process holds {held} MB, more than max_memory_mb ({limit}): it is ended, and a new one started when it is needed"
                    );
                    drop(worker);
                    self.pool.state().count -= 1;
                }
                None => self.pool.state().idle.push(worker),
            }
        }
        self.pool.free.notify_one();
    }
}

//! `convert worker`: works on the parts of a run that a scheduler names in lines of JSON, and answers in such lines (docs/cluster.md).

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{TO_STOP, cancel_within, load};
use crate::cli::WorkerArguments;
use crate::engine::{EngineError, Progress};
use crate::errors::{chain, printable};
use crate::failure::Failure;
use crate::pipeline::{Options, Part, PipelineError, Session, Step, Task};
use crate::plugins::Catalog;
use crate::recipe::suggestion;
use crate::storage::Creation;

/// How often a worker without work looks whether it is to stop.
const GLANCE: Duration = Duration::from_millis(100);
/// How often it says how far it is.
const TELL: Duration = Duration::from_secs(1);

/// What a scheduler asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    id: Json,
    stages: Vec<String>,
    /// The stages' keys as the scheduler's plan has them.
    #[serde(default)]
    keys: BTreeMap<String, String>,
    /// The stages' plugins there, for the message when a key differs.
    #[serde(default)]
    plugins: BTreeMap<String, PluginOfPlan>,
    #[serde(default)]
    shards: Vec<usize>,
}

#[derive(Deserialize)]
struct PluginOfPlan {
    name: String,
    version: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Json,
    /// `done`, `transient`, `failed` or `preempted`.
    outcome: &'static str,
    code: u8,
    seconds: f64,
    images: usize,
    skipped: u64,
    stages: Vec<StageAnswer>,
    shards: Vec<ShardAnswer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct StageAnswer {
    name: String,
    seconds: f64,
    images: u64,
    cached: u64,
}

#[derive(Serialize)]
struct ShardAnswer<'a> {
    stage: &'a str,
    shard: usize,
    /// `created`, `already-there` where another process was first, `found` where it was there before.
    made: &'static str,
}

/// Works until its input ends.
pub fn worker(arguments: &WorkerArguments, catalog: &Catalog, progress: Progress) -> Result<(), Failure> {
    let WorkerArguments { recipe, run, work, slot, lead } = arguments;
    let recipe = load(recipe, &run.overrides, catalog, &progress)?;
    let slot = recipe.worker_slot(*slot)?;
    let cancel = cancel_within(Some(TO_STOP))?;
    let options = Options {
        limit: run.limit.map(|limit| limit as usize),
        device: run.device.clone(),
        threads: work.threads.asked(),
        rescan: work.rescan,
        part: Some(Part::worker(slot.name())),
        progress: progress.clone(),
        cancel: Arc::clone(&cancel),
    };
    let session = Session::open(recipe, options)?;
    let _lead = lead.then(|| session.lead()).transpose()?;
    say(
        &json!({ "ready": true, "convert": env!("CARGO_PKG_VERSION"), "samples_key": session.samples.key.to_string(), "slot": slot.name(), "pid": std::process::id() }),
    );

    let (lines, at_work) = (read_lines(), AtWork::default());
    let teller = at_work.tell(progress);
    let skipped = Cell::new(0);
    let mut tasks = Tasks { session: &session, lines, cancel: &cancel, at_work: &at_work }.peekable();
    session.run_tasks(&mut tasks, |task, result| {
        let seconds = at_work.end();
        let failure = result.err().map(|error| Failure::from(error).of_a_part());
        let code = failure.as_ref().map_or(0, Failure::exit_code);
        let all_skipped = session.runner.ledger.count();
        let images = task.shards.iter().map(|shard| session.samples.shard(*shard).len()).sum();
        let shards = shards(&session, task, code == 0);
        say(&Answer {
            id: &task.id,
            outcome: outcome(code),
            code,
            seconds,
            images,
            skipped: all_skipped - skipped.replace(all_skipped),
            stages: stages(&session),
            shards,
            error: failure.as_ref().map(one_line),
        });
        code != 130
    });
    drop(teller);
    // The answer said it; the scheduler need not hear it twice.
    if cancel.load(Ordering::SeqCst) { Err(PipelineError::from(EngineError::Interrupted).into()) } else { Ok(()) }
}

fn outcome(code: u8) -> &'static str {
    match code {
        0 => "done",
        1 => "transient",
        130 => "preempted",
        _ => "failed",
    }
}

fn one_line(failure: &Failure) -> String {
    printable(&chain(failure), false).into_owned()
}

/// Prints a line of an answer. A scheduler that is gone ends the worker.
fn say(answer: &impl Serialize) {
    let line = serde_json::to_string(answer).map(|line| line + "\n").unwrap_or_default();
    let mut out = std::io::stdout().lock();
    if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
        crate::crashes::leave(130);
    }
}

/// What took how long since the last answer.
fn stages(session: &Session) -> Vec<StageAnswer> {
    let mut finished = session.runner.finished.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = |info: convert_sdk::StageInfo| StageAnswer { name: info.name, seconds: info.seconds, images: info.images, cached: info.cached };
    finished.drain(..).map(answer).collect()
}

/// Who stored a task's shards; of a task that failed only those that this process stored.
fn shards<'a>(session: &Session, task: &Task<'a>, all: bool) -> Vec<ShardAnswer<'a>> {
    let stored = std::mem::take(&mut *session.runner.stored.lock().unwrap_or_else(PoisonError::into_inner));
    let mut answers = Vec::new();
    for step in &task.steps {
        for shard in &task.shards {
            let known = stored.iter().find(|stored| stored.stage == step.stage.name && stored.shard == *shard);
            let made = match known.map(|stored| stored.made) {
                Some(Creation::Created) => "created",
                Some(Creation::AlreadyThere) => "already-there",
                None if all => "found",
                None => continue,
            };
            answers.push(ShardAnswer { stage: &step.stage.name, shard: *shard, made });
        }
    }
    answers
}

/// Reads the input in a thread of its own, so that a worker that waits can be stopped.
fn read_lines() -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || std::io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

/// The tasks of the input. A line that asks for something else than the run has is answered at once.
struct Tasks<'a> {
    session: &'a Session,
    lines: Receiver<String>,
    cancel: &'a AtomicBool,
    at_work: &'a AtWork,
}

impl<'a> Iterator for Tasks<'a> {
    type Item = Task<'a>;

    fn next(&mut self) -> Option<Task<'a>> {
        while !self.cancel.load(Ordering::SeqCst) {
            let line = match self.lines.recv_timeout(GLANCE) {
                Ok(line) if line.trim().is_empty() => continue,
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return None,
            };
            let (id, task) = match serde_json::from_str::<Line>(&line) {
                Ok(line) => (line.id.clone(), self.task(line)),
                Err(error) => (Json::Null, Err(format!("not a task: {error}"))),
            };
            match task {
                Ok(task) => {
                    self.at_work.begin(&task.id);
                    return Some(task);
                }
                Err(error) => say(&json!({ "id": id, "outcome": "failed", "code": 2, "error": error })),
            }
        }
        None
    }
}

impl<'a> Tasks<'a> {
    fn task(&self, line: Line) -> Result<Task<'a>, String> {
        let (plan, shards) = (&self.session.plan, self.session.samples.shards());
        let known = || plan.steps().iter().map(|step| step.stage.name.as_str());
        if let Some(name) = line.stages.iter().find(|name| !known().any(|known| known == *name)) {
            return Err(format!("unknown stage `{name}`{}", suggestion(name, known())));
        }
        let steps: Vec<&Step> = plan.steps().iter().filter(|step| line.stages.contains(&step.stage.name)).collect();
        steps.iter().try_for_each(|step| self.same_key(step, &line))?;
        match (steps.as_slice(), line.shards.as_slice()) {
            ([], _) => return Err("`stages` names none".into()),
            (_, []) if steps.iter().any(|step| step.is_per_sample()) => return Err("`shards` names none".into()),
            ([step], [_, ..]) if !step.is_per_sample() => return Err(format!("{} works on the whole set: leave `shards` out", step.stage.name)),
            (steps, _) if steps.len() > 1 && !steps.iter().all(|step| step.is_per_sample()) => {
                return Err("a step on the whole set is a task by itself".into());
            }
            _ => {}
        }
        if let Some(shard) = line.shards.iter().find(|shard| **shard >= shards) {
            return Err(format!("there is no shard {shard}, the run has {shards}, from 0 on"));
        }
        Ok(Task { id: line.id, steps, shards: line.shards })
    }

    /// Whether the scheduler's plan has a stage's key as well: else its results would be others.
    fn same_key(&self, step: &Step, line: &Line) -> Result<(), String> {
        let (name, here) = (&step.stage.name, step.stage.key.to_string());
        let Some(planned) = line.keys.get(name).filter(|planned| **planned != here) else { return Ok(()) };
        let plugin = step.plugin(&self.session.recipe).map(|configured| &configured.plugin);
        let versions = match (line.plugins.get(name), plugin) {
            (Some(planned), Some(here)) if (&planned.name, &planned.version) != (&here.name, &here.version) => {
                format!("planned with {} {}, here is {} {}", planned.name, planned.version, here.name, here.version)
            }
            _ => "another version of a plugin, another recipe, or other files".to_owned(),
        };
        Err(format!("{name} has the key {here} here and {planned} in the plan, so its results would differ: {versions}"))
    }
}

/// The task at work, and since when.
#[derive(Clone, Default)]
struct AtWork(Arc<Mutex<Option<(Json, Instant)>>>);

impl AtWork {
    fn begin(&self, id: &Json) {
        *self.lock() = Some((id.clone(), Instant::now()));
    }

    /// Seconds that it took.
    fn end(&self) -> f64 {
        self.lock().take().map_or(0.0, |(_, begun)| begun.elapsed().as_secs_f64())
    }

    /// Says from time to time how far the task is, until what is returned is dropped.
    fn tell(&self, progress: Progress) -> Sender<()> {
        let (until, dropped) = channel();
        let at_work = self.clone();
        std::thread::spawn(move || {
            let mut last = None;
            while dropped.recv_timeout(TELL) == Err(RecvTimeoutError::Timeout) {
                // Said under the lock, so that no line comes after the task's answer.
                let at_work = at_work.lock();
                let now = at_work.as_ref().map(|(id, _)| (id.clone(), progress.latest()));
                if let Some((id, (done, of))) = now.as_ref().filter(|_| now != last) {
                    say(&json!({ "id": id, "progress": { "done": done, "of": of } }));
                }
                last = now;
            }
        });
        until
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Json, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
